"""Cuts a row's words into segments of a sentence or so. Pure."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from pipelines.core import Word
from pipelines.whisper.quality import is_unspaced

MAX_PAUSE_S = 1.0
"""Pause within a segment; who goes on after a longer one begins another."""
MAX_SEGMENT_S = 15.0
"""Longest segment that has a place to cut: about what subtitles show in three cues."""
_SENTENCE_ENDS = frozenset(".?!。？！…؟۔।")
_CLAUSE_ENDS = frozenset(",;:，；：、،؛")
_OPENING = "\"'“‘«»„（([「『"
_CLOSING = "\"'”’»«“）)]」』"
_ABBREVIATIONS = frozenset(
    (
        *("mr", "mrs", "ms", "dr", "prof", "st", "jr", "sr", "vs", "hr", "fr", "dipl", "ing", "inc", "ltd"),
        *("co", "approx", "dept", "e.g", "i.e", "z.b", "d.h", "u.a", "p.m", "a.m"),
    )
)
_BEFORE_NUMBERS = frozenset(["no", "nr"])
_CLAUSE_BONUS_S = 0.3  # a comma counts as so much more of a pause


def split_sentences(words: Sequence[Word]) -> list[tuple[Word, ...]]:
    """Cut after each sentence and at long pauses, and what is still too long where it pauses most."""
    cuts = [i for i, (left, right) in enumerate(pairwise(words), start=1) if _parts(left, right)]
    sentences = [tuple(words[i:j]) for i, j in pairwise([0, *cuts, len(words)]) if i < j]
    return [piece for sentence in sentences for piece in _halved(sentence)]


def ends_clause(text: str) -> bool:
    """Say whether a sentence or a part of one ends with a word."""
    return text.strip().rstrip(_CLOSING)[-1:] in _SENTENCE_ENDS | _CLAUSE_ENDS


def _parts(left: Word, right: Word) -> bool:
    if right.start_s - left.end_s >= MAX_PAUSE_S:
        return True
    ending, beginning = left.text.strip().rstrip(_CLOSING), right.text.strip()
    if not ending or not beginning or ending[-1] not in _SENTENCE_ENDS:
        return False
    return not _abbreviates(ending, beginning) and not beginning[0].islower()


def _abbreviates(ending: str, following: str) -> bool:
    """Say whether the full stop belongs to the word: "Dr.", "p.m.", an initial, "No." before a number."""
    if not ending.endswith(".") or ending.endswith(".."):
        return False
    bare = ending.rstrip(".").lstrip(_OPENING)
    if bare.casefold() in _BEFORE_NUMBERS:
        return following[0].isdigit()
    return bare.casefold() in _ABBREVIATIONS or (len(bare) == 1 and bare.isalpha() and not is_unspaced(bare))


def _halved(sentence: tuple[Word, ...]) -> Iterator[tuple[Word, ...]]:
    if len(sentence) < 2 or sentence[-1].end_s - sentence[0].start_s <= MAX_SEGMENT_S:
        yield sentence
        return
    middle_s = (sentence[0].start_s + sentence[-1].end_s) / 2
    cut = max(range(1, len(sentence)), key=lambda i: _merit(sentence[i - 1], sentence[i], middle_s))
    yield from _halved(sentence[:cut])
    yield from _halved(sentence[cut:])


def _merit(left: Word, right: Word, middle_s: float) -> float:
    """Rate a cut between two words: the pause, a comma, and how near the middle it is."""
    pause_s = right.start_s - left.end_s
    clause = _CLAUSE_BONUS_S if left.text.strip()[-1:] in _CLAUSE_ENDS else 0.0
    return pause_s + clause - abs(left.end_s - middle_s) / MAX_SEGMENT_S
