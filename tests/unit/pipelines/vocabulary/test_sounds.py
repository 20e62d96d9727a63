"""Sounds: what is spelled otherwise and sounds alike is near, what sounds otherwise is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.vocabulary.english import english_sounds, spelled_out
from pipelines.vocabulary.sounds import distance, sounds_of


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Smith", "Smyth"),
        ("Knight", "nite"),
        ("Philip", "filip"),
        ("Xavier", "zavier"),
        ("quick", "kwik"),
        ("Sean Wright", "sean rite"),
        ("o'Neil", "oneil"),
        ("Łukasz", "Lukasz"),
        ("k8", "k eight"),
    ],
)
def test_equal_sounds(one, other):
    """Silent letters, doubled ones, accents and other spellings make no difference."""
    assert english_sounds(one) == english_sounds(other) != ""


def test_letters_are_read_out():
    """Initials, and words that nobody can say otherwise."""
    assert spelled_out("CRM") == english_sounds("see are em") == english_sounds("crm")
    assert spelled_out("Crm") == spelled_out("CRM2") == ""


def test_syllables():
    """Chinese characters are syllables without tones, also beside Latin letters."""
    assert sounds_of("张伟") == ("zh|ang", "w|ei")
    assert sounds_of("章A") == ("zh|ang", "A")
    assert sounds_of("。") == ()


@pytest.mark.parametrize(
    ("one", "other", "limit"),
    [
        ("Kubernetes", "cooper net ease", 0.05),
        ("Kowalski", "go walsky", 0.15),
        ("张伟", "脏伟", 0.1),
        ("林峰", "宁封", 0.15),
        ("Smith", "Smyth", 0.0),
    ],
)
def test_near(one, other, limit):
    """What is confused costs little: voiced consonants, vowels, flat tongues, nasals."""
    assert distance(sounds_of(one), sounds_of(other), 1.0) <= limit + 1e-9


@pytest.mark.parametrize(("one", "other"), [("Berlin", "Madrid"), ("Kubernetes", "governments"), ("张伟", "李伟")])
def test_far(one, other):
    """Other consonants and other initials and finals are far."""
    assert distance(sounds_of(one), sounds_of(other), 0.2) == float("inf")


@given(st.text("ABDEKMOST", max_size=8), st.text("ABDEKMOST", max_size=8))
def test_a_distance(one, other):
    """It is symmetric, 0 for equal sounds, 1 at most; a limit changes it only where it is beyond."""
    apart = distance(one, other, 1.0)
    assert apart == pytest.approx(distance(other, one, 1.0))
    assert (apart == 0) == (one == other)
    assert apart <= 1
    if abs(apart - 0.2) > 1e-9:
        assert distance(one, other, 0.2) == (apart if apart < 0.2 else float("inf"))
