"""`scripts/bench`: all arms in one run, interleaved, as a table, JSON and a plot."""

import argparse
import json
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

from scripts.published_weights import CACHE
from scripts.throughput.mixes import SHAPES, Recording, make_mix
from scripts.throughput.models import MODEL_NAMES, model_named
from scripts.throughput.processes import ROOT, ask, worker
from scripts.throughput.report import Measured, parts_table, plot, run_record, table

SAMPLES = ROOT / "tests" / "data"
ARMS = ("cluster", "engine", "sequential", "batched-8", "batched-16", "bare", "bare-batched")
WORK = CACHE / "bench"
"""Where recordings and models are made."""


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="bench",
        description="MeetMemo against faster-whisper and bare CTranslate2 on the same files, weights and cores.",
    )
    add = parser.add_argument
    add("--mix", nargs="+", choices=list(SHAPES), default=["calls", "meetings"], help="(%(default)s)")
    add(
        "--arms",
        nargs="+",
        default=list(ARMS),
        help="(%(default)s); batched-N: faster-whisper, s2t-N: WhisperS2T, if it is installed, N windows at once",
    )
    add("--model", default="bundled", help=f"{MODEL_NAMES}, shaped (whisper-base's dimensions, random weights)")
    add("--beam", type=int, nargs="+", default=[1], help="(%(default)s)")
    add("--rounds", type=int, default=3, help="of all arms, in random order (%(default)s)")
    add("--scale", type=float, default=1.0, help="share of the files of a mix, or of the long file's length")
    add("--cores", type=int, default=os.cpu_count(), help="that every arm may use (all: %(default)s)")
    add("--work", type=Path, default=WORK, help="recordings and models (%(default)s)")
    add("--out", type=Path, help="folder for bench.json and bench.png")
    options = parser.parse_args()
    model = model_named(options.model, options.work)
    measured: list[Measured] = []
    for mix in options.mix:
        recordings = make_mix(mix, options.work, SAMPLES, options.scale)
        hours = sum(recording.duration_s for recording in recordings) / 3600
        print(f"{mix}: {len(recordings)} files, {hours:.2f} h of audio", flush=True)
        measured += _rounds(mix, recordings, model, options)
    print(table(measured), flush=True)
    if "cluster" in options.arms:
        print(f"\nProcessor time in the cluster, ms per second of audio:\n\n{parts_table(measured)}", flush=True)
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        record = {**run_record("bench", options.cores), "rows": [one.as_dict() for one in measured]}
        (options.out / "bench.json").write_text(json.dumps(record, indent=1) + "\n")
        plot(measured, options.out / "bench.png")


def _rounds(mix: str, recordings: Sequence[Recording], model: Path, options: argparse.Namespace) -> list[Measured]:
    """Run every arm in every round, each round in an order of its own; an arm's process lives for one run."""
    found = []
    rng = Random(1)
    for number in range(options.rounds):
        for beam in options.beam:
            for arm in rng.sample(options.arms, len(options.arms)):
                answer = _measure(arm, recordings, model, beam, options.cores, together=mix != "single")
                one = Measured.of(mix, arm, beam, number, options.cores, recordings, answer)
                print(one.line(), flush=True)
                found.append(one)
    return found


def _measure(
    arm: str, recordings: Sequence[Recording], model: Path, beam: int, cores: int, *, together: bool
) -> dict[str, Any]:
    """Measure an arm on all recordings at once, or on one after another."""
    paths = [recording.path for recording in recordings]
    with worker("scripts.throughput.worker", arm, str(model), str(cores), cores=cores) as process:
        ask(process, {"paths": paths[:1] if len(paths) > 1 else [_warm_up()], "beam": beam})
        if together:
            return ask(process, {"paths": paths, "beam": beam})
        answers = [ask(process, {"paths": [path], "beam": beam}) for path in paths]
    lists = {name: [one for answer in answers for one in answer[name]] for name in ("texts", "after_s")}
    sums = {name: sum(answer[name] for answer in answers) for name in ("wall_s", "cpu_s")}
    parts_s: Counter[str] = Counter()
    for answer in answers:
        parts_s.update(answer["parts_s"])
    return {**lists, **sums, "parts_s": dict(parts_s), "peak_pss_mb": max(answer["peak_pss_mb"] for answer in answers)}


def _warm_up() -> str:
    return str(SAMPLES / "short.mp3")


if __name__ == "__main__":
    main()
