"""`scripts/calibrate-confidence`: words of recordings with known words, judged; a curve for the model, and its plot."""

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from pipelines.audio.decode import decode_audio
from pipelines.core import Transcript
from pipelines.models.catalogue import read_profile
from pipelines.whisper.ct2_model import EngineOptions
from pipelines.whisper.options import DecodeOptions
from scripts.confidence.fitting import apply, bins, brier, expected_error, fit, held_out
from scripts.confidence.judging import Judged, judge, share_right
from scripts.confidence.plot import reliability_plot
from scripts.hearing.corpus import Recording
from scripts.in_process import Product
from scripts.published_weights import CACHE
from scripts.throughput.models import MODEL_NAMES, model_named
from scripts.vocabulary.planted import add_corpora, corpora

Hear = Callable[[Recording], Transcript]
"""Returns a transcript with words, whose probabilities are as decoded."""

_LONGEST_S = 4 * 3600


def main(arguments: Sequence[str] | None = None, hear: Hear | None = None) -> None:
    """Do what the command line asks for; ``hear`` stands for the model."""
    options = _parser().parse_args(arguments)
    hear = hear or _hearing(model_named(options.model, CACHE / "bench"), options.cores)
    with corpora(options.data, planted=options.planted) as recordings:
        judged = [_judged(recording, hear(recording)) for recording in recordings]
    words = [each for one in judged for each in one]
    after = held_out(judged)
    curve = fit(words)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "confidence.json").write_text(f"{json.dumps({'confidence': curve})}\n", encoding="utf-8")
    plot = reliability_plot(bins(words), bins(after), f"{options.model}: {len(words):,} words")
    (options.out / "reliability.svg").write_text(plot, encoding="utf-8")
    print(_report(words, after, len(recordings)), flush=True)


def _hearing(model: Path, cores: int) -> Hear:
    """Return what hears a recording with a model whose curve, if it has one, is left aside."""
    engine = EngineOptions(device="cpu", intra_threads=cores)
    product = Product(model, engine, profile=replace(read_profile(model), confidence=()))

    def hear(recording: Recording) -> Transcript:
        pcm = np.concatenate(list(decode_audio(recording.path, max_duration_s=_LONGEST_S)), axis=1)
        if not recording.split:
            pcm = np.rint(pcm.mean(axis=0, keepdims=True)).astype(np.int16)
        return product.transcript(pcm, DecodeOptions(language=recording.language, word_timestamps=True))

    return hear


def _judged(recording: Recording, transcript: Transcript) -> list[Judged]:
    found: list[Judged] = []
    for number, channel in enumerate(recording.channels):
        words = [word for each in transcript.segments if each.channel == number for word in each.words]
        found += judge(words, channel.text, recording.language)
    return found


def _report(before: Sequence[Judged], after: Sequence[Judged], n_recordings: int) -> str:
    """Return a table in Markdown: what the probabilities are worth, as decoded and calibrated."""
    rows = (
        ("as decoded", before),
        ("calibrated on the other half", after),
        ("calibrated on itself", apply(before, fit(before))),
    )
    lines = [
        f"{n_recordings} recordings, {len(before):,} words, {100 * share_right(before):.1f} % of them right.",
        "",
        "| confidence | expected error | Brier |",
        "|---|---:|---:|",
        *(f"| {name} | {expected_error(words):.3f} | {brier(words):.3f} |" for name, words in rows),
    ]
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="calibrate-confidence",
        description="Transcribe recordings with known words (scripts/hearing/corpus.py), and fit the curve that makes "
        "words as often right as their confidence says. Writes confidence.json, whose content belongs into the model's "
        "meetmemo.json, and reliability.svg; prints a table (docs/accuracy.md).",
    )
    add_corpora(parser)
    parser.add_argument("--model", default="base", help=f"{MODEL_NAMES} (%(default)s)")
    parser.add_argument("--cores", type=int, default=1, help="that may be used (%(default)s)")
    parser.add_argument("--out", type=Path, required=True, help="folder for confidence.json and reliability.svg")
    return parser


if __name__ == "__main__":
    main()
