"""Mask the results of a recording's chunks, for what is kept of them beyond the job's end. Pure."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from pipelines.core import SAMPLE_RATE, ChunkResult, DecodedSegment, ModelInfo, Segment, Span, Transcript
from pipelines.text.redaction import MaskKind, Scope, mask_text, mask_words, scopes_of


def masked_results(
    spans: Sequence[Span],
    results: Sequence[ChunkResult],
    kinds: Collection[MaskKind],
    *,
    regions: Sequence[str] = (),
    names: Iterable[str] = (),
) -> tuple[ChunkResult, ...]:
    """Return results without what is masked in the transcript of them all; ``names`` are known beforehand."""
    if not kinds:
        return tuple(results)
    chunks = {chunk.index: chunk for span in spans for chunk in span.chunks}
    places = [
        (chunks[result.index].channel, chunks[result.index].start / SAMPLE_RATE, result, number)
        for result in results
        if result.index in chunks
        for number in range(len(result.segments))
    ]
    places.sort(key=lambda place: (place[1] + place[2].segments[place[3]].start_s, place[0]))
    said = [_segment(*place) for place in places]
    model = ModelInfo(name="")
    transcript = Transcript(duration_s=0.0, language="", languages=(), segments=tuple(said), coverage=(), model=model)
    scopes = scopes_of(transcript, kinds, regions=regions, names=names)
    masked = {
        (result.index, number): _masked(result.segments[number], kinds, scope)
        for (_, _, result, number), scope in zip(places, scopes, strict=True)
    }
    return tuple(
        replace(
            result,
            segments=tuple(
                masked.get((result.index, number)) or _masked(each, kinds, Scope())
                for number, each in enumerate(result.segments)
            ),
        )
        for result in results
    )


def _segment(channel: int, start_s: float, result: ChunkResult, number: int) -> Segment:
    decoded = result.segments[number]
    return Segment(
        id=number,
        channel=channel,
        speaker="",
        start_s=start_s + decoded.start_s,
        end_s=start_s + decoded.end_s,
        text=decoded.text.strip(),
        language=decoded.language or result.language,
    )


def _masked(segment: DecodedSegment, kinds: Collection[MaskKind], scope: Scope) -> DecodedSegment:
    words = mask_words(segment.words, kinds, scope)
    return replace(segment, text=mask_text(segment.text, kinds, scope), words=words)
