"""Facts about writing systems that subtitles and documents share: spaces, widths, punctuation.

Line breaking follows the spirit of Unicode Standard Annex 14 for the scripts Whisper writes: Chinese and
Japanese break between any two characters, but never before closing or after opening punctuation.
"""

import re
import unicodedata
from collections.abc import Iterable

# Classes of characters for regular expressions, without their brackets.
HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
RARE_HAN = "\U00020000-\U0003134f"
KANA = "\u3040-\u30ff\u31f0-\u31ff"
THAI_LAO_KHMER = "\u0e00-\u0eff\u1780-\u17ff"
MYANMAR = "\u1000-\u109f"
KATAKANA = "\u30a0-\u30ff\u31f0-\u31ff"
HANGUL = "\uac00-\ud7a3"
TIBETAN = "\u0f00-\u0fff"
MARKS = "\u200c\u200d" + "".join(chr(n) for n in range(0x300, 0xE00) if unicodedata.category(chr(n)) in ("Mn", "Mc"))
"""Marks that belong to the letter before them, of scripts whose words are written apart (Arabic, Hebrew, India's)."""
IDEOGRAPHIC = "\u3005-\u3007" + KANA + HAN + RARE_HAN
"""Han characters and kana: no spaces, breakable anywhere."""

SENTENCE_END = ".?!。？！｡…؟।॥"
CLAUSE_END = ",;:，；：、､،؛—"
_SENTENCE_ENDS, _CLAUSE_ENDS = tuple(SENTENCE_END), tuple(CLAUSE_END)

_WIDE_OPENING = "（［｛【《〈「『〔“"
_WIDE_CLOSING = "，。、；：？！…—～·）］｝】》〉」』〕”ー"
_OPENING = _WIDE_OPENING + r"(\[{‘"
_CLOSING = _WIDE_CLOSING + r".,;:?!)\]}’'\"%"
_TOKEN = re.compile(
    rf"\s*[{_OPENING}]*(?:[{IDEOGRAPHIC}]|[^\s{IDEOGRAPHIC}{_WIDE_OPENING}{_WIDE_CLOSING}]+)?[{_CLOSING}]*"
)
_ENDS_IDEOGRAPHIC = re.compile(rf"[{IDEOGRAPHIC}{_WIDE_OPENING}{_WIDE_CLOSING}]$")
_STARTS_IDEOGRAPHIC = re.compile(rf"^[{IDEOGRAPHIC}{_WIDE_OPENING}{_WIDE_CLOSING}]")
_SPACE = re.compile(r"\s+")
_TRAILING_QUOTES = "\"'”’»)）」』】》"
_BARE_PUNCTUATION = re.compile(rf"[{_CLOSING}]+")


def tokens(text: str) -> list[str]:
    """Cut text where a line may break; space between tokens becomes one leading space, and joining gives text back."""
    return [token for token in _TOKEN.findall(_SPACE.sub(" ", text.rstrip())) if token]


def is_wide(character: str) -> bool:
    """Say whether a character fills two columns of a fixed-width display (UAX 11: wide or full-width)."""
    return unicodedata.east_asian_width(character) in "WF"


def is_mark(character: str) -> bool:
    """Say whether a character combines with the one before it, so that no cut may separate them."""
    return unicodedata.category(character) in ("Mn", "Mc", "Me") or character in "\u200c\u200d"


def is_spoken(text: str) -> bool:
    """Say whether text has words: punctuation, brackets and musical notes alone are none."""
    return any(character.isalnum() for character in text)


def is_bare_punctuation(text: str) -> bool:
    """Say whether text is only punctuation that must not start a line."""
    return bool(_BARE_PUNCTUATION.fullmatch(text))


def ends_sentence(text: str) -> bool:
    """Say whether text ends like a sentence, closing quotes and brackets aside."""
    return text.rstrip().rstrip(_TRAILING_QUOTES).endswith(_SENTENCE_ENDS)


def ends_clause(text: str) -> bool:
    """Say whether text ends like a clause: comma, colon, semicolon, dash."""
    return text.rstrip().rstrip(_TRAILING_QUOTES).endswith(_CLAUSE_ENDS)


def join_spoken(texts: Iterable[str]) -> str:
    """Join pieces of speech: with a space, but none between or beside Chinese or Japanese text."""
    joined = ""
    for text in (text.strip() for text in texts):
        if not text:
            continue
        tight = _ENDS_IDEOGRAPHIC.search(joined) or _STARTS_IDEOGRAPHIC.search(text)
        joined += text if not joined or tight else f" {text}"
    return joined


def sentences(text: str) -> list[str]:
    """Cut a text after its sentences; joining gives it back."""
    pieces, start = [], 0
    for index, character in enumerate(text):
        if character in "。？！" or (character in ".?!" and text[index + 1 : index + 2].isspace()):
            pieces.append(text[start : index + 1])
            start = index + 1
    return [*pieces, text[start:]]
