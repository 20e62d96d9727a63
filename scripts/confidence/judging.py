"""Which words of a transcript are right, each with its probability. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipelines.core import Word
from scripts.hearing.alignment import align, words_of
from scripts.hearing.corpus import BY_CHARACTER


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A word's probability, and whether it is the one that was said."""

    probability: float
    right: bool


def judge(words: Sequence[Word], truth: str, language: str) -> list[Judged]:
    """Align the words of a channel with what was said there.

    A word counts as right when all that is compared of it is in the truth at its place; of punctuation nothing is. Each
    word is compared for itself: unlike where errors are counted (`scripts.hearing`), an English number that is written
    otherwise than in the truth is wrong.
    """
    parts = [_compared(word.text, language) for word in words]
    hits = set(align(_compared(truth, language), [part for each in parts for part in each]).hits.values())
    judged, at = [], 0
    for word, each in zip(words, parts, strict=True):
        if each:
            places = range(at, at + len(each))
            judged.append(Judged(probability=word.probability, right=hits.issuperset(places)))
        at += len(each)
    return judged


def _compared(text: str, language: str) -> list[str]:
    return words_of(text, language if language in BY_CHARACTER else "")


def share_right(judged: Iterable[Judged]) -> float:
    """Return the share of right words, 0 of none."""
    outcomes = [each.right for each in judged]
    return sum(outcomes) / len(outcomes) if outcomes else 0.0
