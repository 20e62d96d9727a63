"""`scripts/measure-accuracy`: invented text, words at seams and times, MeetMemo's and faster-whisper's side by side."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from scripts.accuracy import cuts, hallucination, languages, seams, times
from scripts.accuracy.record import report
from scripts.hearing.cli import Ask, ask_arm
from scripts.published_weights import CACHE
from scripts.throughput.models import MODEL_NAMES, model_named

MEASURES = {
    "hallucination": (hallucination, "words for clips in which nobody speaks"),
    "seams": (seams, "words lost and doubled where running speech is cut"),
    "cuts": (cuts, "how often the Segmenter cuts running speech inside a word"),
    "languages": (languages, "whose language is recognised, alone, spoiled, and within one recording"),
    "times": (times, "times of words, segments and talk against the truth"),
}


def main(arguments: Sequence[str] | None = None, ask_for: Ask = ask_arm) -> None:
    """Measure what the command line asks for; ``ask_for`` runs an arm of `scripts/hear`."""
    options = _parser().parse_args(arguments)
    measures, _ = MEASURES[options.measure]
    model = model_named(options.model, CACHE / "bench").resolve()
    text = ""
    for measurement in measures.measure(options, model, ask_for):  # so that a later arm's failure takes nothing away
        text = report(measurement, options.measure, options.model, options.cores, options.out)
    print(text, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="measure-accuracy",
        description="Measure what MeetMemo and faster-whisper write where nobody speaks, what becomes of words where "
        "speech is cut, and how true times are; prints Markdown (docs/accuracy.md).",
    )
    commands = parser.add_subparsers(dest="measure", required=True, metavar="MEASURE")
    for name, (measures, help_text) in MEASURES.items():
        command = commands.add_parser(name, help=help_text, description=f"Measure {help_text}.")
        command.add_argument("--model", default="base", help=f"{MODEL_NAMES} (%(default)s)")
        command.add_argument("--cores", type=int, default=os.cpu_count(), help="that may be used (all: %(default)s)")
        command.add_argument("--out", type=Path, help=f"folder for {name}.json and {name}.md")
        measures.add_arguments(command)
    return parser


if __name__ == "__main__":
    main()
