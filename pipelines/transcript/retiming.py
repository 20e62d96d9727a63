"""New words on old times: what a person wrote in place of what a model heard. Pure."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from itertools import accumulate, pairwise

from pipelines.core import Word
from pipelines.text.typography import HAN, KANA, MYANMAR, RARE_HAN, THAI_LAO_KHMER, is_mark, is_wide

WRITTEN = 1.0
"""The probability of a word that a person wrote."""

MAX_COMPARED = 100_000
"""Pairs of old and new words: a chunk of fast speech has some 60,000. Beyond, matching takes cubic time."""

MAX_CHARS_PER_S = 25.0
"""Faster nobody reads along: subtitles for adults have 17 to 20, of fast speech up to 25."""
WIDE_CHARACTER = 42 / 18
"""A full-width character takes the time of so many narrow ones, as it takes their room in a line of subtitles."""
WORTHWHILE = 1.5
"""Where a segment is too short for its words, those beside a change give way only for so many times its time."""

# Scripts without spaces between words: a character is a word.
_UNSPACED = THAI_LAO_KHMER + MYANMAR + KANA + HAN + RARE_HAN
_TOKEN = re.compile(rf"\s*(?:[{_UNSPACED}]|[^\s{_UNSPACED}]+)|\s+")
_EDGES = re.compile(r"^\W+|\W+$")


@dataclass(frozen=True, kw_only=True)
class _Timed:
    """A token of the old text with its share of its word's time."""

    name: str
    start_s: float
    end_s: float
    probability: float


def retime(words: Sequence[Word], text: str, start_s: float, end_s: float) -> tuple[Word, ...]:
    """Give the words of ``text`` times within a segment whose ``words`` were timed by a model.

    Words that are in both, in order and but for case and punctuation, keep their times; the others share what lies
    between them by their length. Where that is too short to be read, as few of the words beside them as can help give
    way and share it too. Joined, the words are ``text``. Without old words there are none.
    """
    if not words or not text:
        return ()
    old = [token for word in words for token in _parts(word)]
    new = _TOKEN.findall(text)
    kept = _matches([token.name for token in old], [_name(token) for token in new])
    timed = [
        Word(
            text=token,
            start_s=old[kept[at]].start_s,
            end_s=old[kept[at]].end_s,
            probability=old[kept[at]].probability,
        )
        if at in kept
        else Word(text=token, start_s=0.0, end_s=0.0, probability=WRITTEN)
        for at, token in enumerate(new)
    ]
    line = _Line(timed, kept.keys(), (min(start_s, old[0].start_s), max(end_s, old[-1].end_s)))
    return line.filled()


class _Line:
    """The words of a segment in order; those ``kept`` have times, and the others come between them.

    ``bounds`` are the segment's.
    """

    def __init__(self, words: Sequence[Word], kept: Collection[int], bounds: tuple[float, float]) -> None:
        self._words = words
        self._bounds = bounds
        self._needs_s = list(accumulate((_needed_s(word.text) for word in words), initial=0.0))
        self._kept = [-1, *sorted(kept), len(words)]

    def filled(self) -> tuple[Word, ...]:
        """Return the words, all with times."""
        words = list(self._words)
        for first, last in self._shared():
            times = _spread([word.text for word in words[first:last]], *self._room(first, last))
            words[first:last] = [
                replace(word, start_s=at.start_s, end_s=at.end_s)
                for word, at in zip(words[first:last], times, strict=True)
            ]
        return tuple(words)

    def _shared(self) -> list[tuple[int, int]]:
        """Return half-open ranges of words, ascending and apart, that share the time between their neighbours."""
        ranges: list[tuple[int, int]] = []
        for before, after in pairwise(self._kept):
            if after - before == 1 or (ranges and after <= ranges[-1][1]):
                continue
            first, last = self._widened(before + 1, after)
            while ranges and ranges[-1][1] >= first:
                first, last = self._widened(min(ranges[-1][0], first), max(ranges[-1][1], last))
                ranges.pop()
            ranges.append((first, last))
        return ranges

    def _widened(self, first: int, last: int) -> tuple[int, int]:
        """Return a range with as few of the kept words beside it as it takes to be read.

        The next one is taken on the side where more is gained. Where even the whole line is too short, all share it,
        or none of them gives way.
        """
        whole = (0, len(self._words))
        if self._pace(*whole) < 1:
            return whole if self._pace(*whole) > WORTHWHILE * self._pace(first, last) else (first, last)
        while self._pace(first, last) < 1:
            sides = []
            if first > 0:
                sides.append((self._kept[bisect_left(self._kept, first - 1) - 1] + 1, last))
            if last < len(self._words):
                sides.append((first, self._kept[bisect_right(self._kept, last)]))
            first, last = max(sides, key=lambda side: self._pace(*side))
        return first, last

    def _room(self, first: int, last: int) -> tuple[float, float]:
        """Return from when to when the words ``first..last`` are, by the words beside them."""
        low_s = self._words[first - 1].end_s if first else self._bounds[0]
        high_s = self._words[last].start_s if last < len(self._words) else self._bounds[1]
        return low_s, max(low_s, high_s)

    def _pace(self, first: int, last: int) -> float:
        """Return the time that words have as a share of the time they need."""
        low_s, high_s = self._room(first, last)
        return (high_s - low_s) / (self._needs_s[last] - self._needs_s[first])


def _needed_s(token: str) -> float:
    """Return the shortest time in which a token can be read."""
    wide = sum(is_wide(character) for character in token.strip())
    marks = sum(is_mark(character) for character in token.strip())
    n_columns = len(token.strip()) - wide - marks + wide * WIDE_CHARACTER
    return max(1.0, n_columns) / MAX_CHARS_PER_S


def _matches(old: Sequence[str], new: Sequence[str]) -> dict[int, int]:
    """The old token of each new one that is the same; of very long texts only those before and after all changes."""
    if len(old) * len(new) > MAX_COMPARED:
        return _matches_at_the_ends(old, new)
    blocks = SequenceMatcher(None, old, new, autojunk=False).get_matching_blocks()
    return {block.b + i: block.a + i for block in blocks for i in range(block.size)}


def _matches_at_the_ends(old: Sequence[str], new: Sequence[str]) -> dict[int, int]:
    n_shorter = min(len(old), len(new))
    n_before = next((i for i in range(n_shorter) if old[i] != new[i]), n_shorter)
    n_left = n_shorter - n_before
    n_after = next((i for i in range(n_left) if old[-1 - i] != new[-1 - i]), n_left)
    before = {i: i for i in range(n_before)}
    return before | {len(new) - 1 - i: len(old) - 1 - i for i in range(n_after)}


def _spread(tokens: Sequence[str], start_s: float, end_s: float) -> list[Word]:
    needs_s = [_needed_s(token) for token in tokens]
    step = (end_s - start_s) / sum(needs_s)
    edges = [start_s]
    for need_s in needs_s:
        edges.append(min(end_s, edges[-1] + need_s * step))
    return [
        Word(text=token, start_s=edges[i], end_s=edges[i + 1], probability=WRITTEN) for i, token in enumerate(tokens)
    ]


def _parts(word: Word) -> list[_Timed]:
    tokens = _TOKEN.findall(word.text) or [word.text]
    if len(tokens) == 1:
        times = [(word.start_s, word.end_s)]
    else:
        times = [(part.start_s, part.end_s) for part in _spread(tokens, word.start_s, word.end_s)]
    return [
        _Timed(name=_name(token), start_s=start_s, end_s=end_s, probability=word.probability)
        for token, (start_s, end_s) in zip(tokens, times, strict=True)
    ]


def _name(token: str) -> str:
    """Return what makes two tokens the same word; a token of punctuation alone is itself."""
    bare = token.strip().casefold()
    return _EDGES.sub("", bare) or bare
