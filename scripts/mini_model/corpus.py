"""The training text on disk, and the sentences that never belong to it."""

import json
from pathlib import Path
from random import Random

from scripts.mini_model.grammar import sentence
from scripts.mini_model.open_text import open_sentences

HELD_OUT = Path(__file__).parent / "held_out"
"""`meeting.txt` and `open.txt`: what `evaluate` speaks. Fixed, so that models of different days compare."""

SAMPLES = Path(__file__).parents[2] / "tests" / "data"
"""Recordings whose truths are held out too."""

MEETING, OPEN = "meeting.txt", "open.txt"


def held_out(kind: str) -> list[str]:
    """The fixed evaluation sentences, ``kind`` being `MEETING` or `OPEN`."""
    return (HELD_OUT / kind).read_text(encoding="utf-8").splitlines()


def all_held_out() -> frozenset[str]:
    """Everything that must not be trained on."""
    truths = (json.loads(path.read_text(encoding="utf-8")) for path in sorted(SAMPLES.glob("*.truth.json")))
    spoken = {segment["text"] for truth in truths for segment in truth["segments"]}
    return frozenset(spoken | {*held_out(MEETING), *held_out(OPEN)})


def write_corpus(folder: Path, n_meeting: int, seed: int) -> None:
    """Write `MEETING` (``n_meeting`` drawn sentences, each kept once) and `OPEN` (all there is) to ``folder``."""
    rng, forbidden = Random(seed), all_held_out()
    drawn = dict.fromkeys(sentence(rng) for _ in range(n_meeting))
    folder.mkdir(parents=True, exist_ok=True)
    for kind, sentences in ((MEETING, drawn), (OPEN, open_sentences())):
        kept = [line for line in sentences if line not in forbidden]
        rng.shuffle(kept)
        (folder / kind).write_text("\n".join(kept) + "\n", encoding="utf-8")


def read_corpus(folder: Path, kind: str) -> list[str]:
    return (folder / kind).read_text(encoding="utf-8").splitlines()
