"""Masks what should not be read: e-mail addresses, card numbers, other long numbers, profanity.

What was said is masked in the transcript itself, before it is stored: no document holds it, and no language model is
sent it. Spoken forms count as well ("four one one one", "ann at example dot org", 一二三四). A number that a long pause
cuts in two is two numbers; parts of fewer than `MIN_DIGITS` digits are told. False alarms are better than misses: a
card number need not have a valid check digit, for recognition may have heard one digit wrong.
"""

import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from typing import Literal

from pipelines.core import Segment, Transcript, Word
from pipelines.text.number_words import CARDINALS, DIGITS_ZH

MaskKind = Literal["email", "cards", "numbers", "profanity"]

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
_RULES: dict[MaskKind, tuple[re.Pattern[str], Callable[[str], str]]] = {
    "email": (_EMAIL, lambda text: "[email]"),
    "cards": (_CARD, lambda text: "[card]"),
    "numbers": (_NUMBER, lambda text: "[number]"),
    "profanity": (_PROFANITY, lambda text: text[0] + "*" * (len(text) - 1)),
}


def masked_spans(text: str, kinds: Collection[MaskKind]) -> list[Span]:
    """Find what to mask: (start, end, what stands there instead), ascending, without overlap.

    Where two kinds overlap the one that comes first in `MaskKind` wins, and covers what the other would have.
    """
    taken: list[Span] = []
    for kind, (pattern, mask) in _RULES.items():
        if kind in kinds:
            for match in pattern.finditer(text):
                start, end = match.span()
                overlapping = [span for span in taken if span[0] < end and start < span[1]]
                if not overlapping:
                    taken.append((start, end, mask(match[0])))
                    continue
                first = overlapping[0]
                taken = [span for span in taken if span not in overlapping]
                taken.append(
                    (min(start, *(s[0] for s in overlapping)), max(end, *(s[1] for s in overlapping)), first[2])
                )
    return sorted(taken)


def mask_text(text: str, kinds: Collection[MaskKind]) -> str:
    """Mask a text."""
    for start, end, mask in reversed(masked_spans(text, kinds)):
        text = text[:start] + mask + text[end:]
    return text


def mask_transcript(transcript: Transcript, kinds: Collection[MaskKind]) -> Transcript:
    """Mask the text of every segment and its words; times stay, words that are masked together become one.

    A segment in which something is masked no longer tells what was heard in place of its terms: that may be it.
    """
    if not kinds:
        return transcript
    return replace(transcript, segments=tuple(_masked(segment, kinds) for segment in transcript.segments))


def _masked(segment: Segment, kinds: Collection[MaskKind]) -> Segment:
    words = mask_words(segment.words, kinds)
    hidden = masked_spans(segment.text, kinds) or masked_spans(segment.heard_text, kinds)
    matches = () if hidden else segment.matches
    return replace(segment, text=mask_text(segment.text, kinds), words=words, matches=matches)


def mask_words(words: Iterable[Word], kinds: Collection[MaskKind]) -> tuple[Word, ...]:
    """Mask words by what they say together."""
    words = tuple(words)
    text = "".join(word.text for word in words)
    spans = masked_spans(text, kinds)
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
