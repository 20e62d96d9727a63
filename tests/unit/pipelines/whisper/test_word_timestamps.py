"""Words with times: pauses are taken out of them, and nothing else."""

from collections.abc import Sequence
from itertools import pairwise
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core import Word
from pipelines.models.catalogue import BUNDLED_DIR
from pipelines.whisper.timestamps import TICKS_PER_S, Interval, TokenSegment
from pipelines.whisper.tokenizer import Vocabulary
from pipelines.whisper.word_timestamps import MAX_FADE_S, time_words, without_pauses

VOCABULARY = Vocabulary.load(BUNDLED_DIR / "mini-en")
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
    [(" on", (160, 200)), (" on.", (60, 120)), (" on,", (60, 120)), (' on."', (60, 120)), ("。", (60, 120))],
)
def test_a_word_over_a_noisy_pause_keeps_the_side_it_is_on(text: str, expected: tuple[int, int]) -> None:
    """The pause comes after the end of a clause, which fades, else before the word; two median words are the most."""
    words = said((" so", 0, 20), (" we", 20, 40), (" went", 40, 60), (text, 60, 200), (" then", 200, 220))
    assert ticks(without_pauses(words, EVERYTHING))[3] == expected


def test_a_row_of_slow_words_is_cut_to_plausible_ones() -> None:
    """Where all words are long the alignment is wrong, and the median is no measure: none lasts over 1.4 s."""
    words = said((" so", 0, 200), (" we", 200, 400), (" went.", 400, 600))
    assert ticks(without_pauses(words, EVERYTHING)) == [(130, 200), (330, 400), (400, 490)]


def test_a_number_may_last_as_long_as_its_figures() -> None:
    """A telephone number is one word of many; cut short, the rest would be speech that no word covers."""
    words = said((" call", 0, 20), (" us", 20, 40), (" at", 40, 60), (" 5512398", 60, 200), (" now", 200, 220))
    assert ticks(without_pauses(words, EVERYTHING))[3] == (60, 200)


def test_the_end_of_a_clause_lasts_while_it_is_heard() -> None:
    """The alignment ends a word at its last stressed sound; it goes on to where it fades, or to the next word."""
    words = said((" so.", 0, 20), (" we", 50, 70), (" went.", 70, 90), (" then.", 95, 110))
    assert ticks(without_pauses(words, audible((0, 32), (50, 140)))) == [(0, 32), (50, 70), (70, 95), (95, 130)]


@pytest.mark.parametrize(
    ("end", "closed", "expected"), [(50, True, 50), (90, True, 60), (30, True, 40), (50, False, 40)]
)
def test_a_segment_lasts_as_long_as_the_model_says(end: int, closed: bool, expected: int) -> None:
    """The alignment ends its last word too early; it is not believed to end 0.4 s too early, nor too late."""
    tokens = tuple(VOCABULARY.encode(" Good morning"))
    edges = [round(40 * i / len(tokens)) for i in range(len(tokens) + 1)]
    segment = TokenSegment(start=0, end=end, tokens=tokens, closed=closed)
    (words,) = time_words([segment], list(enumerate(edges)), [0.9] * len(tokens), VOCABULARY, Interval(start=0, end=99))
    assert "".join(word.text for word in words) == " Good morning"
    assert ticks(words)[-1][1] == expected


def test_no_words_stay_none() -> None:
    """A row without words has no median."""
    assert without_pauses([], EVERYTHING) == []


@given(
    st.lists(
        st.tuples(st.sampled_from([" so", " so.", "我", "，"]), st.integers(0, 90), st.integers(0, 90)), max_size=30
    ),
    st.randoms(use_true_random=False),
)
def test_words_shrink_or_fade(layout: list[tuple[str, int, int]], random: Random) -> None:
    """Each word keeps its text and its place, but for its fading; what has a length keeps one, and none meet."""
    words, at = [], 0
    for text, pause, length in layout:
        words += said((text, at + pause, at + pause + length))
        at += pause + length
    heard = np.array([random.random() < 0.5 for _ in range(max(1, at))])
    found = without_pauses(words, heard)
    assert [word.text for word in found] == [word.text for word in words]
    for before, after in zip(words, found, strict=True):
        assert before.start_s <= after.start_s <= after.end_s <= before.end_s + MAX_FADE_S + 1e-9
        assert after.start_s < after.end_s or before.start_s == before.end_s
    assert all(left.end_s <= right.start_s for left, right in pairwise(found))
