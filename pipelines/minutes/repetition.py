"""Tell what is said twice from what only sounds alike: a row too many is a nuisance, a lost decision a fault."""

import re
from collections.abc import Callable, Hashable, Iterable
from typing import TypeVar

from pipelines.minutes.language.numbers import numbers_in
from pipelines.minutes.language.terms import stem
from pipelines.minutes.language.wording import tokens
from pipelines.text.typography import HAN

# Of the longer of two equal texts, the share of content that the shorter one may leave out.
MAX_LEFT_OUT = 1 / 3

# Denials in the languages that are spoken most; in others two texts must use the same words.
_DENIAL = re.compile(
    r"\b(?:not|cannot|never|no|none|without|nor|nunca|jamás|não|nem|non|mai|senza|pas|jamais|sans|nicht|nie|kein\w*|ohne|"
    r"niet|geen|inte|ikke|не|нет|никогда|без|değil)\b|n['’]t\b|[不没沒未勿别別無无非]|ない|ません|ず(?:に|、|$)|않|아니|못|"
    r"(?:^|\s)(?:لا|لن|لم|ليس|नहीं|मत)(?=\s|$)",
    re.IGNORECASE,
)
_HAN = re.compile(f"[{HAN}]")
# Without them a text says the same.
_SMALL = frozenset(
    {"the", "a", "an", "of", "that", "we", "our", "us", "will", "shall", "would", "is", "are", "was", "be", "been"}
    | {"to", "in", "on", "at", "by", "for", "and", "also", "then", "so", "it", "this"}
)
_SMALL_ZH = frozenset("的了把将就也都地得")

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
    if any(len(word) == 1 and not _HAN.match(word) for word in left_out):  # a label: report B
        return False
    return set(short) < set(long) and short[0] == long[0] and len(left_out) <= MAX_LEFT_OUT * len(set(long))


def _content(text: str) -> list[str]:
    """Return the words of a text in order, without inflexion and articles, and its ideographs in pairs.

    Far fewer words are left out than where subjects are compared: an old office and a new one are two.
    """
    words = [stem(token) for token in tokens(text) if token not in _SMALL and not _HAN.match(token)]
    runs = "".join(character for character in text if _HAN.match(character) and character not in _SMALL_ZH)
    return words + ([runs] if len(runs) == 1 else [runs[index : index + 2] for index in range(len(runs) - 1)])


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
