"""Goes through the cells of each model within its time, and reports each as it is known."""

import multiprocessing
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pipelines.audio.pcm import Pcm
from pipelines.models.devices import DeviceKind, EncoderName
from pipelines.whisper.ct2_model import EngineOptions
from scripts.gpu_bench.advice import advise, best
from scripts.gpu_bench.cells import (
    Batch,
    Cell,
    Measurement,
    Outcome,
    fed_cell,
    reason_to_skip,
    shared_cells,
    single_cells,
)
from scripts.gpu_bench.gauges import Gauge, Watch
from scripts.gpu_bench.report import Report, line
from scripts.gpu_bench.segmenters import Segmenters
from scripts.gpu_bench.worker import Loaded, Trouble, Worker

_LOAD_S = 180.0
_LONGEST_BATCHES = 4.0  # times the seconds of a cell: a batch that would take longer is not tried
_GRACE_S = 30.0  # beyond what a cell is expected to take, before a worker is ended
_FED_SECONDS = 3.0  # times the seconds of a cell: what comes from the CPU comes in spans
_ALONE = 2 / 3  # of a model's time, where several workers are wanted too
_ROWS_A_WORKER = 2  # batches of rows that lie ready in the queue


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """What is compared on which device, and in which time (seconds: of a cell, of the whole run)."""

    encoders: Sequence[EncoderName]
    poolings: Sequence[int]
    batch_sizes: Sequence[int]
    worker_counts: Sequence[int]
    n_segmenters: int
    device: DeviceKind
    device_index: int = 0
    compute_type: str = "auto"
    cell_s: float = 3.0
    budget_s: float = 520.0

    @property
    def fed_s(self) -> float:
        """Seconds of a cell that is fed by Segmenters."""
        return _FED_SECONDS * self.cell_s

    @property
    def fed_reserve_s(self) -> float:
        """Seconds to keep for it: its processes begin, queues fill, a batch does not count."""
        return 2 * self.fed_s + 10.0 if self.n_segmenters else 0.0


class Runner:
    """Runs the benchmark; every row goes to the report, and to ``say``, as soon as it is known."""

    def __init__(
        self, options: RunOptions, report: Report, gauge: Gauge, ready: Path, say: Callable[[str], None]
    ) -> None:
        """Take ``ready``, the file of ready rows (see `save_rows`); the time runs from here."""
        self._options, self._report, self._gauge, self._ready, self._say = options, report, gauge, ready, say
        self._until_s = time.monotonic() + options.budget_s

    def run(self, models: Sequence[str], make: Callable[[str], Path]) -> None:
        """Measure models in turn; each has its share of the time that is left."""
        for place, name in enumerate(models):
            now_s = time.monotonic()
            model_until_s = now_s + (self._until_s - now_s) / (len(models) - place)
            try:
                path = make(name)
            except OSError as error:
                self._report.notes.append(f"{name}: the model cannot be made: {error}")
                continue
            run = _ModelRun(name, path, self._options, self._gauge, self._ready, self._tell)
            try:
                run.run(model_until_s)
            finally:
                run.close()
            if advice := advise(name, self._report.measured, self._options.device, run.compute_type):
                self._report.advice.append(advice)
            if run.n_left:
                self._report.notes.append(f"{name}: {run.n_left} cells were not reached in the time that it had.")
            self._report.write()

    def _tell(self, one: Measurement) -> None:
        self._report.measured.append(one)
        self._report.write()
        self._say(line(one))


class _ModelRun:
    """Measures one model; workers live from cell to cell, and are started anew after one that failed for good."""

    def __init__(
        self,
        name: str,
        path: Path,
        options: RunOptions,
        gauge: Gauge,
        ready: Path,
        tell: Callable[[Measurement], None],
    ) -> None:
        self._name, self._path, self._options, self._gauge, self._ready = name, path, options, gauge, ready
        self._tell_others = tell
        self._measured: dict[Cell, Measurement] = {}
        self._workers: list[Worker] = []
        room = _ROWS_A_WORKER * max(options.batch_sizes)
        self._fed: multiprocessing.Queue[Pcm] = multiprocessing.get_context("spawn").Queue(room)
        reading = gauge.read([]) if options.device == "cuda" else None
        self._base_bytes = reading.memory_bytes if reading else 0
        self.compute_type = options.compute_type
        self.n_left = 0

    def run(self, until_s: float) -> None:
        """Go through the cells until that time (of the monotonic clock), the last of it kept for the fed one."""
        options = self._options
        most = until_s - options.fed_reserve_s
        alone = single_cells(self._name, options.encoders, options.poolings, options.batch_sizes)
        counts = sorted(n for n in options.worker_counts if n > 1)
        began_s = time.monotonic()
        self._measure_all(alone, began_s + (most - began_s) * (_ALONE if counts else 1.0))
        for place, n_workers in enumerate(counts):
            now_s = time.monotonic()
            shared = shared_cells(self._measured.values(), n_workers)
            self._measure_all(shared, now_s + (most - now_s) / (len(counts) - place))
        chosen = best(self._measured.values())
        if chosen and options.n_segmenters:
            self._measure_fed(fed_cell(chosen.cell), until_s)

    def close(self) -> None:
        """End all processes."""
        self._stop_workers()
        self._fed.cancel_join_thread()
        self._fed.close()

    def _measure_all(self, cells: Sequence[Cell], until_s: float) -> None:
        for place, cell in enumerate(cells):
            if time.monotonic() > until_s:
                self.n_left += len(cells) - place
                return
            if reason := reason_to_skip(cell, self._measured, _LONGEST_BATCHES * self._options.cell_s):
                self._tell(Measurement(cell=cell, outcome=Outcome.NOT_TRIED, detail=reason))
            else:
                self._tell(self._measure(cell))

    def _tell(self, one: Measurement) -> None:
        self._measured[one.cell] = one
        self._tell_others(one)

    def _measure(self, cell: Cell) -> Measurement:
        with Watch(self._gauge, self._process_ids, self._base_bytes) as watch:
            found = self._decode(cell, watch)
        if isinstance(found, Trouble):
            return self._failed(cell, found, watch)
        return Measurement.of(cell, found, watch.peak_bytes, watch.utilisation)

    def _decode(self, cell: Cell, watch: Watch) -> list[list[Batch]] | Trouble:
        """Return the batches of each worker."""
        first = self._prepared(cell)
        if isinstance(first, Trouble) or max(_longest_s(one) for one in first) >= self._options.cell_s:
            return first  # what it allocated does not weigh in a batch that takes so long
        watch.begin()
        for worker in self._workers:
            worker.measure(self._options.cell_s)
        return self._answers(2 * self._options.cell_s + max(_longest_s(one) for one in first))

    def _prepared(self, cell: Cell) -> list[list[Batch]] | Trouble:
        if trouble := self._start_workers(cell.n_workers):
            return trouble
        for worker in self._workers:
            worker.prepare(cell.choice, cell.batch_size)
        return self._answers(_LONGEST_BATCHES * self._options.cell_s * cell.n_workers)

    def _start_workers(self, n: int) -> Trouble | None:
        """Have ``n`` workers, who load at the same time."""
        options = self._options
        while len(self._workers) > n:
            self._workers.pop().stop()
        fresh = [
            Worker(
                self._path,
                EngineOptions(
                    device=options.device,
                    device_index=options.device_index,
                    compute_type=options.compute_type,
                    batch_size=min(options.batch_sizes),
                    intra_threads=1 if options.device == "cpu" else 0,
                    encoder="ctranslate2",
                    pooling=1,
                ),
                self._ready,
                self._fed,
            )
            for _ in range(n - len(self._workers))
        ]
        self._workers += fresh
        until_s = time.monotonic() + _LOAD_S
        found = [worker.answer(until_s) for worker in fresh]
        for answer in found:
            if isinstance(answer, Loaded):
                self.compute_type = answer.compute_type
        return next((answer for answer in found if isinstance(answer, Trouble)), None)

    def _answers(self, expected_s: float) -> list[list[Batch]] | Trouble:
        """Wait for all workers; what one fails by stands for all of them."""
        until_s = time.monotonic() + expected_s + _GRACE_S
        found = [worker.answer(until_s) for worker in self._workers]
        troubles = [answer for answer in found if isinstance(answer, Trouble)]
        batches = [answer for answer in found if isinstance(answer, list)]
        return next((trouble for trouble in troubles if trouble.over), troubles[0]) if troubles else batches

    def _failed(self, cell: Cell, trouble: Trouble, watch: Watch) -> Measurement:
        if trouble.over:
            self._stop_workers()
        return Measurement(cell=cell, outcome=trouble.outcome, detail=trouble.detail, memory_bytes=watch.peak_bytes)

    def _measure_fed(self, cell: Cell, until_s: float) -> None:
        """Measure with rows that processes cut meanwhile."""
        segmenters = Segmenters(self._options.n_segmenters, self._fed)
        try:
            with Watch(self._gauge, self._process_ids, self._base_bytes) as watch:
                found = self._prepared(cell)
                if not isinstance(found, Trouble):
                    watch.begin()
                    for worker in self._workers:
                        worker.measure_fed(self._options.fed_s)
                    found = self._answers(max(0.0, until_s - time.monotonic()) + self._options.fed_s)
        finally:
            cuts = segmenters.stop()
        if isinstance(found, Trouble):
            self._tell(self._failed(cell, found, watch))
            return
        speeds = [cut.speed for cut in cuts if cut.speed]
        self._tell(
            replace(
                Measurement.of(cell, found, watch.peak_bytes, watch.utilisation),
                n_segmenters=self._options.n_segmenters,
                segmenter_speed=sum(speeds) / len(speeds) if speeds else 0.0,
                detail=f"{self._options.n_segmenters} Segmenters",
            )
        )

    def _process_ids(self) -> list[int]:
        return [worker.process_id for worker in self._workers]

    def _stop_workers(self) -> None:
        for worker in self._workers:
            worker.stop()
        self._workers = []


def _longest_s(batches: Sequence[Batch]) -> float:
    return max(batch.ended_s - batch.began_s for batch in batches)
