"""How many rows to decode at once, found by trying it: more rows a second against a longer wait for each batch."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import cycle, islice

from pipelines.whisper.engine import Engine
from pipelines.whisper.options import DecodeRequest

SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
NEARLY = 0.95  # of the best speed: what more rows would still bring is not worth their wait
_WORSE = 0.9


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One size: how fast all slots together were (audio seconds per second), and how long a batch took (seconds)."""

    size: int
    speed: float
    batch_s: float


def try_sizes(
    engine: Engine,
    rows: Sequence[DecodeRequest],
    *,
    decode_slots: int = 1,
    sizes: Sequence[int] = SIZES,
    budget_s: float = 60.0,
    clock: Callable[[], float] = time.perf_counter,
) -> Iterator[Trial]:
    """Decode batches of one size after another, one in each slot; ``rows`` are repeated to fill them.

    Ends when the speed falls behind the best so far, when a row fails (the device's memory may be full), or when the
    next size would not fit into ``budget_s`` seconds.
    """
    best = spent_s = 0.0
    with ThreadPoolExecutor(decode_slots) as pool:
        for size in sizes:
            supply = cycle(rows)
            batches = [list(islice(supply, size)) for _ in range(decode_slots)]
            began_s = clock()
            results = [result for results in pool.map(engine.transcribe, batches) for result in results]
            batch_s = clock() - began_s
            if any(result.error for result in results):
                return
            audio_s = sum(row.duration_s for batch in batches for row in batch)
            trial = Trial(size=size, speed=audio_s / max(batch_s, 1e-9), batch_s=batch_s)
            yield trial
            best, spent_s = max(best, trial.speed), spent_s + batch_s
            if trial.speed < _WORSE * best or spent_s + 2 * batch_s > budget_s:
                return


def best_size(trials: Sequence[Trial]) -> int:
    """Return the smallest size that is nearly as fast as the fastest one."""
    fastest = max(trial.speed for trial in trials)
    return next(trial.size for trial in trials if trial.speed >= NEARLY * fastest)
