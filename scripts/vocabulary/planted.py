"""Sentences with names that no model can know, said by six voices: recordings with their truth."""

import argparse
import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from scripts.accuracy.clips import write_wav
from scripts.hearing.corpus import TRUTH, Recording, load_corpus
from scripts.speech.voices import PCM, SAMPLE_RATE, speak

ENGLISH_VOICES = ("slt", "rms", "awb", "kal16", "en-us+f3", "en-gb+m3")
CHINESE_VOICES = ("cmn", "cmn+m3", "cmn+m7", "cmn+f2", "cmn+f3", "cmn+f4")

ENGLISH_TERMS = (
    "Kowalski", "Thibodeaux", "Szymanska", "Oyelaran", "Vandermeer", "Achterberg",
    "Kubernetes", "Grafana", "Ceph", "Zscaler", "Nakagawa", "Brzezinski",
)  # fmt: skip
CHINESE_TERMS = ("张伟明", "林晓峰", "欧阳静", "司马懿", "诸葛瑾", "云栖科技")

_ENGLISH = (
    "We should ask {0} about the budget before the meeting on Monday.",
    "The report from {0} and {1} was sent to the whole team yesterday.",
    "If {0} agrees, we will move the project to the second quarter.",
    "I think that {0} is much better than what we had last year.",
)
_CHINESE = (
    "我们请{0}介绍一下今年的预算。",
    "{0}和{1}昨天已经把报告发给大家了。",
    "如果{0}同意，项目就推迟到下个季度。",
)
_PAUSE_S = 0.6


def add_corpora(parser: argparse.ArgumentParser) -> None:
    """Add the options that `corpora` takes."""
    parser.add_argument("--data", type=Path, action="append", default=[], help="folder with truth.json; repeatable")
    parser.add_argument(
        "--planted", action="store_true", help="also sentences with made-up names, by six voices of each language"
    )


@contextmanager
def corpora(folders: Sequence[Path], *, planted: bool) -> Iterator[list[Recording]]:
    """Yield the recordings of folders and, where asked for, planted ones, which are gone afterwards."""
    with tempfile.TemporaryDirectory() as scratch:
        all_folders = [*folders, *([plant(Path(scratch) / "planted")] if planted else [])]
        recordings = [recording for folder in all_folders for recording in load_corpus(folder)]
        if not recordings:
            raise SystemExit("there is nothing to hear: give --data or --planted")
        yield recordings


def plant(folder: Path) -> Path:
    """Write recordings and their truth into a folder, one for each voice; return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    entries = []
    for language, voices in (("en", ENGLISH_VOICES), ("zh", CHINESE_VOICES)):
        for voice in voices:
            said = list(sentences(language))
            pcm = joined([speak(text, voice) for text in said])
            name = f"planted-{language}-{voice}.wav"
            write_wav(folder / name, pcm)
            text = ("" if language == "zh" else " ").join(said)
            entry = {"file": name, "language": language, "seconds": len(pcm) / SAMPLE_RATE, "channels": 1, "text": text}
            entries.append({**entry, "group": f"planted, {language}"})
    (folder / TRUTH).write_text(json.dumps(entries, ensure_ascii=False), encoding="utf-8")
    return folder


def sentences(language: str) -> Iterator[str]:
    """Yield sentences in which each term of the language stands at least once."""
    terms, patterns = (CHINESE_TERMS, _CHINESE) if language == "zh" else (ENGLISH_TERMS, _ENGLISH)
    for i, term in enumerate(terms):
        yield patterns[i % len(patterns)].format(term, terms[(i + 1) % len(terms)])


def joined(parts: Sequence[PCM]) -> PCM:
    """Join int16 samples with pauses."""
    pause = np.zeros(round(_PAUSE_S * SAMPLE_RATE), np.int16)
    return np.concatenate([piece for part in parts for piece in (part, pause)])
