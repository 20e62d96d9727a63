"""Calibrated confidence: a curve maps probabilities to shares, and never changes their order."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.codec import decode
from pipelines.core import Word
from pipelines.errors import ModelUnavailable
from pipelines.models.catalogue import PROFILE_FILE, read_profile
from pipelines.models.profile import ModelProfile
from pipelines.whisper.confidence import calibrated, with_confidence

CURVE = ((0.2, 0.1), (0.6, 0.3), (0.9, 0.9))


@pytest.mark.parametrize(
    ("probability", "share"), [(0.0, 0.1), (0.2, 0.1), (0.4, 0.2), (0.75, 0.6), (0.9, 0.9), (1, 0.9)]
)
def test_between_the_points_it_is_linear(probability, share):
    """Beyond the first and the last point the curve is level."""
    assert calibrated(probability, CURVE) == pytest.approx(share)


@given(st.floats(0, 1), st.floats(0, 1))
def test_the_order_stays(one, other):
    """A word that is more probable is not less confident."""
    low, high = sorted((one, other))
    assert calibrated(low, CURVE) <= calibrated(high, CURVE) + 1e-12


def test_without_a_curve_probabilities_stay():
    """Words of a model that nobody calibrated keep what the decoder gave them; with one only that changes."""
    word = Word(text=" yes", start_s=1.0, end_s=2.0, probability=0.4)
    assert with_confidence([word], ()) == (word,)
    (heard,) = with_confidence([word], CURVE)
    assert heard.probability == pytest.approx(0.2)
    assert replace(heard, probability=0.4) == word


def test_a_profile_brings_its_curve():
    """``meetmemo.json`` holds the points."""
    assert decode(ModelProfile, '{"confidence": [[0.2, 0.1], [0.9, 0.9]]}').confidence == ((0.2, 0.1), (0.9, 0.9))


@pytest.mark.parametrize(
    "points", ["[[0.5, 0.9], [0.4, 1.0]]", "[[0.5, 0.9], [0.5, 0.9]]", "[[0.1, 0.9], [0.2, 0.8]]", "[[0.1, 1.5]]"]
)
def test_a_curve_that_falls_is_refused(tmp_path, points):
    """Points must ascend, and lie between 0 and 1."""
    (tmp_path / PROFILE_FILE).write_text(f'{{"confidence": {points}}}', encoding="utf-8")
    with pytest.raises(ModelUnavailable, match="confidence"):
        read_profile(tmp_path)
