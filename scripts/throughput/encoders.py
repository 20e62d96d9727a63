"""CTranslate2's encoder against torch's on one device, by window length and rows at once."""

import argparse
from itertools import product
from pathlib import Path

import torch

from pipelines.models.devices import find_devices
from pipelines.whisper.ct2_model import EngineOptions, WhisperModel
from pipelines.whisper.encoder_selection import Comparison, trial_features
from pipelines.whisper.log_mel import FRAMES_PER_S, LogMel
from scripts.throughput.cli import WORK
from scripts.throughput.models import model_named


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="bench-encoders", description="CTranslate2's encoder against torch's, in turn, the fastest of some runs."
    )
    add = parser.add_argument
    add("--models", nargs="+", default=["bundled", "shaped"], help="as in scripts/bench (%(default)s)")
    add("--device", choices=["auto", "cpu", "cuda"], default="auto", help="(%(default)s)")
    add("--compute-types", nargs="+", default=["auto"], help="(%(default)s)")
    add("--seconds", nargs="+", type=float, default=[5.5, 10.5, 30.0], help="of a window (%(default)s)")
    add("--rows", nargs="+", type=int, default=[1], help="at once (%(default)s)")
    add("--threads", type=int, default=1, help="on a CPU (%(default)s)")
    add("--work", type=Path, default=WORK, help="the shaped model's place (%(default)s)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"{options.threads} threads, devices: {', '.join(device.name for device in find_devices())}\n")
    print("| model | device | type | window s | rows | CTranslate2, ms a row | torch, ms a row | gain | difference |")
    print("|---|---|---|---|---|---|---|---|---|", flush=True)
    for name, compute_type in product(options.models, options.compute_types):
        model = WhisperModel(
            model_named(name, options.work),
            EngineOptions(device=options.device, compute_type=compute_type, intra_threads=options.threads),
        )
        for window_s, n_rows in product(options.seconds, options.rows):
            features = trial_features(LogMel(model.n_mels, model.device_name), round(window_s * FRAMES_PER_S), n_rows)
            found = model.encoder.compare(features)
            print(
                f"| {name} | {model.device_name} | {model.compute_type} | {_row(window_s, n_rows, found)}", flush=True
            )


def _row(window_s: float, n_rows: int, found: Comparison) -> str:
    present_ms, challenger_ms = (1000 * took_s / n_rows for took_s in (found.present_s, found.challenger_s))
    return (
        f"{window_s:g} | {n_rows} | {present_ms:.1f} | {challenger_ms:.1f} "
        f"| {present_ms / challenger_ms:.2f} × | {found.difference:.3f} |"
    )


if __name__ == "__main__":
    main()
