"""`scripts/bench-gpu`: its arithmetic, what it makes of faults, what it advises, and a small run on the CPU."""

import ctypes
import json
import multiprocessing
import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from cluster.settings.sections import ModelSettings
from pipelines.models.devices import EncoderName
from pipelines.models.nvidia_driver import find_driver
from pipelines.whisper.batch_size_probe import NEARLY
from pipelines.whisper.encoding.encoder import EncoderChoice
from pipelines.whisper.engine import EngineOptions
from scripts.gpu_bench import cli, lane, runner, segmenters, worker
from scripts.gpu_bench.advice import advise, best, explain, share_of_device
from scripts.gpu_bench.cells import (
    Batch,
    Cell,
    Measurement,
    Outcome,
    common_speed,
    fed_cell,
    reason_to_skip,
    shared_cells,
    single_cells,
)
from scripts.gpu_bench.gauges import NvmlGauge, ProcessGauge, Reading, Watch
from scripts.gpu_bench.lane import DeviceFull
from scripts.gpu_bench.report import Report, table
from scripts.gpu_bench.runner import Runner, RunOptions
from scripts.gpu_bench.worker import Loaded, Trouble, serve
from tests.fakes.cuda import GIB, FakeNvml
from tests.support.compiled_driver import COMPILER, UUID, compile_driver

CT2 = Cell(model="base", encoder="ctranslate2", pooling=1, batch_size=16)
MACHINE = {"device": "NVIDIA L4, 22 GiB", "cores": 16}


def batch(began_s: float, ended_s: float, *, audio_s: float = 480.0, waited_s: float = 0.0) -> Batch:
    return Batch(
        began_s=began_s,
        ended_s=ended_s,
        n_rows=16,
        audio_s=audio_s,
        n_tokens=16 * 175,
        features_s=0.016,
        encoder_s=0.16,
        decoder_s=0.32,
        waited_s=waited_s,
    )


def measured(cell: Cell, speed: float, **others: Any) -> Measurement:
    return Measurement(cell=cell, outcome=Outcome.MEASURED, speed=speed, batch_s=1.0, **others)


# Speed


def test_one_workers_speed_is_its_audio_by_its_time() -> None:
    """Two batches of 480 s in four seconds."""
    assert common_speed([[batch(0, 2), batch(2, 4)]]) == pytest.approx(240)


def test_batches_count_by_their_part_in_the_time_when_all_worked() -> None:
    """The second worker begins a second later, and the first decodes alone at the end: neither is counted."""
    first = [batch(0, 2), batch(2, 4), batch(4, 6)]
    second = [batch(1, 3), batch(3, 5)]
    assert common_speed([first, second]) == pytest.approx((480 / 2 + 480 + 480 / 2 + 960) / 4)


def test_waiting_for_rows_makes_a_batch_longer() -> None:
    """The device was free meanwhile, but no audio came out of it."""
    assert common_speed([[batch(1, 2, waited_s=1), batch(3, 4, waited_s=1)]]) == pytest.approx(240)


def test_workers_that_never_met_are_counted_from_end_to_end() -> None:
    """One batch each, one after the other."""
    assert common_speed([[batch(0, 1)], [batch(2, 3)]]) == pytest.approx(960 / 3)


def test_a_row_has_the_times_of_a_window() -> None:
    """All rows of all batches; waiting is told only where rows had to be waited for."""
    found = Measurement.of(CT2, [[batch(0, 2), batch(2, 4)]], GIB, 0.9)
    assert (found.features_ms, found.encoder_ms, found.decoder_ms) == pytest.approx((1, 10, 20))
    assert (found.batch_s, found.tokens_a_window, found.waited) == (2, 175, None)
    fed = Measurement.of(fed_cell(CT2), [[batch(1, 2, waited_s=1)]], None, None)
    assert fed.waited == pytest.approx(0.5)


# Cells


def test_every_encoder_is_compared_before_batches_grow() -> None:
    """And the one in use goes on first: loading another costs seconds."""
    cells = single_cells("base", ("ctranslate2", "torch"), (1, 2), (32, 16))
    assert [(cell.batch_size, cell.encoder, cell.pooling) for cell in cells] == [
        *[(16, "ctranslate2", 1), (16, "ctranslate2", 2), (16, "torch", 1), (16, "torch", 2)],
        *[(32, "torch", 1), (32, "torch", 2), (32, "ctranslate2", 1), (32, "ctranslate2", 2)],
    ]


def test_the_fastest_are_shared_first() -> None:
    """What failed alone is not tried by two."""
    slow, fast, full = CT2, replace(CT2, batch_size=32), replace(CT2, batch_size=64)
    rows = [measured(slow, 10), measured(fast, 20), Measurement(cell=full, outcome=Outcome.OUT_OF_MEMORY)]
    assert [(cell.batch_size, cell.n_workers) for cell in shared_cells(rows, 3)] == [(32, 3), (16, 3)]


def test_what_did_not_fit_is_not_tried_with_more() -> None:
    """More rows or more workers of the same; another pooling or another model may fit."""
    full = replace(CT2, batch_size=64)
    known = {full: Measurement(cell=full, outcome=Outcome.OUT_OF_MEMORY)}
    for larger in (replace(full, batch_size=128), replace(full, n_workers=2)):
        assert reason_to_skip(larger, known, 10) == "out of memory with 64 rows, one worker"
    for other in (CT2, full, replace(full, batch_size=128, pooling=2), replace(full, batch_size=128, model="large")):
        assert reason_to_skip(other, known, 10) == ""


def test_a_batch_that_would_take_too_long_is_not_tried() -> None:
    """By the time of a smaller one: this bounds every cell."""
    known = {CT2: measured(CT2, 100)}
    assert reason_to_skip(replace(CT2, batch_size=64), known, 4) == ""
    assert reason_to_skip(replace(CT2, batch_size=128), known, 4) == "a batch would take about 8 s"
    assert reason_to_skip(replace(CT2, batch_size=64, n_workers=2), known, 4) == "a batch would take about 8 s"


# Advice

POOLED = replace(CT2, pooling=2)
TORCH = replace(CT2, encoder="torch")


@pytest.mark.parametrize(
    ("rows", "chosen"),
    [
        ([(CT2, 100), (replace(CT2, batch_size=64), 200)], replace(CT2, batch_size=64)),
        ([(CT2, 100), (replace(CT2, batch_size=64), 100 / NEARLY)], CT2),
        ([(CT2, 100), (replace(CT2, n_workers=3), 104)], CT2),
        ([(CT2, 100), (replace(CT2, n_workers=2), 150)], replace(CT2, n_workers=2)),
        ([(POOLED, 103), (CT2, 100)], CT2),
        ([(POOLED, 140), (CT2, 100)], POOLED),
        ([(TORCH, 103), (CT2, 100)], CT2),
        ([(TORCH, 200), (CT2, 100)], TORCH),
        ([(replace(POOLED, batch_size=16), 100), (replace(CT2, batch_size=64), 100)], replace(CT2, batch_size=64)),
    ],
)
def test_the_most_modest_of_the_nearly_fastest_is_advised(rows: Sequence[tuple[Cell, float]], chosen: Cell) -> None:
    """Whatever the order of the rows."""
    for order in (rows, rows[::-1]):
        found = best([measured(cell, speed) for cell, speed in order])
        assert found is not None
        assert found.cell == chosen


def test_only_what_was_measured_with_ready_rows_is_chosen_from() -> None:
    """A row fed by Segmenters tells of the processor, one that failed of nothing."""
    fed = measured(fed_cell(CT2), 1000)
    failed = Measurement(cell=TORCH, outcome=Outcome.OUT_OF_MEMORY, speed=1000)
    assert best([fed, failed]) is None
    assert advise("base", [fed, failed], "cuda", "float16") is None
    assert advise("large-v3", [measured(CT2, 1)], "cuda", "float16") is None


def test_settings_are_the_projects_own() -> None:
    """`ModelSettings` takes them as they are written, and as many replicas fit on a GPU as were measured."""
    advice = advise("base", [measured(replace(TORCH, n_workers=3, batch_size=64), 900)], "cuda", "float16")
    assert advice is not None
    text = Report(Path("unused"), MACHINE, advice=[advice]).markdown()
    (written,) = yaml.safe_load(text.split("```yaml\n")[1].split("```")[0])["models"]
    settings = ModelSettings.model_validate(written)
    assert (settings.encoder, settings.encoder_pooling, settings.batch_size) == ("torch", 1, 64)
    assert (settings.device, settings.compute_type) == ("cuda", "float16")
    assert int(1 / settings.gpus_per_replica) == 3


@pytest.mark.parametrize("n_workers", [1, 2, 3, 7])
def test_replicas_share_a_device_without_a_rest(n_workers: int) -> None:
    """Ray counts in ten thousandths of a GPU."""
    share = share_of_device(n_workers)
    assert int(1 / share) == n_workers
    assert share * n_workers <= 1


def test_on_a_cpu_no_gpu_is_asked_for() -> None:
    advice = advise("base", [measured(CT2, 1)], "cpu", "int8")
    assert advice is not None
    settings = ModelSettings.model_validate(advice.settings)
    assert (settings.device, settings.max_replicas, settings.gpus_per_replica) == ("cpu", 1, 1.0)


@pytest.mark.parametrize(("waited", "words"), [(0.4, "these cores cannot feed it"), (0.01, "hardly waited")])
def test_segmenters_are_counted_by_what_one_of_them_cuts(waited: float, words: str) -> None:
    """A device of 900 audio seconds a second needs seven that cut 130 each, on twice as many cores."""
    fed = measured(fed_cell(CT2), 500, waited=waited, segmenter_speed=130, n_segmenters=4)
    advice = advise("base", [measured(CT2, 900, memory_bytes=3 * GIB), fed], "cuda", "float16")
    assert advice is not None
    assert (advice.n_segmenters, advice.n_cores) == (7, 14)
    said = " ".join(explain(advice, 16))
    assert "3.0 GiB" in said
    assert "Segmenters: 7" in said
    assert words in said


def test_what_was_not_measured_is_said() -> None:
    advice = advise("base", [measured(POOLED, 900)], "cuda", "float16")
    assert advice is not None
    said = " ".join(explain(advice, 16))
    assert "not measured" in said
    assert "encoder_pooling 0" in said


# Table


def test_faults_are_rows_of_the_table() -> None:
    """As many columns as any other; the note says what it was."""
    rows = [
        Measurement.of(CT2, [[batch(0, 2)]], 2 * GIB, 0.87),
        Measurement(cell=TORCH, outcome=Outcome.OUT_OF_MEMORY, detail="CUDA failed with error out of memory"),
    ]
    head, rule, first, second = table(rows).splitlines()
    assert {one.count("|") for one in (head, rule, first, second)} == {head.count("|")}
    assert "| 240.0 | 2.00 | 1.00 | 10.00 | 20.00 | 2.00 | 87 % |" in first
    assert "out of memory: CUDA failed" in second


# Gauges


def test_nvml_is_asked_for_the_gpu_that_torch_uses() -> None:
    """The driver counts all GPUs, a process perhaps one of them: the UUID tells which; without one it is the index."""
    nvml = FakeNvml(uuids=("other", "mine"), used_bytes=7 * GIB, percent=50)
    assert NvmlGauge("mine", 0, nvml.open).read([]) == Reading(memory_bytes=0, utilisation=0.5)
    assert NvmlGauge("GPU-other", 1, nvml.open).read([]) == Reading(memory_bytes=7 * GIB, utilisation=0.5)
    assert NvmlGauge("", 0, nvml.open).read([]) == Reading(memory_bytes=7 * GIB, utilisation=0.5)
    nvml.percent = None
    assert NvmlGauge("", 0, nvml.open).read([]) == Reading(memory_bytes=7 * GIB)


@pytest.mark.skipif(COMPILER is None, reason="there is no C compiler")
@pytest.mark.parametrize("uuid", [UUID, f"GPU-{UUID}", "unknown"])
def test_a_real_library_is_read_by_its_own_layouts(tmp_path: Path, uuid: str) -> None:
    """As the loader and ctypes see it: pointers, structures, and a driver that is found as doctor finds it."""
    compile_driver(tmp_path, version="580.65.06", cuda=13000)

    def opened(name: str) -> ctypes.CDLL:
        return ctypes.CDLL(str(tmp_path / name))

    assert NvmlGauge(uuid, 0, opened).read([]) == Reading(memory_bytes=3 * GIB, utilisation=0.87)
    found = find_driver(opened)
    assert found is not None
    assert (found.version, found.cuda) == ("580.65.06", (13, 0))


@pytest.mark.parametrize(("nvml", "index"), [(FakeNvml(init_error=9), 0), (FakeNvml(), 4)])
def test_a_gpu_that_nvml_does_not_know_is_an_error(nvml: FakeNvml, index: int) -> None:
    with pytest.raises(OSError, match="NVML"):
        NvmlGauge("", index, nvml.open)


def test_the_most_memory_above_what_was_in_use_is_kept() -> None:
    """Utilisation counts from `begin` on."""
    looks = iter([Reading(memory_bytes=5 * GIB, utilisation=0.0), Reading(memory_bytes=4 * GIB, utilisation=0.8)])
    seen, go_on = threading.Event(), threading.Event()

    class Gauge:
        def read(self, process_ids: Sequence[int]) -> Reading | None:
            seen.set()
            assert process_ids == [1]
            if (found := next(looks, None)) is None:
                go_on.set()
            return found

    with Watch(Gauge(), lambda: [1], base_bytes=2 * GIB) as watch:
        assert go_on.wait(10)
    assert watch.peak_bytes == 3 * GIB
    assert watch.utilisation == pytest.approx(0.4)
    watch.begin()
    assert watch.utilisation is None


def test_processes_stand_for_a_cpus_memory() -> None:
    """One that has ended has none."""
    reading = ProcessGauge().read([os.getpid(), 2**22 + 1])
    assert reading is not None
    assert reading.memory_bytes > 1 << 20


# Worker


class FakeLane:
    """A model on a device with room for four rows that is lost by the number of rows in `deadly`."""

    deadly = 3

    def __init__(self, path: Path, options: EngineOptions) -> None:
        self.model = SimpleNamespace(compute_type="float16", device_name="cuda:0")

    def use(self, choice: EncoderChoice, batch_size: int) -> None:
        if choice.encoder == "openvino":
            raise ValueError("OpenVINO computes on CPUs here\nand adds advice")

    def decode(self, rows: Sequence[Any], waited_s: float = 0.0) -> Batch:
        if len(rows) == self.deadly:
            raise RuntimeError("CUDA error: device-side assert triggered")
        if len(rows) > 8:
            raise RuntimeError("CUDA failed with error out of memory")
        if len(rows) > 4:
            raise DeviceFull("there is room for 4 rows at once")
        return replace(batch(0, 1), n_rows=len(rows))


@pytest.fixture
def fed() -> "queue.Queue[bytes]":
    """The rows that Segmenters put there."""
    return queue.Queue()


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch, fed: "queue.Queue[bytes]") -> Iterator[Callable[..., Any]]:
    """Ask a worker whose model is a `FakeLane`; without a question it tells what it loaded."""
    monkeypatch.setattr(lane, "Lane", FakeLane)
    monkeypatch.setattr(segmenters, "load_rows", lambda path: [b"row"] * 2)
    ours, theirs = multiprocessing.Pipe()
    options = EngineOptions(batch_size=1)
    thread = threading.Thread(target=serve, args=(theirs, Path("model"), options, Path("rows"), fed))
    thread.start()

    def asked(*question: Any) -> Any:
        if question:
            ours.send(question)
        assert ours.poll(10)
        return ours.recv()

    yield asked
    ours.close()
    thread.join(10)
    assert not thread.is_alive()


def test_full_memory_is_an_answer_after_which_the_worker_goes_on(ask: Callable[..., Any]) -> None:
    """By CUDA's words, or because the product made batches smaller by itself."""
    assert ask() == Loaded(compute_type="float16", device_name="cuda:0")
    assert ask("prepare", EncoderChoice(), 16).outcome == Outcome.OUT_OF_MEMORY
    found = ask("prepare", EncoderChoice(), 8)
    assert (found.outcome, found.over) == (Outcome.OUT_OF_MEMORY, False)
    assert [one.n_rows for one in ask("prepare", EncoderChoice(), 4)] == [4]
    assert len(ask("measure", 0.0)) >= 2


def test_an_encoder_that_does_not_work_here_is_told_in_a_line(ask: Callable[..., Any]) -> None:
    ask()
    found = ask("prepare", EncoderChoice(encoder="openvino"), 2)
    assert found == Trouble(outcome=Outcome.FAILED, detail="OpenVINO computes on CPUs here")


def test_rows_are_read_ahead_of_their_batch(ask: Callable[..., Any], fed: "queue.Queue[bytes]") -> None:
    """The first batch, whose rows lay ready, does not count; the rows of the one after the last are taken already."""
    ask()
    ask("prepare", EncoderChoice(), 2)
    for _ in range(20):
        fed.put(b"row")
    assert [one.n_rows for one in ask("measure_fed", 0.0)] == [2, 2]
    assert fed.qsize() <= 20 - 3 * 2


def test_rows_that_do_not_come_are_told(ask: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Instead of waiting for Segmenters that have died."""
    monkeypatch.setattr(worker, "HUNGRY_S", 0.0)
    ask()
    assert ask("measure_fed", 0.0) == Trouble(outcome=Outcome.FAILED, detail="no rows came for 0 s")


def test_a_lost_device_ends_the_worker(ask: Callable[..., Any]) -> None:
    """Nothing else would work in its process."""
    ask()
    found = ask("prepare", EncoderChoice(), 3)
    assert (found.outcome, found.over) == (Outcome.DEVICE_LOST, True)


# Run


class FakeWorker:
    """A worker that answers at once: full from ``full_from`` rows on, lost at one size, slower the more of them are."""

    full_from = 64
    lost_at: int | None = None
    started = 0

    def __init__(self, *arguments: Any) -> None:
        type(self).started += 1
        self.process_id = 0
        self._answers: list[Any] = [Loaded(compute_type="float16", device_name="cuda:0")]
        self._n_rows = 0

    def prepare(self, choice: EncoderChoice, batch_size: int) -> None:
        self._n_rows = batch_size
        if batch_size == self.lost_at:
            type(self).lost_at = None
            self._answers.append(Trouble(outcome=Outcome.DEVICE_LOST, detail="an illegal access", over=True))
        elif batch_size >= self.full_from:
            self._answers.append(Trouble(outcome=Outcome.OUT_OF_MEMORY, detail="out of memory"))
        else:
            self._answers.append([self._batch()])

    def measure(self, seconds: float) -> None:
        self._answers.append([self._batch()])

    def answer(self, until_s: float) -> Any:
        return self._answers.pop(0)

    def stop(self) -> None:
        self._answers = []

    def _batch(self) -> Batch:
        return replace(batch(0, 0.1), n_rows=self._n_rows, audio_s=30.0 * self._n_rows)


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> type[FakeWorker]:
    fresh: type[FakeWorker] = type("FreshWorker", (FakeWorker,), {})
    monkeypatch.setattr(runner, "Worker", fresh)
    return fresh


def run(folder: Path, said: list[str], *, budget_s: float = 60.0, **options: Any) -> Report:
    encoders: tuple[EncoderName, ...] = ("ctranslate2",)
    defaults: dict[str, Any] = {"poolings": (1,), "batch_sizes": (16, 32, 64, 128), "worker_counts": (1,)}
    report = Report(folder, MACHINE)
    chosen = RunOptions(
        encoders=encoders, n_segmenters=0, device="cpu", cell_s=1.0, budget_s=budget_s, **defaults | options
    )
    Runner(chosen, report, ProcessGauge(), Path("rows"), said.append).run(["base"], Path)
    return report


def outcomes(report: Report) -> list[tuple[int, int, str]]:
    return [(one.cell.batch_size, one.cell.n_workers, str(one.outcome)) for one in report.measured]


def test_full_memory_does_not_end_the_run(workers: type[FakeWorker], tmp_path: Path) -> None:
    """It is a row, more rows are not tried, and the rest is measured and advised on."""
    said: list[str] = []
    report = run(tmp_path, said, worker_counts=(1, 2, 3))
    assert outcomes(report) == [
        (16, 1, "measured"),
        (32, 1, "measured"),
        (64, 1, "out of memory"),
        (128, 1, "not tried"),
        (32, 2, "measured"),
        (16, 2, "measured"),
        (32, 3, "measured"),
        (16, 3, "measured"),
    ]
    assert len(said) == len(report.measured)
    assert report.advice[0].settings["batch_size"] == 32
    assert workers.started == 3


def test_a_lost_device_costs_one_cell(workers: type[FakeWorker], tmp_path: Path) -> None:
    """The next one has a process of its own."""
    workers.lost_at = 16
    report = run(tmp_path, [])
    assert outcomes(report)[:2] == [(16, 1, "device lost"), (32, 1, "measured")]
    assert workers.started == 2


def test_what_the_time_does_not_suffice_for_is_left_out_and_told(workers: type[FakeWorker], tmp_path: Path) -> None:
    """An empty budget still ends with a report."""
    report = run(tmp_path, [], budget_s=0.0)
    assert report.measured == []
    assert "4 cells were not reached" in report.notes[0]
    assert json.loads((tmp_path / "bench-gpu.json").read_text())["notes"] == report.notes


def test_every_row_is_on_disk_before_the_next_is_measured(
    workers: type[FakeWorker], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that is cut off leaves its table."""
    on_disk: list[int] = []
    prepare = workers.prepare

    def looked(self: FakeWorker, choice: EncoderChoice, batch_size: int) -> None:
        written = tmp_path / "bench-gpu.json"
        on_disk.append(len(json.loads(written.read_text())["rows"]) if written.exists() else 0)
        prepare(self, choice, batch_size)

    monkeypatch.setattr(workers, "prepare", looked)
    run(tmp_path, [])
    assert on_disk == [0, 1, 2]


def test_a_model_that_cannot_be_made_does_not_end_the_run(workers: type[FakeWorker], tmp_path: Path) -> None:
    """The disk is full for the largest: the others have their rows."""
    report = Report(tmp_path, MACHINE)
    options = RunOptions(
        encoders=("ctranslate2",), poolings=(1,), batch_sizes=(16,), worker_counts=(1,), n_segmenters=0, device="cpu"
    )

    def make(name: str) -> Path:
        if name == "large-v3":
            raise OSError("No space left on device")
        return Path(name)

    Runner(options, report, ProcessGauge(), Path("rows"), print).run(["large-v3", "base"], make)
    assert [one.cell.model for one in report.measured] == ["base"]
    assert "No space left" in report.notes[0]


def test_a_worker_that_dies_is_told(tmp_path: Path) -> None:
    """Its folder holds no model: the process says why, and ends."""
    options = EngineOptions(device="cpu", encoder="ctranslate2")
    rows: multiprocessing.Queue[Any] = multiprocessing.get_context("spawn").Queue()
    one = worker.Worker(tmp_path, options, tmp_path / "rows.npz", rows)
    found = one.answer(until_s=time.monotonic() + 60)
    one.stop()
    assert isinstance(found, Trouble)
    assert (found.outcome, found.over) == (Outcome.FAILED, True)
    assert "tokenizer" in found.detail


def test_a_small_run_on_the_cpu_measures_and_advises(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Everything but the GPU: models made, both encoders, real Segmenters, the files written."""
    few = ["--models", "tiny-random", "--encoders", "ctranslate2", "torch", "--batches", "2", "--poolings", "2"]
    short = ["--workers", "1", "--seconds", "0.1", "--tokens-per-s", "0.2", "--segmenters", "1", "--budget", "120"]
    folders = ["--work", str(tmp_path / "work"), "--out", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", ["bench-gpu", "--device", "cpu", *few, *short, *folders])
    assert cli.main() == 0
    assert "## What to set for tiny-random" in capsys.readouterr().out
    found = json.loads((tmp_path / "out" / "bench-gpu.json").read_text())
    assert [(row["cell"]["encoder"], row["cell"]["feed"], row["outcome"]) for row in found["rows"][:2]] == [
        ("ctranslate2", "rows", "measured"),
        ("torch", "rows", "measured"),
    ]
    fed = found["rows"][2]
    assert (fed["cell"]["feed"], fed["outcome"], fed["detail"]) == ("segmenters", "measured", "1 Segmenters")
    assert fed["segmenter_speed"] > 0
    for row in found["rows"]:
        assert row["speed"] > 0
        assert row["memory_bytes"] > 1 << 20
        assert row["tokens_a_window"] == 7  # six words and the closing timestamp
    ModelSettings.model_validate(found["advice"][0]["settings"])
    assert found["advice"][0]["segmenters_per_gpu"] >= 1
    assert "## What to set for tiny-random" in (tmp_path / "out" / "bench-gpu.md").read_text()
