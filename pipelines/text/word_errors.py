"""Compute the word error rate of two texts, with Chinese and its like counted by characters. Pure."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

_WORDS = re.compile(r"(?=\w)[\u2e80-\u9fff\uac00-\ud7af]|[^\W_]+(?:['’][^\W_]+)*")


@dataclass(frozen=True, kw_only=True)
class WordErrors:
    """Words of a reference, and how many were left out, put in or put in place of others."""

    n_words: int
    n_errors: int

    @property
    def rate(self) -> float:
        """Errors per word of the reference; may exceed 1. An empty reference counts as one word."""
        return self.n_errors / max(1, self.n_words)

    def __add__(self, other: "WordErrors") -> "WordErrors":
        return WordErrors(n_words=self.n_words + other.n_words, n_errors=self.n_errors + other.n_errors)


def word_errors(reference: str, heard: str) -> WordErrors:
    """Compare by words; case, punctuation and the form of characters (NFKC) do not count."""
    wanted, found = words(reference), words(heard)
    return WordErrors(n_words=len(wanted), n_errors=_distance(wanted, found))


def words(text: str) -> list[str]:
    """Split a text into the words that are compared."""
    return _WORDS.findall(unicodedata.normalize("NFKC", text).casefold().replace("’", "'"))


def _distance(one: Sequence[str], other: Sequence[str]) -> int:
    """Compute Levenshtein's distance, in memory of one row."""
    row = list(range(len(other) + 1))
    for i, left in enumerate(one, start=1):
        diagonal, row[0] = row[0], i
        for j, right in enumerate(other, start=1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (left != right))
    return row[-1]
