"""How many terms were written where they were said, and how many of the other words are right. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from scripts.hearing.alignment import align, words_of
from scripts.hearing.corpus import BY_CHARACTER


@dataclass(frozen=True, kw_only=True)
class Count:
    """Terms that were said, found there, and written where nobody said them; other words said, and right ones."""

    n_terms: int = 0
    n_found: int = 0
    n_invented: int = 0
    n_others: int = 0
    n_right: int = 0

    def __add__(self, other: "Count") -> "Count":
        return Count(**{name: value + getattr(other, name) for name, value in vars(self).items()})


def count(truth: str, heard: str, terms: Sequence[str], language: str) -> Count:
    """Compare a transcript with the truth; case and punctuation do not count."""
    said, found = _words(truth, language), _words(heard, language)
    hits = align(said, found).hits
    wanted = [words for term in terms if (words := _words(term, language))]
    places = [place for words in wanted for place in _places(said, words)]
    written = [place for words in wanted for place in _places(found, words)]
    within = {i for place in places for i in place}
    right = {place for place in places if all(i in hits for i in place)}
    expected = {tuple(hits[i] for i in place) for place in right}
    others = [i for i in range(len(said)) if i not in within]
    return Count(
        n_terms=len(places),
        n_found=len(right),
        n_invented=len([place for place in written if place not in expected]),
        n_others=len(others),
        n_right=sum(i in hits for i in others),
    )


def _words(text: str, language: str) -> list[str]:
    return words_of(text, language if language in BY_CHARACTER else "")


def _places(words: Sequence[str], wanted: Sequence[str]) -> list[tuple[int, ...]]:
    """Return where a list of words stands in another, as the places of its words."""
    n = len(wanted)
    return [tuple(range(i, i + n)) for i in range(len(words) - n + 1) if list(words[i : i + n]) == list(wanted)]
