"""Times of words that a person wrote in place of what a model heard."""

import time
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pipelines.core import Word
from pipelines.transcript.retiming import WRITTEN, retime


def heard(text: str, *, start_s: float = 10.0, step_s: float = 0.5) -> tuple[Word, ...]:
    """Words as a model times them, each half a second."""
    parts = text.split(" ")
    return tuple(
        Word(text=f" {part}", start_s=start_s + i * step_s, end_s=start_s + (i + 1) * step_s, probability=0.7)
        for i, part in enumerate(parts)
    )


def times(words: tuple[Word, ...]) -> list[tuple[str, float, float]]:
    return [(word.text, round(word.start_s, 3), round(word.end_s, 3)) for word in words]


def test_a_word_takes_the_place_of_another() -> None:
    """The neighbours keep their times and probabilities; the new word has what lies between, and a person's word."""
    words = retime(heard("we ship on friday"), "We ship on Thursday", 10.0, 12.0)
    assert times(words) == [("We", 10.0, 10.5), (" ship", 10.5, 11.0), (" on", 11.0, 11.5), (" Thursday", 11.5, 12.0)]
    assert [word.probability for word in words] == [0.7, 0.7, 0.7, WRITTEN]


def test_words_come_and_go() -> None:
    """Words that were missing share the gap by their length; those that were struck out leave one."""
    more = retime(heard("call the bank"), "call Ann of the bank", 10.0, 11.5)
    assert times(more) == [
        ("call", 10.0, 10.5),
        (" Ann", 10.5, 10.5),
        (" of", 10.5, 10.5),
        (" the", 10.5, 11.0),
        (" bank", 11.0, 11.5),
    ]
    less = retime(heard("well you know call the bank"), "call the bank", 10.0, 13.0)
    assert times(less) == [("call", 11.5, 12.0), (" the", 12.0, 12.5), (" bank", 12.5, 13.0)]
    share = retime(heard("a xylophone b"), "a to three b", 10.0, 11.5)
    assert times(share)[1:3] == [(" to", 10.5, 10.643), (" three", 10.643, 11.0)]


def test_characters_of_chinese() -> None:
    """Where no spaces part words, each character keeps its share of its word's time."""
    words = (
        Word(text="会议", start_s=0.0, end_s=1.0, probability=0.8),
        Word(text="开始。", start_s=1.0, end_s=2.5, probability=0.8),
    )
    assert times(retime(words, "会谈开始。", 0.0, 2.5)) == [
        ("会", 0.0, 0.5),
        ("谈", 0.5, 1.0),
        ("开", 1.0, 1.5),
        ("始", 1.5, 2.0),
        ("。", 2.0, 2.5),
    ]


def test_rare_characters_of_chinese() -> None:
    """Ideographs beyond the Basic Multilingual Plane are words of their own as well."""
    assert len(retime(heard("吉野家"), "𠮷𠮷家", 10.0, 11.5)) == 3


def test_without_times() -> None:
    """A segment whose words were not timed stays so, and no words have no times."""
    assert retime((), "anything", 0.0, 1.0) == ()
    assert retime(heard("gone"), "", 10.0, 10.5) == ()


TEXT = st.text(alphabet="ab 会议é.,'", max_size=30).map(lambda text: " ".join(text.split()))


@given(old=TEXT.filter(bool), new=TEXT)
def test_times_never_run_backwards(old: str, new: str) -> None:
    """Whatever is written: the words are its text, ascend, do not overlap, and stay within the segment."""
    before = heard(old)
    start_s, end_s = before[0].start_s, before[-1].end_s
    after = retime(before, new, start_s, end_s)
    assert "".join(word.text for word in after) == new
    assert all(word.start_s <= word.end_s for word in after)
    assert all(left.end_s <= right.start_s + 1e-9 for left, right in pairwise(after))
    if after:
        assert start_s <= after[0].start_s
        assert after[-1].end_s <= end_s + 1e-9


@given(text=TEXT.filter(lambda text: bool(text) and text.isascii()))
def test_the_same_words_keep_their_times(text: str) -> None:
    """A text that does not change changes no time."""
    before = heard(text)
    assert [(word.start_s, word.end_s) for word in retime(before, text, before[0].start_s, before[-1].end_s)] == [
        (word.start_s, word.end_s) for word in before
    ]


def test_long_texts_that_repeat_themselves() -> None:
    """What is alike before and after all changes keeps its times; in between nobody searches for hours."""
    n_words = 2000
    old = heard(" ".join(["start", *(f"a x{n}" for n in range(n_words)), "end"]), step_s=0.001)
    text = " ".join(["start", *(f"a y{n}" for n in range(n_words)), "end"])
    started_s = time.process_time()
    words = retime(old, text, 10.0, 15.0)
    assert time.process_time() - started_s < 5
    assert "".join(word.text for word in words) == text
    assert [words[n].probability for n in (0, 1, 2, -1)] == [0.7, 0.7, WRITTEN, 0.7]
    assert (words[-1].start_s, words[-1].end_s) == (old[-1].start_s, old[-1].end_s)
    assert all(before.end_s <= after.start_s for before, after in pairwise(words))
