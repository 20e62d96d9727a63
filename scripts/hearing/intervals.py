"""Stretches of time: what of some lies outside of others. Pure."""

from collections.abc import Iterable, Sequence

Interval = tuple[float, float]
"""Start and end in seconds."""


def union(intervals: Iterable[Interval]) -> list[Interval]:
    """Return disjoint intervals in order; touching ones become one, empty ones none."""
    joined: list[Interval] = []
    for start, end in sorted(interval for interval in intervals if interval[1] > interval[0]):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def outside_s(intervals: Sequence[Interval], others: Sequence[Interval], margin_s: float = 0.0) -> float:
    """Return the seconds of ``intervals``, counted once, that lie farther than ``margin_s`` from all ``others``."""
    allowed = union((start - margin_s, end + margin_s) for start, end in others)
    return sum(
        end - start - sum(max(0.0, min(end, last) - max(start, first)) for first, last in allowed)
        for start, end in union(intervals)
    )
