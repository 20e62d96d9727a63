"""`scripts/bench-gpu`: one command that says how a device is used best."""

import argparse
import sys
import tempfile
from pathlib import Path

from pipelines.errors import ConfigurationError
from pipelines.models.devices import choose_compute_type, find_devices, usable_cores
from pipelines.whisper.encoding.encoder import CANDIDATES
from scripts.gpu_bench.gauges import gauge_for
from scripts.gpu_bench.report import Report, describe_machine
from scripts.gpu_bench.runner import Runner, RunOptions
from scripts.gpu_bench.segmenters import ready_rows, save_rows
from scripts.published_weights import CACHE
from scripts.throughput.shaped import SHAPES, make_shaped_model

_WORK = CACHE / "bench"
_N_ROWS = 16
_TOKENS_PER_S = 6.0  # of speech, about what people say
_WINDOW_S = 29.0


def main() -> int:
    options = _parser().parse_args()
    kind = options.device
    gpus = [device for device in find_devices() if device.kind == "cuda"]
    if kind == "auto":
        kind = "cuda" if gpus else "cpu"
    try:
        choose_compute_type(kind, options.device_index, options.compute_type)
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 2
    device = gpus[options.device_index] if kind == "cuda" else find_devices()[-1]
    report = Report(options.out, describe_machine(device))
    run_options = RunOptions(
        encoders=options.encoders or ("ctranslate2", *CANDIDATES[kind]),
        poolings=options.poolings,
        batch_sizes=options.batches,
        worker_counts=options.workers,
        n_segmenters=max(1, usable_cores() - 1) if options.segmenters is None else options.segmenters,
        device=kind,
        device_index=options.device_index,
        compute_type=options.compute_type,
        cell_s=options.seconds,
        budget_s=options.budget,
    )
    n_words = max(1, round(options.tokens_per_s * _WINDOW_S))

    def make(name: str) -> Path:
        return make_shaped_model(options.work / f"shaped-{name}-{n_words}", SHAPES[name], n_words=n_words)

    print("\n".join(f"{name}: {value}" for name, value in report.machine.items()), flush=True)
    with tempfile.TemporaryDirectory(prefix="meetmemo-bench-") as scratch:
        runner = Runner(run_options, report, gauge_for(kind, options.device_index), Path(scratch, "rows.npz"), _say)
        save_rows(ready_rows(_N_ROWS), Path(scratch, "rows.npz"))
        runner.run(options.models, make)
    print(f"\n{report.markdown()}\nWritten to {options.out}", flush=True)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bench-gpu",
        description="How a device is used best: encoders, pooling, rows at once and processes, with models of random "
        "weights in the dimensions of published ones, whose outputs have a fixed length. Needs no network.",
    )
    add = parser.add_argument
    add(
        "--models",
        nargs="+",
        choices=list(SHAPES),
        default=["base", "large-v3-turbo", "large-v3"],
        help="(%(default)s)",
    )
    add(
        "--encoders",
        nargs="+",
        choices=["ctranslate2", "torch", "openvino", "openvino-int8"],
        help="(all of the device)",
    )
    add("--poolings", nargs="+", type=int, choices=[1, 2, 3], default=[1, 2], help="(%(default)s)")
    add("--batches", nargs="+", type=int, default=[16, 32, 64, 128, 256], help="rows at once (%(default)s)")
    add("--workers", nargs="+", type=int, default=[1, 2, 3], help="processes on the device; 1 always (%(default)s)")
    add("--segmenters", type=int, help="processes that cut recordings; 0: leave them out (cores but one)")
    add("--device", choices=["auto", "cpu", "cuda"], default="auto", help="(%(default)s)")
    add("--device-index", type=int, default=0, help="of several GPUs (%(default)s)")
    add("--compute-type", default="auto", help="(%(default)s: float16 on GPUs)")
    add("--tokens-per-s", type=float, default=_TOKENS_PER_S, help="that are decoded for each second (%(default)s)")
    add("--seconds", type=float, default=3.0, help="for each cell of the table, loading apart (%(default)s)")
    add(
        "--budget",
        type=float,
        default=520.0,
        help="seconds for everything; what is not reached is left out (%(default)s)",
    )
    add("--work", type=Path, default=_WORK, help="where models are made, and found again (%(default)s)")
    add("--out", type=Path, default=Path("bench-gpu"), help="folder for bench-gpu.md and bench-gpu.json (%(default)s)")
    return parser


def _say(row: str) -> None:
    print(row, flush=True)


if __name__ == "__main__":
    sys.exit(main())
