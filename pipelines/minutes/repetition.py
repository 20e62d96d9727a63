"""Tell what is said twice from what only sounds alike: a row too many is a nuisance, a lost decision a fault."""

import re
from collections.abc import Callable, Hashable, Iterable
from typing import TypeVar

from pipelines.minutes.language.numbers import numbers_in
from pipelines.minutes.language.terms import terms
from pipelines.minutes.language.wording import tokens

# Of the longer of two equal texts, the share of content that the shorter one may leave out.
MAX_LEFT_OUT = 1 / 3

# Denials in the languages that are spoken most; in others two texts must use the same words.
_DENIAL = re.compile(
    r"\b(?:not|cannot|never|no|none|without|nor|nunca|jamás|não|nem|non|mai|senza|pas|jamais|sans|nicht|nie|kein\w*|ohne|"
    r"niet|geen|inte|ikke|не|нет|никогда|без|değil)\b|n['’]t\b|[不没沒未勿别別無无非]|ない|ません|ず(?:に|、|$)|않|아니|못|"
    r"(?:^|\s)(?:لا|لن|لم|ليس|नहीं|मत)(?=\s|$)",
    re.IGNORECASE,
)
_LATIN_OR_HAN = re.compile(r"[A-Za-z\u4e00-\u9fff0-9]")

T = TypeVar("T")


def says_the_same(one: str, other: str) -> bool:
    """Return whether two texts say the same: equal content, or more of it in one that begins alike.

    Other numbers, a denial in one of them, or a word of its own in each make another matter.
    """
    if bool(_DENIAL.search(one)) != bool(_DENIAL.search(other)):
        return False
    ours, theirs = _content(one), _content(other)
    if not ours or not theirs:
        return tokens(one) == tokens(other)
    short, long = sorted((ours, theirs), key=len)
    few, many = sorted((numbers_in(one), numbers_in(other)), key=len)
    if set(short) == set(long):
        return few == many
    if few != many and few:
        return False
    left_out = set(long) - set(short)
    return set(short) < set(long) and short[0] == long[0] and len(left_out) <= MAX_LEFT_OUT * len(set(long))


def _content(text: str) -> list[str]:
    """Return the content terms of a text in order; of scripts without a list of function words every word."""
    return terms(text) + [token for token in tokens(text) if not _LATIN_OR_HAN.match(token)]


def distinct(
    entries: Iterable[T], text: Callable[[T], str], kind: Callable[[T], Hashable] = lambda entry: None
) -> tuple[T, ...]:
    """Return the entries without those that say what an earlier one of the same kind says; a verified one wins."""
    kept: list[T] = []
    for entry in entries:
        same = next(
            (
                index
                for index, other in enumerate(kept)
                if kind(other) == kind(entry) and says_the_same(text(other), text(entry))
            ),
            None,
        )
        if same is None:
            kept.append(entry)
        elif getattr(entry, "verified", True) and not getattr(kept[same], "verified", True):
            kept[same] = entry
    return tuple(kept)
