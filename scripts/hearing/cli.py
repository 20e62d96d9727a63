"""`scripts/hear`: all arms hear the same recordings; what is wrong with their words, as tables and JSON."""

import argparse
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from scripts.hearing.arms import Options, Task
from scripts.hearing.corpus import Recording, load_corpus
from scripts.hearing.heard import Heard
from scripts.hearing.intervals import Interval
from scripts.hearing.report import Run, Scored, tables
from scripts.hearing.scoring import score
from scripts.hearing.speech import speech_of
from scripts.published_weights import CACHE
from scripts.throughput.models import MODEL_NAMES, model_named
from scripts.throughput.processes import ask, worker
from scripts.throughput.report import run_record

ARMS = ("cluster", "engine", "sequential", "sequential-vad", "batched-8")

Answer = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What every arm gets: the weights, the cores, the recordings; ``url`` is a running cluster, if any."""

    model: Path
    cores: int
    tasks: tuple[Task, ...]
    url: str = ""


Ask = Callable[[str, Setup, Sequence[Options]], list[Answer]]
"""Returns what an arm answers to each of several options: see `scripts.hearing.worker`."""


def ask_arm(arm: str, setup: Setup, options: Sequence[Options]) -> list[Answer]:
    """Run an arm in a process of its own; its first recording is heard once before anything is measured."""
    with worker(
        "scripts.hearing.worker", arm, str(setup.model), str(setup.cores), setup.url, cores=setup.cores
    ) as process:
        ask(process, {"tasks": [asdict(setup.tasks[0])], "options": asdict(options[0])})
        return [
            ask(process, {"tasks": [asdict(task) for task in setup.tasks], "options": asdict(one)}) for one in options
        ]


def main(arguments: Sequence[str] | None = None, ask_for: Ask = ask_arm) -> None:
    """Measure what the command line asks for; ``ask_for`` runs an arm."""
    options = _parser().parse_args(arguments)
    recordings = load_corpus(options.data)
    speech = [speech_of(recording) for recording in recordings]
    elsewhere = bool(options.url) and set(options.arms) == {"cluster"}
    setup = Setup(
        model=Path() if elsewhere else model_named(options.model, CACHE / "bench").resolve(),
        cores=options.cores,
        tasks=tuple(map(_task, recordings)),
        url=options.url,
    )
    hearing = [Options(beam=beam, word_times=options.word_times) for beam in options.beam]
    runs = []
    for arm in options.arms:
        for one, answer in zip(hearing, ask_for(arm, setup, hearing), strict=True):
            scored = tuple(_scored(recordings, answer, speech))
            cpu_s = None if arm == "cluster" and options.url else answer["cpu_s"]
            runs.append(Run(arm=arm, beam=one.beam, scored=scored, wall_s=answer["wall_s"], cpu_s=cpu_s))
            print(f"{arm}, beam {one.beam}: {100 * runs[-1].errors().rate:.1f} % of the words wrong", flush=True)
            text = _report(options, recordings, runs)  # so that a later arm's failure takes nothing away
    print(f"\n{text}", flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hear",
        description="Score MeetMemo and faster-whisper on recordings with known words (scripts/hearing/corpus.py).",
    )
    add = parser.add_argument
    add("--data", type=Path, required=True, help="folder with truth.json and the recordings that it names")
    add("--model", default="base", help=f"{MODEL_NAMES} (%(default)s)")
    add("--beam", type=int, nargs="+", default=[1], help="(%(default)s)")
    add(
        "--arms",
        nargs="+",
        default=list(ARMS),
        help="(%(default)s); cluster: MeetMemo over HTTP; engine: the same in one process; sequential, sequential-vad, "
        "batched-N: faster-whisper",
    )
    add("--url", default="", help="of a running cluster, whose default model is heard; its key in MEETMEMO_API_KEY")
    add("--word-times", action="store_true", help="ask for the times of words, and compare those")
    add("--cores", type=int, default=os.cpu_count(), help="that every arm may use (all: %(default)s)")
    add("--out", type=Path, help="folder for hear.json and hear.md")
    return parser


def _task(recording: Recording) -> Task:
    return Task(path=str(recording.path.resolve()), language=recording.language, split=recording.split)


def _scored(
    recordings: Sequence[Recording], answer: Answer, speech: Sequence[Sequence[Sequence[Interval]]]
) -> Iterator[Scored]:
    for recording, fields, spoken in zip(recordings, answer["heard"], speech, strict=True):
        heard = Heard.from_dict(fields)
        yield Scored(recording=recording, heard=heard, score=score(recording, heard, spoken))


def _report(options: argparse.Namespace, recordings: Sequence[Recording], runs: Sequence[Run]) -> str:
    """Write the files that are wanted; return the tables with what they were measured on."""
    minutes = sum(recording.duration_s for recording in recordings) / 60
    record = {
        **run_record("hear", options.cores),
        "model": options.model,
        "n_recordings": len(recordings),
        "minutes": minutes,
    }
    text = (
        f"`{record['command']}`, {record['date']}, {record['machine']}: "
        f"{len(recordings)} recordings, {minutes:.1f} minutes.\n\n{tables(runs)}"
    )
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        body = json.dumps({**record, "runs": [run.as_dict() for run in runs]}, indent=1, ensure_ascii=False)
        (options.out / "hear.json").write_text(body + "\n", encoding="utf-8")
        (options.out / "hear.md").write_text(text, encoding="utf-8")
    return text


if __name__ == "__main__":
    main()
