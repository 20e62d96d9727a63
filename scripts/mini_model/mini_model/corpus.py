"""The training text on disk, and the sentences that never belong to it."""

import json
from collections.abc import Iterable
from pathlib import Path
from random import Random
from typing import Literal

from mini_model.grammar import sentence
from mini_model.open_text import open_sentences
from mini_model.open_text_zh import chinese_sentences

Kind = Literal["meeting", "open"]
KINDS: tuple[Kind, ...] = ("meeting", "open")
"""Sentences of the grammar, and others."""

HELD_OUT = Path(__file__).parent / "held_out"
"""What `evaluate` speaks, by kind and language. Fixed, so that models of different days compare."""

SAMPLES = Path(__file__).parents[3] / "tests" / "data"
"""Recordings whose truths are held out too."""

_OPEN_TEXTS = {"en": open_sentences, "zh": chinese_sentences}


def held_out(kind: Kind, language: str = "en") -> list[str]:
    """Read the fixed evaluation sentences."""
    return read_corpus(HELD_OUT, kind, language)


def all_held_out() -> frozenset[str]:
    """Return all sentences that must not be trained on."""
    truths = (json.loads(path.read_text(encoding="utf-8")) for path in sorted(SAMPLES.glob("*.truth.json")))
    spoken = {segment["text"] for truth in truths for segment in truth["segments"]}
    fixed = {line for path in HELD_OUT.glob("*.txt") for line in path.read_text(encoding="utf-8").splitlines()}
    return frozenset(spoken | fixed)


def write_corpus(folder: Path, languages: Iterable[str], n_meeting: int, seed: int) -> None:
    """Write ``n_meeting`` drawn sentences of meetings, each kept once, and all the open text there is, per language."""
    rng, forbidden = Random(seed), all_held_out()
    folder.mkdir(parents=True, exist_ok=True)
    for language in languages:
        drawn = dict.fromkeys(sentence(rng, language) for _ in range(n_meeting))
        for kind, sentences in zip(KINDS, (drawn, _OPEN_TEXTS[language]()), strict=True):
            kept = [line for line in sentences if line not in forbidden]
            rng.shuffle(kept)
            (folder / f"{kind}-{language}.txt").write_text("\n".join(kept) + "\n", encoding="utf-8")


def read_corpus(folder: Path, kind: Kind, language: str) -> list[str]:
    return (folder / f"{kind}-{language}.txt").read_text(encoding="utf-8").splitlines()
