"""Word errors, against jiwer where it counts the same."""

import jiwer
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.text.word_errors import word_errors

WORDS = st.lists(st.sampled_from(["a", "b", "c", "d"]), min_size=1, max_size=12).map(" ".join)


@given(WORDS, WORDS)
def test_as_jiwer_counts(reference: str, heard: str) -> None:
    """The rate is that of a well-known implementation."""
    assert word_errors(reference, heard).rate == pytest.approx(jiwer.wer(reference, heard))


@pytest.mark.parametrize(
    ("reference", "heard", "n_words", "n_errors"),
    [
        ("Hello, world!", "hello world", 2, 0),
        ("It’s half-past.", "it's half past", 3, 0),
        ("会议开始", "会议开了", 4, 1),
        ("会议，开始。「好」", "会议开始、好", 5, 0),
        ("", "something", 0, 1),
        ("twenty words", "", 2, 2),
    ],
)
def test_what_counts(reference: str, heard: str, n_words: int, n_errors: int) -> None:
    """Case and punctuation do not count, Chinese is counted by characters."""
    found = word_errors(reference, heard)
    assert (found.n_words, found.n_errors) == (n_words, n_errors)
    assert (found + found).n_words == 2 * n_words
