"""The stages of `scripts/mini_model/train` and their options."""

import argparse
import os
from datetime import UTC, datetime
from pathlib import Path

from mini_model import checkpoint, corpus
from mini_model.model import Size
from mini_model.recipes import MINI_EN, MINI_ZH_EN, RECIPES
from mini_model.tokenizer import Vocabulary, add_chinese, train_tokenizer
from scripts.speech.voices import VOICES, voices_of

STAGES = ("corpus", "speak", "tokenizer", "train", "convert", "evaluate")

_EPILOG = f"""\
stages, in this order (default: all of them):
  corpus     write the sentences: meeting grammar, and the texts of Debian packages
  speak      say them with flite and espeak-ng
  tokenizer  learn the pieces, unless the folder has a tokenizer or --start-from brings the committed one
  train      train; a killed run goes on where it saved last (every two minutes)
  convert    write the int8 files to --out and find the heads that align words
  evaluate   print the tables of word error rates

from nothing to the shipped files:
  apt-get install {MINI_EN.packages}
  scripts/mini_model/train --hours 24

go on from the committed checkpoint in the background:
  nice -n 19 scripts/mini_model/train --start-from scripts/mini_model/checkpoint/mini-en.pt --hours 8

English and Chinese, from the English model (further packages: libreoffice-help-zh-cn; pip install pypinyin):
  scripts/mini_model/train --model mini-zh-en --start-from scripts/mini_model/checkpoint/mini-en.pt --hours 8
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="train",
        description="Train a bundled Whisper checkpoint from nothing, or go on from a committed one.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    cores = os.cpu_count() or 1
    add = parser.add_argument
    add("stages", nargs="*", choices=[[], *STAGES], metavar="STAGE", help="only these stages")
    add("--model", choices=RECIPES, default=MINI_EN.name, help="what to train (%(default)s)")
    add("--work", type=Path, help=f"text, speech, checkpoint ({cache / 'meetmemo' / 'MODEL'})")
    add("--out", type=Path, help="the converted model (pipelines/models/MODEL)")
    add("--start-from", type=Path, help="weights to begin with, for example the committed checkpoint")
    add("--sentences", type=int, default=100_000, help="meeting sentences to draw (%(default)s)")
    add("--speech-hours", type=float, default=24, help="speech to make (%(default)s)")
    add("--open-share", type=float, default=0.35, help="share of open text in it (%(default)s)")
    add("--seed", type=int, default=1, help="of text and speech (%(default)s)")
    add("--hours", type=float, default=12, help="training time, all runs of --work together (%(default)s)")
    add("--device", default="cpu", help="cpu or cuda (%(default)s)")
    add("--processes", type=int, help="training processes (one per core on a CPU, one on a GPU)")
    add("--batch-seconds", type=float, help="sound in a batch (30 on a CPU, 2000 on a GPU)")
    add("--step-seconds", type=float, help="time between optimizer steps (12 on a CPU, a step per batch on a GPU)")
    add("--lr", type=float, default=1.5e-3, help="of AdamW (%(default)s; 6e-4 to go on from a good checkpoint)")
    add("--matrix-lr", type=float, default=1e-2, help="of Muon (%(default)s; 5e-3 to go on)")
    add("--mean-with", type=Path, help="convert the mean of the trained weights and these, best those it started from")
    add("--width", type=int, default=Size.width, help="of the network (%(default)s; 320 weighs 12 MB)")
    add("--test-sentences", type=int, default=12, help="evaluation sentences per voice and kind (%(default)s)")
    add("--voices", nargs="*", choices=list(VOICES), metavar="VOICE", help="to evaluate with (all)")
    options = parser.parse_args()
    options.recipe = RECIPES[options.model]
    options.work = options.work or cache / "meetmemo" / options.recipe.name
    options.out = options.out or options.recipe.shipped
    options.start_from = options.start_from and options.start_from.resolve()
    options.work.mkdir(parents=True, exist_ok=True)
    on_gpu = options.device != "cpu"
    options.processes = options.processes or (1 if on_gpu else cores)
    options.batch_seconds = options.batch_seconds or (2000 if on_gpu else 30)
    if options.step_seconds is None:
        options.step_seconds = 0 if on_gpu else 12
    for stage in STAGES:
        if not options.stages or stage in options.stages:
            print(f"{datetime.now(UTC):%H:%M:%S} {stage}", flush=True)
            _RUN[stage](options)


def _corpus(options: argparse.Namespace) -> None:
    corpus.write_corpus(options.work, options.recipe.languages, options.sentences, options.seed)


def _speak(options: argparse.Namespace) -> None:
    from mini_model.speak import Speeches, speak_corpus

    shards, languages = os.cpu_count() or 1, options.recipe.languages
    speeches = Speeches(
        folder=options.work / "speech",
        languages=languages,
        shards=shards,
        hours=options.speech_hours / shards,
        open_share=options.open_share,
        seed=options.seed,
    )
    texts = {
        (kind, language): corpus.read_corpus(options.work, kind, language)
        for kind in corpus.KINDS
        for language in languages
    }
    speak_corpus(texts, speeches, processes=shards)


def _tokenizer(options: argparse.Namespace) -> None:
    path, recipe = options.work / "tokenizer.json", options.recipe
    if path.exists():
        return
    if recipe is MINI_ZH_EN and (_from_english(options) or not options.start_from):
        chinese = [line for kind in corpus.KINDS for line in corpus.read_corpus(options.work, kind, "zh")]
        add_chinese(MINI_EN.shipped / "tokenizer.json", chinese, path)
    elif options.start_from:
        path.write_bytes((recipe.shipped / "tokenizer.json").read_bytes())
    else:
        texts = [corpus.read_corpus(options.work, kind, "en") for kind in corpus.KINDS]
        train_tokenizer([*texts[0], *texts[1]], path)


def _train(options: argparse.Namespace) -> None:
    from mini_model.train import Plan, train

    plan = Plan(
        speech=options.work / "speech",
        tokenizer=options.work / "tokenizer.json",
        out=options.work / "training.pt",
        start_from=options.start_from,
        start_tokenizer=MINI_EN.shipped / "tokenizer.json" if _from_english(options) else None,
        hours=options.hours,
        device=options.device,
        processes=options.processes,
        batch_s=options.batch_seconds,
        step_s=options.step_seconds,
        lr=options.lr,
        matrix_lr=options.matrix_lr,
        size=Size(width=options.width),
    )
    train(plan, corpus.all_held_out())


def _from_english(options: argparse.Namespace) -> bool:
    """Say whether a model for both languages begins as the English one."""
    return options.recipe is MINI_ZH_EN and options.start_from == MINI_EN.committed


def _convert(options: argparse.Namespace) -> None:
    from mini_model.align import best_heads
    from mini_model.convert import convert

    trained, tokenizer = options.work / f"{options.recipe.name}.pt", options.work / "tokenizer.json"
    state = checkpoint.load(options.work / "training.pt")
    weights, size = checkpoint.weights_of(state), Size(**state["size"])
    if options.mean_with:
        others = checkpoint.weights_of(checkpoint.load(options.mean_with))
        weights = {name: (weight + others[name]) / 2 for name, weight in weights.items()}
    checkpoint.save_weights(weights, size, trained)
    convert(trained, tokenizer, options.out, heads=None)
    convert(trained, tokenizer, options.out, heads=best_heads(options.out, size))
    print(f"{len(Vocabulary(tokenizer))} tokens, {(options.out / 'model.bin').stat().st_size / 1e6:.1f} MB", flush=True)


def _evaluate(options: argparse.Namespace) -> None:
    from mini_model.convert import digest
    from mini_model.evaluate import Extent, evaluate

    print(f"Measured {datetime.now(UTC):%Y-%m-%d}, model.bin {digest(options.out / 'model.bin')}\n", flush=True)
    voices = options.voices or tuple(voice for language in options.recipe.languages for voice in voices_of(language))
    extent = Extent(languages=options.recipe.languages, voices=voices, sentences=options.test_sentences)
    print(evaluate(options.out, extent, os.cpu_count() or 1), flush=True)


_RUN = {
    "corpus": _corpus,
    "speak": _speak,
    "tokenizer": _tokenizer,
    "train": _train,
    "convert": _convert,
    "evaluate": _evaluate,
}

if __name__ == "__main__":
    main()
