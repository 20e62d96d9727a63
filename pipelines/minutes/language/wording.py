"""The spoken text as strings: how segments are joined, and what is left when hesitations are taken out."""

import re
from collections.abc import Iterable

from pipelines.core import Segment
from pipelines.text.typography import HAN, KANA, MARKS, THAI_LAO_KHMER, is_mark

# Ideographs, kana and the full-width punctuation between them: written without spaces.
CJK = "\u3001-\u303f" + KANA + HAN + "\uff01-\uff65"

MAX_OPENING_WORDS = 7
MAX_OPENING_CHARS = 48

_CJK = re.compile(f"[{CJK}]")
_IDEOGRAPH = re.compile(f"[{HAN}]")
_LETTERS = f"(?:(?![{HAN}])[^\\W_][{MARKS}]*)+"
_TOKEN = re.compile(f"[{HAN}]|{_LETTERS}(?:['’-]{_LETTERS})*")
_NOTE = re.compile(r"\[[^\[\]]{0,40}\]|\{[^{}]{0,40}\}")
_HESITATION = re.compile(r",?\s*\b(?:um+|uh+|erm?|eh|hm+|mm+|mm-?hmm|uh-?huh)\b[,.…]*(?=\s|$)", re.IGNORECASE)
_HESITATION_ZH = re.compile(r"(?:^|(?<=[，。？！、\s]))[呃嗯额唔]+[，、,\s]*")
# Only function words: "five five five" is a number, "the the" is not.
_STUTTER = re.compile(r"\b(the|a|an|i|we|you|it|to|of|in|on|and|so|is|that's|it's)(?:,? \1\b)+", re.IGNORECASE)
# Nobody says a word this long; a recogniser in a loop writes it, and patterns would take long over it.
_NO_WORD = re.compile(f"(?:(?![{CJK}])\\S){{60,}}")
_UNSTOPPED = re.compile(f"[{THAI_LAO_KHMER}]")  # sentences end with a space
_SPACE = re.compile(r"\s+")
_CURLY = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "…": "..."})


def is_chinese(text: str) -> bool:
    """Return whether at least a third of the letters are ideographs."""
    n_ideographs = len(_IDEOGRAPH.findall(text))
    return n_ideographs > 0 and 3 * n_ideographs >= sum(character.isalpha() for character in text)


def joint(left: str, right: str) -> str:
    """Return what stands between two pieces of text: nothing between two ideographic ones, else a space."""
    return "" if not left or not right or (_CJK.match(left[-1]) and _CJK.match(right[0])) else " "


def join(pieces: Iterable[str]) -> str:
    """Join pieces of text in their order, each stripped, the empty ones left out."""
    text = ""
    for piece in (piece.strip() for piece in pieces):
        text += joint(text, piece) + piece
    return text


def joined_text(segments: Iterable[Segment]) -> str:
    """Return the text that a quote must be a part of: the cited segments, in the order in which they are cited."""
    return join(segment.text for segment in segments)


def clean(text: str) -> str:
    """Remove hesitations, stutters and bracketed notes; make quotation marks plain and spaces single."""
    text = _NO_WORD.sub(" ", _NOTE.sub(" ", text.translate(_CURLY)))
    text = _HESITATION_ZH.sub("", _HESITATION.sub("", text))
    text = _STUTTER.sub(r"\1", _SPACE.sub(" ", text))
    return re.sub(r"\s+([,.?!;:])(?=\s|$)", r"\1", text).strip(" ,;，、")


def tokens(text: str) -> list[str]:
    """Return words in lower case and single ideographs, punctuation left out."""
    return [match.group().casefold().replace("’", "'") for match in _TOKEN.finditer(text)]


def token_ends(text: str, start: int, end: int) -> list[int]:
    """Return where each token of ``text[start:end]`` ends, as positions in ``text``."""
    return [match.end() for match in _TOKEN.finditer(text, start, end)]


def sentence_case(text: str) -> str:
    """Return the text with its first letter in upper case and no loose punctuation at its ends."""
    text = text.strip(" \t,;:-–—，、；：")
    return text[:1].upper() + text[1:]


def opening(text: str) -> str:
    """Return the first words of a text, with an ellipsis where it goes on."""
    kept = " ".join(text.split()[:MAX_OPENING_WORDS])
    if len(kept) > MAX_OPENING_CHARS:
        kept = kept[:MAX_OPENING_CHARS]
        while is_mark(text[len(kept) : len(kept) + 1] or " "):
            kept = kept[:-1]
    kept = sentence_case(kept)
    return kept.rstrip(".。") if len(kept) >= len(text) - 1 else f"{kept}…"


def as_sentence(text: str) -> str:
    """Return the text in sentence case, ended by a full stop where the recogniser left the end open."""
    text = sentence_case(text)
    if not text or _UNSTOPPED.match(text[-1]) or text[-1] in '.?!…。？！；؟۔।॥።։)"”':
        return text
    return text + ("。" if _IDEOGRAPH.match(text[-1]) else ".")
