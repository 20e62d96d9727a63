"""Fitting a curve of confidence to judged words, and how well probabilities fit. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import fmean

from pipelines.whisper.confidence import Curve, calibrated
from scripts.confidence.judging import Judged, share_right

N_BINS = 10
"""Of a reliability plot, of equal width."""

MIN_WORDS_A_POINT = 50
MAX_POINTS = 12


@dataclass(frozen=True, kw_only=True)
class Bin:
    """Words of about one probability: how many, their mean probability, the share that is right."""

    n_words: int
    probability: float
    right: float


def bins(judged: Sequence[Judged]) -> list[Bin]:
    """Return the bins of a reliability plot that hold words, by probability."""
    found = []
    for number in range(N_BINS):
        within = [each for each in judged if min(N_BINS - 1, int(each.probability * N_BINS)) == number]
        if within:
            found.append(_bin(within))
    return found


def expected_error(judged: Sequence[Judged]) -> float:
    """Return the expected calibration error: the mean distance of probability and share over the words, by bin."""
    return sum(each.n_words * abs(each.probability - each.right) for each in bins(judged)) / max(1, len(judged))


def brier(judged: Sequence[Judged]) -> float:
    """Return the mean squared distance of probability and outcome; 0 of no words."""
    return fmean((each.probability - each.right) ** 2 for each in judged) if judged else 0.0


def fit(judged: Sequence[Judged]) -> tuple[tuple[float, float], ...]:
    """Return a curve by isotonic regression (pool adjacent violators) over bins of equally many words.

    Raises ``ValueError`` for fewer than two bins' worth of words: a curve of one point says nothing.
    """
    n_bins = min(MAX_POINTS, len(judged) // MIN_WORDS_A_POINT)
    if n_bins < 2:
        raise ValueError(f"{len(judged)} words are too few: at least {2 * MIN_WORDS_A_POINT} are needed")
    ordered = sorted(judged, key=lambda each: each.probability)
    edges = [round(number * len(ordered) / n_bins) for number in range(n_bins + 1)]
    pooled: list[Bin] = []
    for first, last in pairwise(edges):
        pooled.append(_bin(ordered[first:last]))
        while len(pooled) > 1 and not _ascend(pooled[-2], pooled[-1]):
            pooled[-2:] = [_joined(*pooled[-2:])]
    return tuple((round(each.probability, 4), round(each.right, 4)) for each in pooled)


def apply(judged: Sequence[Judged], curve: Curve) -> list[Judged]:
    """Return the words with calibrated probabilities."""
    return [replace(each, probability=calibrated(each.probability, curve)) for each in judged]


def held_out(recordings: Sequence[Sequence[Judged]]) -> list[Judged]:
    """Calibrate every second recording by a curve that was fitted on the others; return the words of all of them."""
    halves = [[each for i, words in enumerate(recordings) if i % 2 == half for each in words] for half in (0, 1)]
    return [*apply(halves[0], fit(halves[1])), *apply(halves[1], fit(halves[0]))]


def _ascend(one: Bin, other: Bin) -> bool:
    """Say whether two points may follow each other, as they are written: rounded."""
    return round(one.probability, 4) < round(other.probability, 4) and one.right <= other.right


def _bin(words: Sequence[Judged]) -> Bin:
    return Bin(n_words=len(words), probability=fmean(each.probability for each in words), right=share_right(words))


def _joined(one: Bin, other: Bin) -> Bin:
    n_words = one.n_words + other.n_words
    return Bin(
        n_words=n_words,
        probability=(one.n_words * one.probability + other.n_words * other.probability) / n_words,
        right=(one.n_words * one.right + other.n_words * other.right) / n_words,
    )
