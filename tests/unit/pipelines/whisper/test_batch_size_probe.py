"""The size of batches by trial: which is chosen, and when the trial ends."""

from collections.abc import Sequence

import pytest

from pipelines.core import ChunkResult
from pipelines.whisper.batch_size_probe import Trial, best_size, try_sizes
from pipelines.whisper.options import DecodeRequest
from tests.fakes.engine import FakeEngine, coded_pcm

ROWS = [DecodeRequest(pcm=coded_pcm(range(1, 11)), index=n) for n in range(3)]


class TimedEngine(FakeEngine):
    """Takes ``base_s + row_s * rows`` of an invented clock for a batch; more than ``limit`` rows fail."""

    def __init__(self, base_s: float, row_s: float, limit: int = 1000) -> None:
        super().__init__()
        self.now_s, self._base_s, self._row_s, self._limit = 0.0, base_s, row_s, limit
        self.asked: list[int] = []

    def transcribe(self, rows: Sequence[DecodeRequest]) -> list[ChunkResult]:
        self.asked.append(len(rows))
        self.now_s += self._base_s + self._row_s * len(rows)
        if len(rows) > self._limit:
            return super().transcribe([DecodeRequest(pcm=row.pcm[:0], index=row.index) for row in rows])
        return super().transcribe(rows)


def trials(engine: TimedEngine, budget_s: float) -> list[Trial]:
    return list(try_sizes(engine, ROWS, clock=lambda: engine.now_s, budget_s=budget_s))


def test_the_smallest_size_that_is_nearly_the_fastest() -> None:
    """A fixed cost of each batch is worth spreading until hardly anything of it is left in a row."""
    found = trials(TimedEngine(base_s=1.0, row_s=1.0), budget_s=1e9)
    assert [trial.size for trial in found] == [1, 2, 4, 8, 16, 32, 64, 128, 256]
    assert best_size(found) == 32
    assert found[0].speed == pytest.approx(5.0 / 2.0)


def test_it_ends_where_more_is_worse() -> None:
    """A size that falls behind ends the trial, and is not chosen."""

    class Thrashing(TimedEngine):
        def transcribe(self, rows: Sequence[DecodeRequest]) -> list[ChunkResult]:
            self._row_s = 1.0 if len(rows) <= 4 else 3.0
            return super().transcribe(rows)

    engine = Thrashing(base_s=1.0, row_s=1.0)
    assert best_size(trials(engine, budget_s=1e9)) == 4
    assert engine.asked == [1, 2, 4, 8]


def test_it_ends_where_memory_does() -> None:
    """A size whose rows fail ends the trial without a figure."""
    assert [trial.size for trial in trials(TimedEngine(1.0, 0.1, limit=8), budget_s=1e9)] == [1, 2, 4, 8]


def test_it_keeps_to_its_time() -> None:
    """A slow model is not tried with batches that would take longer than there is."""
    engine = TimedEngine(base_s=0.0, row_s=1.0)
    trials(engine, budget_s=20.0)
    assert sum(engine.asked) <= 20


def test_every_lane_has_a_batch() -> None:
    """Lanes decode side by side: the speed is that of all of them."""
    engine = FakeEngine()
    (trial,) = try_sizes(engine, ROWS, decode_slots=2, sizes=(4,))
    assert engine.batch_sizes == [4, 4]
    assert trial.size == 4
