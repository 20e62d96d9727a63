"""Cut text into the tokens that are indexed and searched: one rule for what was said and for what is asked.

A word is a run of letters, digits and marks, without case, width or Latin accents (NFKC, case folding). Scripts that
are written without spaces (Chinese, Japanese, Thai, Lao, Khmer, Burmese) give one token for each character; a query of
several characters is a phrase of them, so that no dictionary decides what can be found.
"""

import re
import unicodedata
from hashlib import blake2b
from typing import NamedTuple

from pipelines.text.typography import IDEOGRAPHIC, MARKS, MYANMAR, THAI_LAO_KHMER

MAX_TOKEN = 64
"""Characters of a token that count: longer ones are no words."""

UNSPACED = IDEOGRAPHIC + "\u31f0-\u31ff" + THAI_LAO_KHMER + MYANMAR
_TOKEN = re.compile(rf"[{UNSPACED}]|(?:(?![{UNSPACED}])(?:[^\W_]|[{MARKS}]))+")
_ASCII = re.compile("[a-z0-9]+")
_ACCENT = re.compile("[\u0300-\u036f]")
_SCOPE = "\ue000"  # private use: no text's token begins with it


class Token(NamedTuple):
    """A token and its place in the text, in characters."""

    text: str
    start: int
    end: int


def widths_folded(text: str) -> str:
    """Return the text in the form whose characters `tokens` counts (NFKC); usually it is the text itself."""
    return unicodedata.normalize("NFKC", text)


def tokens(text: str) -> list[Token]:
    """Return the tokens of a text in `widths_folded` form, in order."""
    if text.isascii():
        return [Token(word[0][:MAX_TOKEN], word.start(), word.end()) for word in _ASCII.finditer(text.lower())]
    found = []
    for match in _TOKEN.finditer(widths_folded(text)):
        folded = _folded(match[0])
        if folded:
            found.append(Token(folded, match.start(), match.end()))
    return found


def is_unspaced(token: str) -> bool:
    """Return whether a token is a character of a script that is written without spaces."""
    return len(token) == 1 and re.match(rf"[{UNSPACED}]", token) is not None


def scope(kind: str, value: str) -> str:
    """Return a token that narrows a search, such as to a tenant or a speaker; no text has it, and it shows no value."""
    return f"{_SCOPE}{kind}{blake2b(value.encode('utf-8', 'replace'), digest_size=6).hexdigest()}"


def _folded(word: str) -> str:
    if word.isascii():
        return word.lower()[:MAX_TOKEN]
    bare = _ACCENT.sub("", unicodedata.normalize("NFD", word.casefold()))
    return unicodedata.normalize("NFC", bare)[:MAX_TOKEN]
