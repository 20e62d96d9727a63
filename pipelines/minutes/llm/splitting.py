"""Long transcripts in pieces that a language model reads well, cut where the topic changes or the talk pauses."""

from collections.abc import Callable
from dataclasses import replace

from pipelines.core import Segment, Transcript
from pipelines.minutes.extractive.topics import split_topics
from pipelines.minutes.language.registry import cues_for
from pipelines.minutes.language.sentences import split_sentences

# A cut in the last third of a piece is taken where a topic starts, else where the pause is longest.
LATEST_SHARE = 2 / 3


def split_transcript(
    transcript: Transcript, max_tokens: int, n_tokens: Callable[[Segment], int]
) -> tuple[Transcript, ...]:
    """Cut a transcript into consecutive pieces of at most ``max_tokens``; a single longer segment is a piece.

    Segments keep their ids, and each is in exactly one piece. One piece when it fits.
    """
    segments = transcript.segments
    sizes = [n_tokens(segment) for segment in segments]
    if sum(sizes) <= max_tokens or len(segments) < 2:
        return (transcript,)
    topic_starts = _topic_starts(transcript)
    pieces: list[Transcript] = []
    start = 0
    while start < len(segments):
        end = _reach(sizes, start, max_tokens)
        if end < len(segments):
            end = _cut(segments, sizes, start, end, topic_starts)
        pieces.append(replace(transcript, segments=segments[start:end]))
        start = end
    return tuple(pieces)


def halve(transcript: Transcript) -> tuple[Transcript, ...]:
    """Return two pieces of a transcript, cut at the longest pause near its middle; one when it cannot be cut."""
    segments = transcript.segments
    if len(segments) < 2:
        return (transcript,)
    middle, reach = len(segments) // 2, len(segments) // 6
    candidates = range(max(1, middle - reach), min(len(segments) - 1, middle + reach) + 1)
    cut = max(candidates, key=lambda index: (_pause_s(segments, index), -abs(index - middle)))
    return replace(transcript, segments=segments[:cut]), replace(transcript, segments=segments[cut:])


def _reach(sizes: list[int], start: int, max_tokens: int) -> int:
    """Return the end of the longest piece from ``start``; at least one segment."""
    total, end = sizes[start], start + 1
    while end < len(sizes) and total + sizes[end] <= max_tokens:
        total += sizes[end]
        end += 1
    return end


def _cut(segments: tuple[Segment, ...], sizes: list[int], start: int, end: int, topic_starts: frozenset[int]) -> int:
    whole, total, earliest = sum(sizes[start:end]), 0, start + 1
    while earliest < end and total + sizes[earliest - 1] < LATEST_SHARE * whole:
        total += sizes[earliest - 1]
        earliest += 1
    candidates = range(earliest, end + 1)
    topics = [index for index in candidates if segments[index].id in topic_starts]
    return topics[-1] if topics else max(candidates, key=lambda index: (_pause_s(segments, index), index))


def _pause_s(segments: tuple[Segment, ...], index: int) -> float:
    return segments[index].start_s - segments[index - 1].end_s


def _topic_starts(transcript: Transcript) -> frozenset[int]:
    """Return ids of the segments at which a topic starts."""
    stretches = split_topics(split_sentences(transcript), cues_for(transcript.language, transcript.text))
    return frozenset(stretch.sentences[0].segment_ids[0] for stretch in stretches)
