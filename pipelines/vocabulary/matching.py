"""Write terms where something that sounds like them was heard, and not surely: `with_terms`. Pure.

Priming the decoder with a list of words finds them and harms the rest of the text. Here the decoder hears without the
list, and afterwards only words of which it was unsure may give way, to a term that sounds like them.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from statistics import fmean

from pipelines.core import DOUBTFUL_WORD_BELOW, Segment, TermMatch, Transcript, Word
from pipelines.text.typography import HAN
from pipelines.vocabulary.english import spelled_out
from pipelines.vocabulary.sounds import Sounds, distance, sounds_of

CERTAIN_FROM = 0.9
"""Confidence from which a word gives way to nothing, whatever stands beside it."""

MIN_SOUNDS = 4
"""Of a term in Latin letters; shorter ones sound like too much."""
MIN_SYLLABLES = 2

LONG_SOUNDS = 8
LIMIT, LONG_LIMIT = 0.15, 0.2
"""How far a term may be from what was heard, for each sound: further in Latin letters from `LONG_SOUNDS` on."""

_EXTRA_WORDS = 2  # that a term's words may be heard as more than they are: "cooper net ease"
_LENGTHS = 0.6  # share of the longer's sounds that the shorter has at least

_HAN = re.compile(f"[{HAN}]")
_END = re.compile(r"(?:['’]s)?\W*$")
_WORD_PART = re.compile(r"\s*\S+\s*$|\s*\S+")


@dataclass(frozen=True, kw_only=True)
class _Term:
    """A term and how it may sound; ``n_words``: that it is written with, Chinese characters counted one by one."""

    text: str
    sounds: tuple[Sounds, ...]
    n_words: int


@dataclass(frozen=True, kw_only=True)
class _Atom:
    """A word, or one character of a Chinese one; ``word`` is the place of its word in the segment."""

    word: int
    text: str
    start_s: float
    end_s: float
    probability: float


@dataclass(frozen=True, kw_only=True)
class _Hit:
    """A term for the atoms ``first`` to ``last``, the latter excluded."""

    term: str
    first: int
    last: int
    distance: float


def with_terms(transcript: Transcript, terms: Sequence[str]) -> Transcript:
    """Return a transcript with terms in place of doubtful words that sound like them; see `pipelines.core.TermMatch`.

    Segments need words with confidences; one without stays as it is, as do words of which nobody doubts. Times stay;
    a term's words have the mean confidence of what they replace, and so are still doubtful.
    """
    known = _known(terms)
    if not known:
        return transcript
    return replace(transcript, segments=tuple(_with_terms(segment, known) for segment in transcript.segments))


def _known(terms: Sequence[str]) -> list[_Term]:
    known = []
    for text in dict.fromkeys(term.strip() for term in terms):
        found = [sounds_of(text), tuple(spelled_out(text))]
        long_enough = tuple(sounds for sounds in found if _is_long_enough(sounds))
        if long_enough:
            known.append(_Term(text=text, sounds=long_enough, n_words=len(list(_pieces(text)))))
    return known


def _is_long_enough(sounds: Sounds) -> bool:
    syllables = _n_syllables(sounds)
    return syllables >= MIN_SYLLABLES or len(sounds) - syllables >= MIN_SOUNDS


def _n_syllables(sounds: Sounds) -> int:
    """Count the Chinese characters among sounds."""
    return sum("|" in sound for sound in sounds)


def _with_terms(segment: Segment, terms: Sequence[_Term]) -> Segment:
    spelled = "".join(word.text for word in segment.words)
    doubtful = any(word.probability < DOUBTFUL_WORD_BELOW for word in segment.words)
    if not doubtful or spelled.strip() != segment.text.strip():
        return segment
    atoms = list(_atoms(segment.words))
    hits = _chosen(sorted(_hits(atoms, terms), key=lambda hit: (hit.distance, hit.first - hit.last, hit.first)))
    return _written(segment, atoms, hits) if hits else segment


def _atoms(words: Sequence[Word]) -> Iterator[_Atom]:
    for place, word in enumerate(words):
        parts = list(_pieces(word.text))
        step_s = (word.end_s - word.start_s) / max(1, len(parts))
        for i, part in enumerate(parts):
            yield _Atom(
                word=place,
                text=part,
                start_s=word.start_s + i * step_s,
                end_s=word.start_s + (i + 1) * step_s,
                probability=word.probability,
            )


def _pieces(text: str) -> Iterator[str]:
    """Cut a text into words with the space before them, and into Chinese characters with the marks after them."""
    piece = ""
    for character in text:
        begins = piece.strip() and (character.isspace() or _HAN.match(character))
        after_han = piece and _HAN.search(piece) and character.isalnum()
        if begins or after_han:
            yield piece
            piece = ""
        piece += character
    if piece:
        yield piece


def _hits(atoms: Sequence[_Atom], terms: Sequence[_Term]) -> Iterator[_Hit]:
    written = {term.text.casefold() for term in terms}
    longest = max(term.n_words for term in terms) + _EXTRA_WORDS
    for first in range(len(atoms)):
        for last in range(first + 1, min(len(atoms), first + longest) + 1):
            window = atoms[first:last]
            if window[-1].probability >= CERTAIN_FROM:
                break
            if all(atom.probability >= DOUBTFUL_WORD_BELOW for atom in window):
                continue
            _, heard, _ = _edges("".join(atom.text for atom in window))
            if heard.casefold() in written:
                continue
            yield from _near(heard, first, last, terms)


def _near(heard: str, first: int, last: int, terms: Sequence[_Term]) -> Iterator[_Hit]:
    """Yield the terms that sound like what was heard."""
    sounds = sounds_of(heard)
    for term in terms:
        fits = last - first <= term.n_words + _EXTRA_WORDS
        for own in term.sounds if fits else ():
            shorter, longer = sorted((len(own), len(sounds)))
            if shorter < _LENGTHS * longer or _n_syllables(own) != _n_syllables(sounds):
                continue
            limit = LONG_LIMIT if len(own) - _n_syllables(own) >= LONG_SOUNDS else LIMIT
            apart = distance(own, sounds, limit)
            if apart <= limit:
                yield _Hit(term=term.text, first=first, last=last, distance=apart)


def _edges(text: str) -> tuple[str, str, str]:
    """Return the space and the marks before a text, the text, and the marks after it with an English genitive's s."""
    first = next((i for i, character in enumerate(text) if character.isalnum()), len(text))
    end = next((match.start() for match in [_END.search(text, first)] if match), len(text))
    return text[:first], text[first:end], text[end:]


def _chosen(hits: Sequence[_Hit]) -> list[_Hit]:
    """Return hits that do not overlap, the nearest first of all, in order of their place."""
    taken: list[_Hit] = []
    for hit in hits:
        if all(hit.last <= other.first or other.last <= hit.first for other in taken):
            taken.append(hit)
    return sorted(taken, key=lambda hit: hit.first)


def _written(segment: Segment, atoms: Sequence[_Atom], hits: Sequence[_Hit]) -> Segment:
    """Write terms in place of what was heard; words of which nothing was replaced stay whole."""
    words: list[Word] = []
    matches: list[TermMatch] = []
    spelled = "".join(word.text for word in segment.words)
    lead = len(spelled) - len(spelled.lstrip())
    at = 0
    for hit in hits:
        words += _kept(segment.words, atoms[at : hit.first], atoms)
        length = sum(len(word.text) for word in words)
        window = atoms[hit.first : hit.last]
        before, heard, after = _edges("".join(atom.text for atom in window))
        matches.append(
            TermMatch(
                term=hit.term,
                heard=heard,
                at=length + len(before) - lead,
                start_s=window[0].start_s,
                end_s=window[-1].end_s,
            )
        )
        words += _term_words(f"{before}{hit.term}{after}", window)
        at = hit.last
    words += _kept(segment.words, atoms[at:], atoms)
    text = "".join(word.text for word in words).strip()
    return replace(segment, text=text, words=tuple(words), matches=tuple(matches))


def _kept(words: Sequence[Word], left: Sequence[_Atom], atoms: Sequence[_Atom]) -> Iterator[Word]:
    """Yield what stays of words: whole ones as they were, of one that was cut its atoms as one word."""
    for place, group in groupby(left, key=lambda atom: atom.word):
        parts = list(group)
        if len(parts) == sum(atom.word == place for atom in atoms):
            yield words[place]
        else:
            yield replace(
                words[place],
                text="".join(part.text for part in parts),
                start_s=parts[0].start_s,
                end_s=parts[-1].end_s,
            )


def _term_words(text: str, window: Sequence[_Atom]) -> list[Word]:
    """Return a term as words that share the time of what they replace by their length."""
    start_s, length_s = window[0].start_s, window[-1].end_s - window[0].start_s
    probability = fmean(atom.probability for atom in window)
    found, reached = [], 0
    for part in _WORD_PART.findall(text):
        end = reached + len(part)
        found.append(
            Word(
                text=part,
                start_s=start_s + length_s * reached / len(text),
                end_s=start_s + length_s * end / len(text),
                probability=probability,
            )
        )
        reached = end
    return found
