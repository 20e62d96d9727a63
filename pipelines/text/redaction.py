"""Masks what should not be read: e-mail addresses, telephone and card numbers, long numbers, names, places, profanity.

What was said is masked in the transcript itself, before it is stored: no document holds it, and no language model is
sent it. Spoken forms count as well ("four one one one", "ann at example dot org", 一二三四). A number that a long pause
cuts in two is two numbers; parts of fewer than `MIN_DIGITS` digits are told. False alarms are better than misses: a
card number need not have a valid check digit, for recognition may have heard one digit wrong.

How names and places are found, and how many are: `docs/archive.md`.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import langcodes

from pipelines.core import Segment, Transcript, Word
from pipelines.text.chinese_names import find_chinese
from pipelines.text.latin_names import Entity, find_latin, words_of
from pipelines.text.number_words import CARDINALS, DIGITS_ZH
from pipelines.text.phone_numbers import find_phones
from pipelines.text.typography import HAN

MaskKind = Literal["email", "phones", "cards", "numbers", "names", "places", "profanity"]
MASK_KINDS: tuple[MaskKind, ...] = get_args(MaskKind)
_NAMES: tuple[MaskKind, ...] = ("names",)
_RANKS = {kind: rank for rank, kind in enumerate(MASK_KINDS)}

MIN_DIGITS = 4
"""Shorter numbers are prices, dates, floors: minutes are useless without them. A year alone is masked as well."""
MIN_CARD_DIGITS = 12  # the shortest cards

_SPOKEN = "|".join((*(word for word, n in CARDINALS.items() if n < 10), "oh", "double", "triple"))
_DIGIT = rf"(?:\d|[{''.join(DIGITS_ZH)}]|\b(?:{_SPOKEN})\b)"
_BETWEEN = r"[\s.,()/–—-]{0,3}"
_TLD = r"[A-Za-z]{2,24}"
# Bounds keep the time from growing with the square of a text's length; a local part has 64 characters (RFC 5321).
_LOCAL = "{1,128}"
_PARTS = "{0,16}"
_EMAIL = re.compile(
    rf"[\w.+%-]{_LOCAL}\s?@\s?[\w-]+(?:\.[\w-]+)*\.{_TLD}\b"
    rf"|\b[\w.+-]{_LOCAL}(?:\s+(?:dot|underscore|dash)\s+[\w-]+){_PARTS}\s+at\s+[\w-]+(?:\s+dot\s+[\w-]+)*\s+dot\s+{_TLD}\b",
    re.IGNORECASE,
)
_CARD = re.compile(rf"\+?{_DIGIT}(?:{_BETWEEN}{_DIGIT}){{{MIN_CARD_DIGITS - 1},}}", re.IGNORECASE)
_NUMBER = re.compile(rf"\+?{_DIGIT}(?:{_BETWEEN}{_DIGIT}){{{MIN_DIGITS - 1},}}", re.IGNORECASE)
_PROFANITY = re.compile(
    r"\b(?:(?:mother)?fuck\w*|bullshit|shit(?:ty|s)?|asshole\w*|bitch\w*|bastard\w*|cunt\w*|dickhead\w*|wank\w*)\b"
    r"|操你\w?|他妈的?|傻逼|混蛋|王八蛋|妈的",
    re.IGNORECASE,
)

Span = tuple[int, int, str]
_PATTERNS: dict[MaskKind, tuple[re.Pattern[str], Callable[[str], str]]] = {
    "email": (_EMAIL, lambda text: "[email]"),
    "cards": (_CARD, lambda text: "[card]"),
    "numbers": (_NUMBER, lambda text: "[number]"),
    "profanity": (_PROFANITY, lambda text: text[0] + "*" * (len(text) - 1)),
}
WRITTEN = tuple(f"[{what}]" for what in ("email", "phone", "card", "number", "name", "place"))
"""What stands for masked words, but for profanity."""
WRITTEN_PATTERN = re.compile("|".join(map(re.escape, WRITTEN)))
_SCRIPTS = frozenset(("Latn", "Hans", "Hant"))  # in which names are found
_HAN = re.compile(f"[{HAN}]")


@dataclass(frozen=True, kw_only=True)
class Scope:
    """What is known of a text that is masked.

    ``language`` is a code, "" where nobody knows; ``regions`` the countries whose telephone numbers are looked for;
    ``known`` names: in lower case, word by word, or in Han characters. ``before`` and ``after`` are what was
    said around it, which is not masked with it: *live in* tells that what follows is a place.
    """

    language: str = ""
    regions: tuple[str, ...] = ()
    known: frozenset[str] = frozenset()
    before: str = ""
    after: str = ""


ANY = Scope()
CONTEXT = 80  # characters
LONG_PAUSE_S = 2.0
"""What a longer one parts was not said in one breath: two parts of a number are two numbers."""


def masked_spans(text: str, kinds: Collection[MaskKind], scope: Scope = ANY) -> list[Span]:
    """Find what to mask: (start, end, what stands there instead), ascending, without overlap.

    Where two kinds overlap the one that comes first in `MaskKind` wins, and covers what the other would have.
    """
    offset = len(scope.before)
    text, end_of_own = scope.before + text + scope.after, offset + len(text)
    spared = bytearray(len(text))  # what was masked before
    for match in WRITTEN_PATTERN.finditer(text):
        spared[match.start() : match.end()] = b"\1" * len(match[0])
    found = [each for each in _found(text, kinds, scope) if not any(spared[each[0] : each[1]])]
    spans: list[Span] = []
    first_rank = 0
    for start, end, rank, mask in sorted(found):
        if not spans or spans[-1][1] <= start:
            spans.append((start, end, mask))
            first_rank = rank
            continue
        before = spans[-1]
        spans[-1] = (before[0], max(before[1], end), mask if rank < first_rank else before[2])
        first_rank = min(first_rank, rank)
    own = ((max(start, offset), min(end, end_of_own), mask) for start, end, mask in spans)
    return [(start - offset, end - offset, mask) for start, end, mask in own if any(map(str.isalnum, text[start:end]))]


def _found(text: str, kinds: Collection[MaskKind], scope: Scope) -> Iterator[tuple[int, int, int, str]]:
    """Yield where each kind stands: start, end, its place among the kinds, what stands there instead."""
    if "phones" in kinds:
        for start, end in find_phones(text, language=scope.language, regions=scope.regions):
            yield start, end, _RANKS["phones"], "[phone]"
    for kind, (pattern, mask) in _PATTERNS.items():
        if kind in kinds:
            for match in pattern.finditer(text):
                yield *match.span(), _RANKS[kind], mask(match[0])
    if "names" in kinds or "places" in kinds:
        for start, end, what in _entities(text, scope):
            if what in kinds:
                yield start, end, _RANKS[what], f"[{what.removesuffix('s')}]"


def _entities(text: str, scope: Scope) -> Iterator[Entity]:
    yield from find_latin(text, language=scope.language, known=scope.known)
    if _HAN.search(text):
        yield from find_chinese(text, known=[name for name in scope.known if _HAN.search(name)])


def mask_text(text: str, kinds: Collection[MaskKind], scope: Scope = ANY) -> str:
    """Mask a text."""
    return _with_masks(text, masked_spans(text, kinds, scope))


def _with_masks(text: str, spans: Iterable[Span]) -> str:
    return _told(text, 0, len(text), list(spans))


def mask_transcript(
    transcript: Transcript, kinds: Collection[MaskKind], *, regions: Sequence[str] = (), names: Iterable[str] = ()
) -> Transcript:
    """Mask the text of every segment and its words; times stay, words that are masked together become one.

    A segment in which something is masked no longer tells what was heard in place of its terms: that may be it.
    ``names`` are known beforehand; a name that is found anywhere is one everywhere.
    """
    if not kinds:
        return transcript
    scopes = scopes_of(transcript, kinds, regions=regions, names=names)
    segments = (mask_segment(each, kinds, scope) for each, scope in zip(transcript.segments, scopes, strict=True))
    return replace(transcript, segments=tuple(segments))


def scopes_of(
    transcript: Transcript, kinds: Collection[MaskKind], *, regions: Sequence[str] = (), names: Iterable[str] = ()
) -> list[Scope]:
    """Return what is known of each segment's text: its language, and the names that are found in any of them."""
    scopes = [
        Scope(language=segment.language or transcript.language, regions=tuple(regions), before=before, after=after)
        for segment, (before, after) in zip(transcript.segments, _contexts(transcript.segments), strict=True)
    ]
    if "names" not in kinds:
        return scopes
    known = {word for name in names for word in _words(name)}
    for segment, scope in zip(transcript.segments, scopes, strict=True):
        for text in {segment.text, segment.heard_text}:
            for start, end, _ in masked_spans(text, _NAMES, scope):
                known |= set(_words(text[start:end]))
    return [replace(scope, known=frozenset(known)) for scope in scopes]


def _contexts(segments: Sequence[Segment]) -> list[tuple[str, str]]:
    """Return what is said on the same channel just before and after each segment, without a long pause between."""
    before, after = [""] * len(segments), [""] * len(segments)
    last: dict[int, int] = {}
    for i, segment in enumerate(segments):
        j = last.get(segment.channel)
        last[segment.channel] = i
        if j is None or segment.start_s - segments[j].end_s > LONG_PAUSE_S or not (segment.text and segments[j].text):
            continue
        between = "" if _HAN.match(segment.text) else " "
        before[i] = segments[j].text[-CONTEXT:] + between
        after[j] = between + segment.text[:CONTEXT]
    return list(zip(before, after, strict=True))


def without_names(transcript: Transcript, kinds: Collection[MaskKind]) -> list[str]:
    """Return the languages of a transcript in which names or places are wanted masked, and cannot be found."""
    if not {"names", "places"} & set(kinds):
        return []
    spoken = {segment.language or transcript.language for segment in transcript.segments}
    return sorted(language for language in spoken if language and _script(language) not in _SCRIPTS)


def _script(language: str) -> str:
    return langcodes.Language.get(language).maximize().script or ""


def _words(name: str) -> Iterator[str]:
    if _HAN.search(name):
        if len(name) > 2:  # a shorter one is part of other words
            yield name
    else:
        yield from words_of(name)


def mask_segment(segment: Segment, kinds: Collection[MaskKind], scope: Scope = ANY) -> Segment:
    """Mask a segment's text and its words."""
    words = mask_words(segment.words, kinds, scope)
    spans = masked_spans(segment.text, kinds, scope)
    hidden = spans or (segment.matches and masked_spans(segment.heard_text, kinds, scope))
    matches = () if hidden else segment.matches
    return replace(segment, text=_with_masks(segment.text, spans), words=words, matches=matches)


def mask_words(words: Iterable[Word], kinds: Collection[MaskKind], scope: Scope = ANY) -> tuple[Word, ...]:
    """Mask words by what they say together."""
    words = tuple(words)
    text = "".join(word.text for word in words)
    spans = masked_spans(text, kinds, scope)
    kept: list[Word] = []
    covered: Span | None = None  # what the last word of ``kept`` stands for
    position = 0
    for word in words:
        start, end = position, position + len(word.text)
        position = end
        own = [span for span in spans if span[0] < end and start < span[1]]
        if not own:
            kept.append(word)
            covered = None
        elif own[0] == covered:
            kept[-1] = _extended(kept[-1], word, text, own, end)
            covered = own[-1]
        else:
            kept.append(replace(word, text=_told(text, start, end, own)))
            covered = own[-1]
    return tuple(kept)


def _told(text: str, start: int, end: int, spans: list[Span]) -> str:
    """Return what a word says whose letters from ``start`` to ``end`` begin or hold masked spans."""
    told, reached = "", start
    for first, last, mask in spans:
        told += text[reached : max(reached, first)] + mask
        reached = max(reached, last)
    return told + text[reached : max(reached, end)]


def _extended(before: Word, word: Word, text: str, spans: list[Span], end: int) -> Word:
    """Return the word before and one that goes on in its masked span, as one."""
    rest = _told(text, spans[0][1], end, spans[1:])
    return replace(
        before, text=before.text + rest, end_s=word.end_s, probability=min(before.probability, word.probability)
    )
