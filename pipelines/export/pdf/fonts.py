"""The fonts of PDF documents, and which of them prints a character.

All come with the package (see ``fonts/README.md``) and are embedded, so that a document looks the same everywhere.
"""

from functools import cache, cached_property
from importlib.resources import files
from typing import NamedTuple

import uharfbuzz as hb

_IGNORABLE = "\u00ad\u034f\u061c\u180e\u2060\ufeff"


class Glyph(NamedTuple):
    """A glyph of a font and its place in ems: ``advance`` to the next one, ``dx`` and ``dy`` from the pen."""

    glyph_id: int
    advance: float
    dx: float = 0.0
    dy: float = 0.0


class Face:
    """A font file of the package; ``shaped`` ones print nothing right without HarfBuzz, ``ideographic`` ones are those
    of Chinese, Japanese and Korean, and ``bold`` is a font's bold cut, if it has one."""

    def __init__(
        self, name: str, *, bold: "Face | None" = None, shaped: bool = False, ideographic: bool = False
    ) -> None:
        self.name = name
        self.bold = bold
        self.shaped = shaped
        self.ideographic = ideographic
        self._glyphs: dict[str, tuple[Glyph]] = {}

    @cached_property
    def hb_face(self) -> hb.Face:
        return hb.Face(hb.Blob((files("pipelines.export") / "fonts" / f"{self.name}.ttf").read_bytes()))

    @cached_property
    def hb_font(self) -> hb.Font:
        return hb.Font(self.hb_face)

    @cached_property
    def per_em(self) -> float:
        """Return the factor from the font's units to ems."""
        return 1 / float(self.hb_face.upem)

    @cached_property
    def _characters(self) -> frozenset[int]:
        return frozenset(self.hb_face.unicodes)

    def has(self, character: str) -> bool:
        return ord(character) in self._characters

    def plain(self, character: str) -> tuple[Glyph]:
        """Return the glyph of a character that the font has, without shaping; the same tuple each time."""
        found = self._glyphs.get(character)
        if found is None:
            glyph_id = int(self.hb_font.get_nominal_glyph(ord(character)) or 0)
            found = self._glyphs[character] = (Glyph(glyph_id, self.advance(glyph_id)),)
        return found

    def advance(self, glyph_id: int) -> float:
        """Return the width of a glyph in ems."""
        return float(self.hb_font.get_glyph_h_advance(glyph_id)) * self.per_em


_WITH_BOLD = ("Hebrew", "Arabic", "Devanagari", "Thai")
_SHAPED = (
    *("Bengali", "Gurmukhi", "Gujarati", "Oriya", "Tamil", "Telugu", "Kannada", "Malayalam", "Sinhala"),
    *("Lao", "Khmer", "Myanmar", "Thaana"),
)
_UNSHAPED = ("SansGeorgian", "SansArmenian", "SansEthiopic", "SansSymbols", "SansSymbols2", "SansMath")
REGULAR = Face("NotoSans-Regular", bold=Face("NotoSans-Bold"))
FACES = (
    REGULAR,
    Face("NotoSansCJKsc-Punctuation", ideographic=True),
    Face("DroidSansFallback", ideographic=True),
    *(
        Face(f"NotoSans{script}-Regular", bold=Face(f"NotoSans{script}-Bold", shaped=True), shaped=True)
        for script in _WITH_BOLD
    ),
    *(Face(f"NotoSans{script}-Regular", shaped=True) for script in _SHAPED),
    *(Face(f"Noto{name}-Regular") for name in _UNSHAPED),
)
"""The fonts in the order they are tried. Curly quotes and dashes come from the first in Chinese too: East Asian fonts
make them as wide as an ideograph, which is wrong in mixed text."""
BOLD = frozenset(face.bold for face in FACES if face.bold)
"""The cuts that need no outline to be bold."""
MISSING = "\ufffd"
"""Shown for a character that no font has."""


@cache
def face_for(character: str) -> Face | None:
    """Choose the font of a character; None: no font has it."""
    return next((face for face in FACES if face.has(character)), None)


def is_ignorable(character: str) -> bool:
    """Say whether a character is invisible by itself: joiners, direction marks, variation selectors, soft hyphens."""
    return (
        "\u200b" <= character <= "\u200f"
        or "\u2061" <= character <= "\u2064"
        or "\ufe00" <= character <= "\ufe0f"
        or "\U000e0000" <= character <= "\U000e0fff"
        or character in _IGNORABLE
    )


def is_printable(character: str) -> bool:
    """Say whether a character has a font, or needs none."""
    return character.isspace() or is_ignorable(character) or face_for(character) is not None
