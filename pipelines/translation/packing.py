"""Distribute the segments of a transcript over requests: passages of bounded size, with their neighbours as context."""

from collections.abc import Container, Sequence
from dataclasses import dataclass

from pipelines.core import Segment
from pipelines.minutes.provider.token_count import estimate_tokens


@dataclass(frozen=True, kw_only=True)
class PassageLimits:
    """Limits of one request: ``max_tokens`` of text to translate, and neighbours shown on each side.

    Passages end at multiples of ``max_segments`` in the segments' ids: after a correction most of them are the same as
    before, and what was paid for them is not paid again.
    """

    max_segments: int = 40
    max_tokens: int = 2_000
    n_neighbours: int = 3


@dataclass(frozen=True, kw_only=True)
class Passage:
    """Segments to translate in one request, and those around them, which only explain them."""

    segments: tuple[Segment, ...]
    before: tuple[Segment, ...] = ()
    after: tuple[Segment, ...] = ()


def pack(segments: Sequence[Segment], wanted: Container[int], limits: PassageLimits) -> tuple[Passage, ...]:
    """Put each segment whose id is ``wanted`` into exactly one passage, in order; one that is too large goes alone."""
    groups: list[list[int]] = []
    n_tokens = 0
    for position, segment in enumerate(segments):
        if segment.id not in wanted:
            continue
        size = estimate_tokens(segment.text)
        block = segment.id // limits.max_segments
        fits = bool(groups) and block == segments[groups[-1][-1]].id // limits.max_segments
        if fits and n_tokens + size <= limits.max_tokens:
            groups[-1].append(position)
            n_tokens += size
        else:
            groups.append([position])
            n_tokens = size
    return tuple(_passage(segments, group, limits) for group in groups)


def halve(segments: Sequence[Segment], wanted: Container[int], limits: PassageLimits) -> tuple[Passage, ...]:
    """Put the wanted segments into two passages of about the same number; a single one into one."""
    positions = [position for position, segment in enumerate(segments) if segment.id in wanted]
    middle = (len(positions) + 1) // 2
    groups = (positions[:middle], positions[middle:])
    return tuple(_passage(segments, group, limits) for group in groups if group)


def _passage(segments: Sequence[Segment], positions: Sequence[int], limits: PassageLimits) -> Passage:
    first, last, n = positions[0], positions[-1], limits.n_neighbours
    return Passage(
        segments=tuple(segments[position] for position in positions),
        before=tuple(segments[max(0, first - n) : first]),
        after=tuple(segments[last + 1 : last + 1 + n]),
    )
