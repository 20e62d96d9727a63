"""Choose the PDF's font of each character.

Latin, Greek and Cyrillic use the embedded Noto Sans. Chinese, Japanese and Korean use the standard Asian fonts
that PDF readers bring along (ISO 32000 predefined CMaps), so no large font file is needed. Scripts that need
shaping or right-to-left order (Arabic, Hebrew, Devanagari, Thai, ...) have no font here.
"""

from functools import cache
from importlib.resources import as_file, files

from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfbase.ttfonts import TTFont

REGULAR = "NotoSans"
BOLD = "NotoSans-Bold"
SIMPLIFIED = "STSong-Light"
TRADITIONAL = "MSung-Light"
JAPANESE = "HeiseiMin-W3"
KOREAN = "HYSMyeongJo-Medium"
MISSING = "\ufffd"
"""Shown for a character that no font has."""

_EAST_ASIAN = {SIMPLIFIED: "gbk", JAPANESE: "cp932", TRADITIONAL: "big5", KOREAN: "cp949"}
"""The Asian fonts, in the order they are tried, with an encoding of the characters each surely has."""
_PREFERRED = {"ja": JAPANESE, "ko": KOREAN, "zh-hant": TRADITIONAL, "zh-tw": TRADITIONAL, "zh-hk": TRADITIONAL}


def register_fonts() -> None:
    """Make the fonts known to reportlab; repeating it costs nothing."""
    for name in (REGULAR, BOLD):
        if name not in pdfmetrics.getRegisteredFontNames():
            with as_file(files("pipelines.export") / "fonts" / f"{_file_stem(name)}.ttf") as path:
                pdfmetrics.registerFont(TTFont(name, path))
    for name in _EAST_ASIAN:
        if name not in pdfmetrics.getRegisteredFontNames():
            pdfmetrics.registerFont(UnicodeCIDFont(name))


def is_east_asian(font: str) -> bool:
    """Say whether a font is one of the readers' Asian fonts, which have no bold cut."""
    return font in _EAST_ASIAN


@cache
def font_for(character: str, language: str) -> str:
    """Name the font of a character in a document's language, "" when none has it; fonts must be registered.

    Curly quotes and dashes come from the embedded font in Chinese too: readers disagree about their Asian width.
    """
    if ord(character) in pdfmetrics.getFont(REGULAR).face.charToGlyph:
        return REGULAR
    return next((font for font in _asian_fonts(language) if _has(font, character)), "")


def _asian_fonts(language: str) -> list[str]:
    preferred = _PREFERRED.get(language.lower()) or _PREFERRED.get(language.partition("-")[0].lower(), SIMPLIFIED)
    return [preferred, *(font for font in _EAST_ASIAN if font != preferred)]


def _has(font: str, character: str) -> bool:
    if ord(character) > 0xFFFF:  # the fonts' CMaps are UCS-2
        return False
    try:
        return len(character.encode(_EAST_ASIAN[font])) > 1
    except UnicodeEncodeError:
        return False


def _file_stem(name: str) -> str:
    return name if name == BOLD else f"{name}-Regular"
