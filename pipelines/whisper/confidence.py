"""Calibrated confidence: from the decoder's probability of a word to the share of such words that are right. Pure.

A decoder's probabilities are no shares: of the words that it gives 0.9, more or fewer than nine in ten are right. A
curve that was fitted on recordings with known words (`scripts/calibrate-confidence`) corrects them, monotonically: the
order of words by confidence stays.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace

from pipelines.core import Word

Curve = Sequence[tuple[float, float]]
"""Points (probability, share of right words), both from 0 to 1 and ascending; empty: probabilities stay."""


def calibrated(probability: float, curve: Curve) -> float:
    """Return the confidence of a word: linear between the points, level before the first and after the last."""
    if not curve:
        return probability
    above = bisect_right(curve, probability, key=lambda point: point[0])
    if above in (0, len(curve)):
        return curve[min(above, len(curve) - 1)][1]
    (left, low), (right, high) = curve[above - 1], curve[above]
    return low + (high - low) * (probability - left) / (right - left)


def with_confidence(words: Sequence[Word], curve: Curve) -> tuple[Word, ...]:
    """Return words with calibrated probabilities."""
    if not curve:
        return tuple(words)
    return tuple(replace(word, probability=calibrated(word.probability, curve)) for word in words)
