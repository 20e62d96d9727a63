"""The coverage ledger: what became of every second of every channel.

Each channel's intervals tile ``[0, duration_s]``. Inside a span, what no chunk covers was judged
silent; what lies in no span at all was never looked at, which counts as failed. So does what was lost
before anybody could listen, whatever was made of the silence in its place.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from pipelines.core import SAMPLE_RATE, Chunk, ChunkResult, Coverage, CoverageStatus, Damage, Span, Transcript
from pipelines.text.typography import is_spoken
from pipelines.transcript.chunk_clock import ChunkTimeline

NO_WORDS = "no words"
UNHEARD_SPEECH = "unheard_speech"
LANGUAGE_DOUBTFUL = "language_doubtful"
NO_RESULT = "no result"
NOT_SEGMENTED = "not segmented"
DAMAGED_AUDIO = "damaged_audio"

_GAP_TOLERANCE = SAMPLE_RATE // 10
"""Samples between spans, or after the last, that rounding and resampling explain."""


class _Stretch(NamedTuple):
    """Half-open sample range with its verdict."""

    start: int
    end: int
    health: CoverageStatus
    note: str


def coverage_ledger(
    spans: Sequence[Span],
    results: Mapping[int, ChunkResult],
    *,
    duration_s: float,
    n_channels: int,
    damaged: Sequence[Damage] = (),
) -> tuple[Coverage, ...]:
    """Tile every channel of a recording with verdicts, ordered by (channel, start); ``damaged`` is ascending by start.

    Neighbours of equal health and note are one interval. The note of a failed interval says why; that of a suspect one
    lists the quality rules it fails, or says that speech stayed unheard; speech in which no word was heard says so.
    """
    n_samples = round(duration_s * SAMPLE_RATE)
    return tuple(
        Coverage(
            channel=channel,
            start_s=_seconds(stretch.start, n_samples, duration_s),
            end_s=_seconds(stretch.end, n_samples, duration_s),
            health=stretch.health,
            note=stretch.note,
        )
        for channel in range(n_channels)
        for stretch in _merged(
            _with_damage(
                _tiled(_verdicts(spans, results, channel), n_samples),
                [damage for damage in damaged if not damage.channels or channel in damage.channels],
            )
        )
    )


def verdict(result: ChunkResult | None) -> tuple[CoverageStatus, str]:
    """Judge a chunk by its result: health and note."""
    if result is None:
        return CoverageStatus.FAILED, NO_RESULT
    if result.error:
        return CoverageStatus.FAILED, result.error
    if result.suspect:
        return CoverageStatus.SUSPECT, ", ".join(result.suspect)
    heard = any(is_spoken(segment.text) for segment in result.segments)
    return CoverageStatus.TRANSCRIBED, "" if heard else NO_WORDS


def _verdicts(spans: Sequence[Span], results: Mapping[int, ChunkResult], channel: int) -> Iterator[_Stretch]:
    """Yield the judged stretches of a channel by start: pieces of speech and, between them, silence within spans."""
    for span in sorted((span for span in spans if span.channel == channel), key=lambda span: span.start):
        at = span.start
        judged = [stretch for chunk in span.chunks for stretch in _judged(chunk, results.get(chunk.index))]
        for stretch in sorted(judged):
            yield _Stretch(at, stretch.start, CoverageStatus.SILENCE, "")
            yield stretch
            at = max(at, stretch.end)
        yield _Stretch(at, span.end, CoverageStatus.SILENCE, "")


def _judged(chunk: Chunk, result: ChunkResult | None) -> Iterator[_Stretch]:
    """Yield the pieces of a chunk with their verdict, cut where speech in them stayed unheard."""
    health, note = verdict(result)
    clock = ChunkTimeline(chunk.pieces)
    unheard = [clock.interval(u.start_s, u.end_s) for u in result.unheard] if result and not result.error else []
    for piece in chunk.pieces:
        at = piece.start
        for start, end in sorted((max(start, piece.start), min(end, piece.end)) for start, end in unheard):
            if end > max(start, at):
                if start > at:
                    yield _Stretch(at, start, health, note)
                notes = ", ".join(filter(None, (note if health is CoverageStatus.SUSPECT else "", UNHEARD_SPEECH)))
                yield _Stretch(max(start, at), end, CoverageStatus.SUSPECT, notes)
                at = end
        if piece.end > at:
            yield _Stretch(at, piece.end, health, note)


def _tiled(stretches: Iterator[_Stretch], n_samples: int) -> Iterator[_Stretch]:
    """Yield stretches that tile ``[0, n_samples]``: overlaps go to the earlier one, gaps become failed."""
    at = 0
    for stretch in stretches:
        start, end = min(stretch.start, n_samples), min(stretch.end, n_samples)
        if start > at:
            yield _gap(at, start)
            at = start
        if end > at:
            yield stretch._replace(start=at, end=end)
            at = end
    if at < n_samples:
        yield _gap(at, n_samples)


def _with_damage(stretches: Iterator[_Stretch], damaged: Sequence[Damage]) -> Iterator[_Stretch]:
    """Yield stretches that tile the same range, those that were lost as failed."""
    left = list(reversed(damaged))
    for stretch in stretches:
        at = stretch.start
        while at < stretch.end:
            while left and left[-1].end <= at:
                left.pop()
            start = max(at, left[-1].start) if left else stretch.end
            if start > at:
                yield stretch._replace(start=at, end=min(start, stretch.end))
                at = min(start, stretch.end)
            else:
                end = min(left[-1].end, stretch.end)
                yield _Stretch(at, end, CoverageStatus.FAILED, DAMAGED_AUDIO)
                at = end


def _gap(start: int, end: int) -> _Stretch:
    if end - start <= _GAP_TOLERANCE:
        return _Stretch(start, end, CoverageStatus.SILENCE, "")
    return _Stretch(start, end, CoverageStatus.FAILED, NOT_SEGMENTED)


def _merged(stretches: Iterator[_Stretch]) -> Iterator[_Stretch]:
    held: _Stretch | None = None
    for stretch in stretches:
        if held is not None and (held.health, held.note) == (stretch.health, stretch.note):
            held = held._replace(end=stretch.end)
            continue
        if held is not None:
            yield held
        held = stretch
    if held is not None:
        yield held


def _seconds(sample: int, n_samples: int, duration_s: float) -> float:
    """Return seconds of a boundary; the last one is the duration itself, whatever fraction of a sample it holds."""
    return duration_s if sample == n_samples else min(sample / SAMPLE_RATE, duration_s)


def health_s(transcript: Transcript, health: CoverageStatus) -> float:
    """Return seconds of a health, each second of the recording counted once however many channels share it."""
    intervals = sorted((c.start_s, c.end_s) for c in transcript.coverage if c.health is health)
    total_s = reached_s = 0.0
    for start_s, end_s in intervals:
        total_s += max(0.0, end_s - max(start_s, reached_s))
        reached_s = max(reached_s, end_s)
    return total_s
