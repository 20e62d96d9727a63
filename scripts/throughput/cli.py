"""`scripts/bench`: all arms in one run, interleaved, as a table, JSON and a plot."""

import argparse
import contextlib
import json
import os
import platform
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

from pipelines.models.devices import find_devices
from scripts.throughput.mixes import SHAPES, Recording, make_mix
from scripts.throughput.report import Measured, parts_table, plot, table

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "tests" / "data"
BUNDLED = ROOT / "pipelines" / "models" / "mini-en"
ARMS = ("cluster", "engine", "sequential", "batched-8", "batched-16", "bare", "bare-batched")
WORK = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "meetmemo" / "bench"
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
    add("--model", default="bundled", help="bundled, shaped (dimensions of whisper-base, random weights) or a folder")
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
        record = {
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": f"{options.cores} cores of {find_devices()[-1].name}, {platform.machine()}",
            "command": " ".join(sys.argv),
            "rows": [one.as_dict() for one in measured],
        }
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
    with _worker(arm, model, cores) as worker:
        _ask(worker, {"paths": paths[:1] if len(paths) > 1 else [_warm_up()], "beam": beam})
        if together:
            return _ask(worker, {"paths": paths, "beam": beam})
        answers = [_ask(worker, {"paths": [path], "beam": beam}) for path in paths]
    lists = {name: [one for answer in answers for one in answer[name]] for name in ("texts", "after_s")}
    sums = {name: sum(answer[name] for answer in answers) for name in ("wall_s", "cpu_s")}
    parts_s: Counter[str] = Counter()
    for answer in answers:
        parts_s.update(answer["parts_s"])
    return {**lists, **sums, "parts_s": dict(parts_s), "peak_pss_mb": max(answer["peak_pss_mb"] for answer in answers)}


def _warm_up() -> str:
    return str(SAMPLES / "short.mp3")


@contextlib.contextmanager
def _worker(arm: str, model: Path, cores: int) -> "Iterator[subprocess.Popen[str]]":
    command = [sys.executable, "-m", "scripts.throughput.worker", arm, str(model), str(cores)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": str(cores), "HF_HUB_OFFLINE": "1"}
    allowed = ",".join(map(str, sorted(os.sched_getaffinity(0))[:cores]))
    with subprocess.Popen(
        ["taskset", "-c", allowed, *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=ROOT,
    ) as process:
        assert process.stdin is not None
        _answer(process)
        yield process
        process.stdin.close()
        process.wait(timeout=180)


def _ask(worker: "subprocess.Popen[str]", question: dict[str, Any]) -> dict[str, Any]:
    assert worker.stdin is not None
    worker.stdin.write(json.dumps(question) + "\n")
    worker.stdin.flush()
    return _answer(worker)


def _answer(worker: "subprocess.Popen[str]") -> dict[str, Any]:
    """Read the worker's next line of JSON; other lines, printed by libraries, are skipped."""
    assert worker.stdout is not None
    for line in worker.stdout:
        if line.startswith("{"):
            answer: dict[str, Any] = json.loads(line)
            return answer
    raise RuntimeError(f"{worker.args} ended without an answer")


def model_named(name: str, work: Path) -> Path:
    """Return the folder of a model as ``--model`` names it; a shaped one is made in ``work``."""
    if name == "bundled":
        return BUNDLED
    if name == "shaped":
        from scripts.throughput.shaped import make_shaped_model  # takes seconds to import

        return make_shaped_model(work / "shaped-base")
    return Path(name)


if __name__ == "__main__":
    main()
