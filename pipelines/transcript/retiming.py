"""New words on old times: what a person wrote in place of what a model heard. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from pipelines.core import Word
from pipelines.text.typography import HAN, KANA, MYANMAR, RARE_HAN, THAI_LAO_KHMER

WRITTEN = 1.0
"""The probability of a word that a person wrote."""

MAX_COMPARED = 100_000
"""Pairs of old and new words: a chunk of fast speech has some 60,000. Beyond, matching takes cubic time."""

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
    between them by their length. Joined, the words are ``text``. Without old words there are none.
    """
    if not words or not text:
        return ()
    old = [token for word in words for token in _parts(word)]
    new = _TOKEN.findall(text)
    kept = _matches([token.name for token in old], [_name(token) for token in new])
    timed: list[Word] = []
    at = 0
    while at < len(new):
        if at in kept:
            token = old[kept[at]]
            times = Word(text=new[at], start_s=token.start_s, end_s=token.end_s, probability=token.probability)
            timed.append(times)
            at += 1
            continue
        until = next((other for other in range(at, len(new)) if other in kept), len(new))
        low_s = timed[-1].end_s if timed else min(start_s, old[0].start_s)
        high_s = old[kept[until]].start_s if until < len(new) else max(end_s, old[-1].end_s)
        timed += _spread(new[at:until], low_s, max(low_s, high_s))
        at = until
    return tuple(timed)


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
    lengths = [len(token.strip()) or 1 for token in tokens]
    step_s = (end_s - start_s) / sum(lengths)
    edges = [start_s]
    for length in lengths:
        edges.append(min(end_s, edges[-1] + length * step_s))
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
