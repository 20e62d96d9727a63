"""Sounds of Chinese: each character's syllable as its initial and its final, without tones."""

import re
from functools import cache

from pipelines.text.typography import HAN

HANZI = re.compile(f"[{HAN}]")


@cache
def syllable(character: str) -> str:
    """Return a character's syllable as initial and final with ``|`` between: ``zh|ang``, ``|an``; of others ``|``.

    Each character is read for itself, as it is mostly read: a term and what was heard in its stead agree on that.
    """
    # Imported with the first Chinese term: most processes that stitch a transcript have none.
    from pypinyin import Style, pinyin

    if not HANZI.fullmatch(character):
        return "|"
    initial = pinyin(character, style=Style.INITIALS, strict=False)[0][0]
    final = pinyin(character, style=Style.FINALS, strict=False)[0][0]
    return f"{initial}|{final}"
