"""Words as they are compared, and which of them were heard. Pure.

Words are normalized as in Whisper's paper (appendix C) by ``whisper_normalizer``: for English also numbers, spelling
and contractions; Chinese and Japanese fall into characters, Chinese is compared in simplified ones.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import jiwer
from opencc import OpenCC
from whisper_normalizer.basic import BasicTextNormalizer
from whisper_normalizer.english import EnglishTextNormalizer

from pipelines.text.chinese import CHINESE
from scripts.hearing.corpus import BY_CHARACTER


@dataclass(frozen=True, kw_only=True)
class Errors:
    """Words of a truth, and how many were put in the place of others, left out and put in."""

    n_words: int = 0
    n_substituted: int = 0
    n_deleted: int = 0
    n_inserted: int = 0

    @property
    def rate(self) -> float:
        """Wrong words per word of the truth; may exceed 1."""
        return (self.n_substituted + self.n_deleted + self.n_inserted) / max(1, self.n_words)

    def __add__(self, other: "Errors") -> "Errors":
        return Errors(
            n_words=self.n_words + other.n_words,
            n_substituted=self.n_substituted + other.n_substituted,
            n_deleted=self.n_deleted + other.n_deleted,
            n_inserted=self.n_inserted + other.n_inserted,
        )


@dataclass(frozen=True, kw_only=True)
class Alignment:
    """The best alignment of two lists of words.

    ``hits`` maps places of the truth to places of what was heard, where both hold the same word; ``deleted`` are the
    places of the truth with nothing in their stead; ``inserted`` has the place before which each word was put in.
    """

    errors: Errors
    hits: dict[int, int]
    deleted: frozenset[int]
    inserted: tuple[int, ...] = ()


def words_of(text: str, language: str) -> list[str]:
    """Split a text into the words, or characters, that are compared."""
    if language in CHINESE:
        text = _simplified().convert(text)
    return _normalizer(language)(text).split()


def align(said: Sequence[str], heard: Sequence[str]) -> Alignment:
    """Align words, as `words_of` returns them, with the fewest errors."""
    found = jiwer.process_words(" ".join(said), " ".join(heard))
    hits: dict[int, int] = {}
    deleted: set[int] = set()
    inserted: list[int] = []
    for chunk in found.alignments[0]:
        places = range(chunk.ref_start_idx, chunk.ref_end_idx)
        if chunk.type == "equal":
            hits.update(zip(places, range(chunk.hyp_start_idx, chunk.hyp_end_idx), strict=True))
        elif chunk.type == "delete":
            deleted.update(places)
        elif chunk.type == "insert":
            inserted += [chunk.ref_start_idx] * (chunk.hyp_end_idx - chunk.hyp_start_idx)
    errors = Errors(
        n_words=len(said),
        n_substituted=found.substitutions,
        n_deleted=found.deletions,
        n_inserted=found.insertions,
    )
    return Alignment(errors=errors, hits=hits, deleted=frozenset(deleted), inserted=tuple(inserted))


@cache
def _normalizer(language: str) -> Callable[[str], str]:
    normalizer: Callable[[str], str] = (
        EnglishTextNormalizer() if language == "en" else BasicTextNormalizer(split_letters=language in BY_CHARACTER)
    )
    return normalizer


@cache
def _simplified() -> OpenCC:
    return OpenCC("t2s")
