"""Writing direction: the languages written from right to left, and which way a paragraph of mixed text runs.

The order within a line is the bidirectional algorithm's (Unicode Standard Annex 9); the direction that it starts from
is decided here, as its own rule (the first letter counts) misjudges sentences that begin with a foreign name.
"""

import re
import unicodedata

_LANGUAGES = frozenset(("ar", "arc", "ckb", "dv", "fa", "he", "iw", "ps", "sd", "syr", "ug", "ur", "yi"))
_SCRIPTS = "\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefe\U00010800-\U00010fff\U0001e800-\U0001efff"
_RIGHT_TO_LEFT = re.compile(f"[{_SCRIPTS}]")
_LETTER = rf"[^\W\d_{_SCRIPTS}]"
_WITHIN_RIGHT_TO_LEFT = re.compile(rf"({_LETTER}(?:[^{_SCRIPTS}]*[^\W_{_SCRIPTS}])?)")
_WITHIN_LEFT_TO_RIGHT = re.compile(rf"([{_SCRIPTS}](?:(?:(?!{_LETTER}).)*[{_SCRIPTS}])?)", re.DOTALL)


def is_right_to_left(language: str) -> bool:
    """Say whether an ISO code, with or without script and region, names a language written from right to left."""
    parts = re.split("[-_]", language.lower())
    return parts[0] in _LANGUAGES and "latn" not in parts


def has_right_to_left(text: str) -> bool:
    """Say whether any character of a text belongs to a script written from right to left."""
    return not text.isascii() and _RIGHT_TO_LEFT.search(text) is not None


def runs_right_to_left(text: str, language: str) -> bool:
    """Say whether a paragraph runs from right to left in a document of a language.

    Within a language written so, a paragraph with any such letter does; elsewhere, one in which they prevail.
    """
    if not has_right_to_left(text):
        return False
    classes = [unicodedata.bidirectional(character) for character in text]
    n_right = sum(found in ("R", "AL") for found in classes)
    return n_right > 0 if is_right_to_left(language) else n_right > classes.count("L")


def directional_parts(text: str, *, right_to_left: bool) -> list[tuple[str, bool]]:
    """Cut a text where its direction changes; joining gives it back, True marks parts that run from right to left.

    A part of the other direction than the paragraph's reaches from its first letter to the last before a letter of the
    paragraph's, with the numbers in it; numbers at its end stay with Latin words.
    """
    parts = (_WITHIN_RIGHT_TO_LEFT if right_to_left else _WITHIN_LEFT_TO_RIGHT).split(text)
    return [(part, bool(n % 2) is not right_to_left) for n, part in enumerate(parts) if part]
