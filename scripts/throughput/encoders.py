"""The runtimes that compute an encoder on one device, by window length and rows at once."""

import argparse
import time
from itertools import product
from pathlib import Path

import torch

from pipelines.models.devices import EncoderName, find_devices
from pipelines.whisper.ct2_model import EngineOptions, WhisperModel
from pipelines.whisper.encoding.encoder import CANDIDATES
from pipelines.whisper.encoding.selection import time_encoders, trial_features
from pipelines.whisper.log_mel import FRAMES_PER_S, LogMel
from scripts.throughput.cli import WORK
from scripts.throughput.models import model_named


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="bench-encoders", description="The encoders that there are for a device, the fastest of some runs of each."
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
    print("| model | device | type | window s | rows | encoder | ms a row | of CTranslate2's time |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    for name, compute_type in product(options.models, options.compute_types):
        model = WhisperModel(
            model_named(name, options.work),
            EngineOptions(device=options.device, compute_type=compute_type, intra_threads=options.threads),
        )
        clock = time.process_time if model.kind == "cpu" else time.perf_counter
        names: tuple[EncoderName, ...] = ("ctranslate2", *CANDIDATES[model.kind])
        for window_s, n_rows in product(options.seconds, options.rows):
            features = trial_features(LogMel(model.n_mels, model.device_name), round(window_s * FRAMES_PER_S), n_rows)
            seconds = time_encoders(names, model.encoder, features, clock)
            for encoder, took_s in seconds.items():
                share = took_s / seconds["ctranslate2"]
                print(
                    f"| {name} | {model.device_name} | {model.compute_type} | {window_s:g} | {n_rows} "
                    f"| {encoder} | {1000 * took_s / n_rows:.1f} | {share:.2f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
