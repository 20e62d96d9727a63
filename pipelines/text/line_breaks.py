"""Where the lines of documents may break: between words also in scripts that leave no spaces between them.

Thai, Lao, Khmer and Burmese words are found by ICU's dictionaries; all else is `pipelines.text.typography.tokens`.
"""

import re

from pipelines.text.typography import MYANMAR, THAI_LAO_KHMER, tokens

_WITHOUT_SPACES = re.compile(f"[{THAI_LAO_KHMER}{MYANMAR}]")


def breakable(text: str) -> list[str]:
    """Cut text where a line may break, as `tokens` does: a space leads the piece it stands before."""
    pieces = tokens(text)
    if text.isascii() or not _WITHOUT_SPACES.search(text):
        return pieces
    return [part for piece in pieces for part in (_words(piece) if _WITHOUT_SPACES.search(piece) else [piece])]


def _words(piece: str) -> list[str]:
    from icu4py.breakers import LineBreaker  # 30 MB of dictionaries, mapped only where they are needed

    body = piece.lstrip(" ")
    words: list[str] = list(LineBreaker(body, "en")) or [""]
    words[0] = piece[: len(piece) - len(body)] + words[0]
    return words
