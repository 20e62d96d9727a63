"""Words with times: pauses are taken out of them, and nothing else."""

from collections.abc import Sequence
from itertools import pairwise
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core import Word
from pipelines.whisper.timestamps import TICKS_PER_S
from pipelines.whisper.word_timestamps import without_pauses

EVERYTHING = np.ones(1500, np.bool_)


def said(*words: tuple[str, int, int]) -> list[Word]:
    """Words with their first and last tick."""
    return [Word(text=t, start_s=start / 50, end_s=end / 50, probability=0.9) for t, start, end in words]


def ticks(words: Sequence[Word]) -> list[tuple[int, int]]:
    return [(round(word.start_s * TICKS_PER_S), round(word.end_s * TICKS_PER_S)) for word in words]


def audible(*ranges: tuple[int, int]) -> np.ndarray:
    heard = np.zeros(1500, np.bool_)
    for start, end in ranges:
        heard[start:end] = True
    return heard


def test_words_without_pauses_stay() -> None:
    """Nothing is taken from words that sound from their beginning to their end."""
    words = said((" so", 0, 20), (" we", 20, 35), (" went", 35, 60))
    assert without_pauses(words, EVERYTHING) == words


def test_inaudible_ends_go() -> None:
    """Quiet before and after a word is a pause; quiet within it is the word's."""
    words = said((" so", 0, 30), (" quick", 30, 60), (" we", 60, 85))
    assert ticks(without_pauses(words, audible((10, 30), (30, 40), (45, 55), (70, 80)))) == [
        (10, 30),
        (30, 55),
        (70, 80),
    ]


def test_a_word_that_nothing_is_heard_of_stays() -> None:
    """The quiet words of a loud row have their times from the alignment alone."""
    words = said((" so", 0, 20), (" we", 20, 35), (" went", 35, 60))
    assert ticks(without_pauses(words, audible((0, 20), (35, 60)))) == [(0, 20), (20, 35), (35, 60)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [(" on", (160, 200)), (" on.", (60, 100)), (" on,", (60, 100)), (' on."', (60, 100)), ("。", (60, 100))],
)
def test_a_word_over_a_noisy_pause_keeps_the_side_it_is_on(text: str, expected: tuple[int, int]) -> None:
    """The pause comes after the end of a clause, else it comes before the word; two median words are the most."""
    words = said((" so", 0, 20), (" we", 20, 40), (" went", 40, 60), (text, 60, 200), (" then", 200, 220))
    assert ticks(without_pauses(words, EVERYTHING))[3] == expected


def test_a_row_of_slow_words_is_cut_to_plausible_ones() -> None:
    """Where all words are long the alignment is wrong, and the median is no measure: no word lasts over 1.4 s."""
    words = said((" so", 0, 200), (" we", 200, 400), (" went.", 400, 600))
    assert ticks(without_pauses(words, EVERYTHING)) == [(130, 200), (330, 400), (400, 470)]


def test_no_words_stay_none() -> None:
    """A row without words has no median."""
    assert without_pauses([], EVERYTHING) == []


@given(
    st.lists(
        st.tuples(st.sampled_from([" so", " so.", "我", "，"]), st.integers(0, 90), st.integers(0, 90)), max_size=30
    ),
    st.randoms(use_true_random=False),
)
def test_words_only_shrink(layout: list[tuple[str, int, int]], random: Random) -> None:
    """Each word keeps its text and lies within where it was; those with a length keep one, and none meets another."""
    words, at = [], 0
    for text, pause, length in layout:
        words += said((text, at + pause, at + pause + length))
        at += pause + length
    heard = np.array([random.random() < 0.5 for _ in range(max(1, at))])
    found = without_pauses(words, heard)
    assert [word.text for word in found] == [word.text for word in words]
    for before, after in zip(words, found, strict=True):
        assert before.start_s <= after.start_s <= after.end_s <= before.end_s
        assert (after.start_s < after.end_s) == (before.start_s < before.end_s)
    assert all(left.end_s <= right.start_s for left, right in pairwise(found))
