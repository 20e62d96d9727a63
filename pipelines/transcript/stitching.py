"""Puts the chunks of a recording back on one clock: times, channels, order and the coverage ledger."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, pairwise

from pipelines.changed import changed
from pipelines.core import (
    SAMPLE_RATE,
    Chunk,
    ChunkResult,
    CoverageStatus,
    Damage,
    DecodedSegment,
    ModelInfo,
    Segment,
    Span,
    SpokenLanguage,
    Transcript,
    Word,
)
from pipelines.text.typography import is_spoken
from pipelines.transcript.chunk_clock import MAX_INNER_SILENCE, ChunkTimeline
from pipelines.transcript.coverage import coverage_ledger


def stitch(
    spans: Sequence[Span],
    results: Mapping[int, ChunkResult],
    *,
    duration_s: float,
    n_channels: int,
    languages: Sequence[SpokenLanguage],
    model: ModelInfo,
    speakers: Sequence[str] = (),
    with_words: bool = True,
    damaged: Sequence[Damage] = (),
) -> Transcript:
    """Join the results of a recording's chunks into its transcript; ``with_words``: segments keep their words.

    ``damaged`` stretches of the recording (ascending by start) are failed in the coverage ledger.

    ``results`` maps chunk indices to outcomes; a missing one counts as failed. ``speakers`` names the
    channels. Segments are ordered by (start, channel), lie within ``[0, duration_s]`` and never overlap
    within a channel; text of a result with an error is not used, nor is punctuation alone. Raises ValueError when two
    chunks share an index or something lies on a channel outside ``range(n_channels)``.
    """
    chunks = _checked_chunks(spans, n_channels)
    return Transcript(
        duration_s=duration_s,
        language=main_language(chunks, results, languages),
        languages=tuple(languages),
        segments=tuple(
            segments_of(
                spans,
                results,
                duration_s=duration_s,
                n_channels=n_channels,
                speakers=speakers,
                with_words=with_words,
            )
        ),
        coverage=coverage_ledger(spans, results, duration_s=duration_s, n_channels=n_channels, damaged=damaged),
        model=model,
        n_channels=n_channels,
    )


def segments_of(
    spans: Sequence[Span],
    results: Mapping[int, ChunkResult],
    *,
    duration_s: float,
    n_channels: int,
    speakers: Sequence[str] = (),
    with_words: bool = True,
) -> list[Segment]:
    """Return the segments of some spans, numbered from 0; see `stitch`.

    A span ends in silence: its segments on their own are those it has in the whole transcript, but for their numbers.
    """
    chunks = _checked_chunks(spans, n_channels)
    drafts = [
        draft
        for channel in range(n_channels)
        for draft in _without_overlap(_channel_segments(chunks, results, channel), duration_s)
    ]
    drafts.sort(key=lambda draft: (draft.start_s, draft.channel))
    return [
        changed(
            draft,
            id=i,
            speaker=speaker_label(draft.channel, n_channels, speakers),
            words=draft.words if with_words else (),
        )
        for i, draft in enumerate(drafts)
    ]


def main_language(
    chunks: Sequence[Chunk], results: Mapping[int, ChunkResult], languages: Sequence[SpokenLanguage]
) -> str:
    """Return the language that is spoken longest over all channels; without seconds, most decoded.

    Empty when neither says anything.
    """
    speech: Counter[str] = Counter()
    for spoken in languages:
        speech[spoken.language] += round(spoken.seconds * SAMPLE_RATE)
    if not +speech:
        for chunk in chunks:
            if chunk.index in results:
                speech[results[chunk.index].language] += chunk.n_samples
    return speech.most_common(1)[0][0] if speech else ""


def speaker_label(channel: int, n_channels: int, speakers: Sequence[str]) -> str:
    """Name of a channel: as given, else its number, else "" where there is only one channel."""
    if channel < len(speakers) and speakers[channel].strip():
        return speakers[channel]
    return f"Channel {channel + 1}" if n_channels > 1 else ""


def _checked_chunks(spans: Sequence[Span], n_channels: int) -> list[Chunk]:
    chunks = [chunk for span in spans for chunk in span.chunks]
    for index, count in Counter(chunk.index for chunk in chunks).items():
        if count > 1:
            raise ValueError(f"chunk {index} occurs {count} times")
    for channel in {span.channel for span in spans} | {chunk.channel for chunk in chunks}:
        if channel not in range(n_channels):
            raise ValueError(f"channel {channel} is not one of the recording's {n_channels}")
    return chunks


def _channel_segments(chunks: Sequence[Chunk], results: Mapping[int, ChunkResult], channel: int) -> Iterator[Segment]:
    for chunk in sorted((chunk for chunk in chunks if chunk.channel == channel), key=lambda chunk: chunk.start):
        result = results.get(chunk.index)
        if result is None or result.error:
            continue
        clock = ChunkTimeline(chunk.pieces)
        for decoded in result.segments:
            if is_spoken(decoded.text):
                yield from _mapped(clock, decoded, chunk, result)


def _mapped(clock: ChunkTimeline, decoded: DecodedSegment, chunk: Chunk, result: ChunkResult) -> Iterator[Segment]:
    """Yield one decoded segment on the recording's clock: one segment, or one per side of each long silence."""
    words = _mapped_words(clock, decoded.words)
    parts = [part for part in _parts(clock, decoded, words) if is_spoken(part.text)]
    for part in parts:
        yield Segment(
            id=0,
            channel=chunk.channel,
            speaker="",
            start_s=part.start_s,
            end_s=part.end_s,
            text=part.text.strip(),
            health=CoverageStatus.SUSPECT if result.suspect else CoverageStatus.TRANSCRIBED,
            avg_logprob=result.avg_logprob,
            no_speech_prob=result.no_speech_prob,
            compression_ratio=result.compression_ratio,
            temperature=result.temperature,
            words=part.words,
            language=decoded.language or result.language,
        )


def _parts(clock: ChunkTimeline, decoded: DecodedSegment, words: tuple[Word, ...]) -> Iterator[DecodedSegment]:
    """Cut a segment at the long silences that it spans, on the recording's clock.

    Words are timed by alignment, segments by the model's coarser time tokens: words decide where known. Without words
    each side of a silence gets the share of the text that its length is of the segment.
    """
    if words and _spell(words) == decoded.text.strip():
        for part in _split_at_silence(clock, words):
            yield DecodedSegment(start_s=part[0].start_s, end_s=part[-1].end_s, text=_spell(part), words=part)
        return
    sides = clock.sides(decoded.start_s, decoded.end_s)
    if words or len(sides) == 1:
        start, end = sides[0][0], sides[-1][1]
        yield DecodedSegment(
            start_s=words[0].start_s if words else start / SAMPLE_RATE,
            end_s=words[-1].end_s if words else end / SAMPLE_RATE,
            text=decoded.text,
            words=words,
        )
        return
    texts = shared_out(decoded.text, [end - start for start, end in sides])
    for (start, end), text in zip(sides, texts, strict=True):
        if text.strip():
            yield DecodedSegment(start_s=start / SAMPLE_RATE, end_s=end / SAMPLE_RATE, text=text)


def shared_out(text: str, lengths: Sequence[int]) -> list[str]:
    """Cut a text at spaces, or anywhere in scripts without, so that the parts are about as long as ``lengths`` say.

    Joined by spaces where it was cut at spaces, the parts are the text.
    """
    units = text.split() if " " in text.strip() else list(text.strip())
    joint = " " if " " in text.strip() else ""
    sizes = [len(unit) for unit in units]
    parts: list[str] = []
    first = reached = 0
    for i, wanted in enumerate(accumulate(lengths)):
        last = first
        goal = sum(sizes) * wanted / max(1, sum(lengths))
        while last < len(units) and (i == len(lengths) - 1 or reached + sizes[last] / 2 <= goal):
            reached += sizes[last]
            last += 1
        parts.append(joint.join(units[first:last]))
        first = last
    return parts


def _mapped_words(clock: ChunkTimeline, words: Sequence[Word]) -> tuple[Word, ...]:
    mapped: list[Word] = []
    reached = 0.0
    for word in words:
        start, end = clock.word_interval(word.start_s, word.end_s)
        start_s = max(start / SAMPLE_RATE, reached)
        reached = max(end / SAMPLE_RATE, start_s)
        mapped.append(changed(word, start_s=start_s, end_s=reached))
    return tuple(mapped)


def _split_at_silence(clock: ChunkTimeline, words: tuple[Word, ...]) -> list[tuple[Word, ...]]:
    cuts = [
        i
        for i, (left, right) in enumerate(pairwise(words), start=1)
        if clock.silence_within(round(left.end_s * SAMPLE_RATE), round(right.start_s * SAMPLE_RATE)) > MAX_INNER_SILENCE
    ]
    return [words[i:j] for i, j in pairwise([0, *cuts, len(words)])]


def _spell(words: Sequence[Word]) -> str:
    return "".join(word.text for word in words).strip()


def _without_overlap(segments: Iterable[Segment], duration_s: float) -> Iterator[Segment]:
    """Yield one channel's segments by start, each clipped where the next one starts and at the recording's end."""
    ordered = sorted(segments, key=lambda segment: segment.start_s)
    following = [*ordered[1:], None] if ordered else []
    for segment, after in zip(ordered, following, strict=True):
        limit_s = min(after.start_s, duration_s) if after else duration_s
        yield segment if segment.end_s <= limit_s else _clipped(segment, limit_s)


def _clipped(segment: Segment, limit_s: float) -> Segment:
    return changed(
        segment,
        start_s=min(segment.start_s, limit_s),
        end_s=limit_s,
        words=tuple(
            changed(word, start_s=min(word.start_s, limit_s), end_s=min(word.end_s, limit_s)) for word in segment.words
        ),
    )
