"""What was lost: told apart where it lies apart, in bounded memory."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pipelines.audio.clock.damage import DamageLog
from pipelines.core import SAMPLE_RATE


def log_of(*stretches_s: tuple[float, float], max_stretches: int = 100) -> DamageLog:
    log = DamageLog(max_stretches)
    for start_s, end_s in stretches_s:
        log.add(round(start_s * SAMPLE_RATE), round(end_s * SAMPLE_RATE))
    return log


def seconds(log: DamageLog, n_seconds: float = 1000) -> list[tuple[float, float]]:
    return [(d.start / SAMPLE_RATE, d.end / SAMPLE_RATE) for d in log.stretches(round(n_seconds * SAMPLE_RATE))]


def test_near_losses_are_one() -> None:
    """A scrap of sound between two losses is no use to anybody."""
    assert seconds(log_of((1, 2), (2.2, 3), (5, 6))) == [(1, 3), (5, 6)]


def test_a_frame_at_an_edge_is_no_loss() -> None:
    """Recorders begin and stop within a frame; between sounds the same frame was lost."""
    assert seconds(log_of((0, 0.05), (5, 5.05), (9.95, 10)), 10) == [(5, 5.05)]


@given(st.lists(st.tuples(st.floats(0, 5), st.floats(0.01, 5)), max_size=60))
def test_memory_is_bounded_and_nothing_lost_is_forgotten(parts: list[tuple[float, float]]) -> None:
    """However many there are: few remain, ascending and apart, and they cover all that was told."""
    log, at_s, told = DamageLog(max_stretches=5), 1.0, []
    for pause_s, length_s in parts:
        start, end = round((at_s + pause_s) * SAMPLE_RATE), round((at_s + pause_s + length_s) * SAMPLE_RATE)
        log.add(start, end)
        told.append((start, end))
        at_s += pause_s + length_s
    found = log.stretches(10**9)
    assert len(found) <= 5
    assert all(one.end < other.start for one, other in pairwise(found))
    assert all(any(one.start <= start and end <= one.end for one in found) for start, end in told)
