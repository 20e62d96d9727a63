"""Embeds the glyphs that a PDF shows: a subset of each font as a composite font (ISO 32000-1, 9.7), with its text.

Codes stand for a glyph and what it says there, so text can be copied and searched in logical order also where one
glyph says several letters, several glyphs say one, or the same glyph says different ones.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import uharfbuzz as hb
from reportlab.pdfbase.pdfdoc import PDFArray, PDFDictionary, PDFDocument, PDFName, PDFStream, PDFString, PDFZCompress

from pipelines.export.pdf.fonts import Face, Glyph
from pipelines.export.pdf.shaping import Cluster

_KEPT_TABLES = frozenset(("glyf", "loca", "head", "hhea", "hmtx", "maxp"))
_SYMBOLIC = 4  # the flag of fonts whose characters are not those of Adobe's Latin set
_PER_BLOCK = 100  # most entries of a block of a CMap
_PER_EM = 1000  # a PDF measures glyphs in thousandths of an em


@dataclass(frozen=True)
class _Code:
    """A glyph, what it says, and its width in ems."""

    glyph_id: int
    text: str
    width: float


@dataclass
class _Used:
    """What a document shows of a font; code 0 is the missing glyph."""

    name: str
    codes: dict[_Code, int] = field(default_factory=dict)
    plain: dict[str, int] = field(default_factory=dict)
    """The codes of characters that need no shaping, most of a document."""

    def number(self, code: _Code) -> int:
        return self.codes.setdefault(code, len(self.codes) + 1)


class EmbeddedFonts:
    """The fonts of one PDF document."""

    def __init__(self) -> None:
        self._used: dict[Face, _Used] = {}

    def show(self, clusters: Sequence[Cluster], size: float) -> str:
        """Return the PDF operators that show clusters of one font in visual order, from where the pen is."""
        face = clusters[0].face
        used = self._used.setdefault(face, _Used(name=f"G{len(self._used) + 1}"))
        pen = _Pen(size)
        for cluster in clusters:
            if cluster.glyphs is face.plain(cluster.text[0]):
                code = used.plain.get(cluster.text)
                if code is None:
                    ((_, (plain,)),) = _coded(cluster)
                    code = used.plain[cluster.text] = used.number(plain)
                pen.show(code)
                width = cluster.glyphs[0].advance
            else:
                width = self._show_shaped(cluster, used, pen)
            if cluster.advance != width:  # a gap between scripts
                pen.move(cluster.advance - width, 0.0)
        return f"/{used.name} {size:g} Tf {pen.finished()}"

    def _show_shaped(self, cluster: Cluster, used: _Used, pen: "_Pen") -> float:
        """Show the glyphs of a cluster where HarfBuzz put them; returns how far, in ems, the pen went."""
        width = 0.0
        for glyph, codes in _coded(cluster):
            pen.move(glyph.dx, glyph.dy)
            for code in codes:
                pen.show(used.number(code))
            pen.move(glyph.advance - glyph.dx - sum(code.width for code in codes), 0.0)
            width += glyph.advance
        return width

    def add_to(self, document: PDFDocument) -> None:
        """Put the fonts into a document, once all of its text is shown."""
        fonts = document.idToObject["BasicFonts"].dict
        for face, used in self._used.items():
            fonts[used.name] = _font(document, face, used)


class _Pen:
    """Writes operators that show codes, and moves between them, of text of a size in points."""

    def __init__(self, size: float) -> None:
        self._size = size
        self._operators: list[str] = []
        self._array: list[str] = []  # strings in hexadecimal, and moves to the left
        self._string: list[str] = []
        self._to_move = 0.0
        self._rise = 0.0

    def move(self, dx: float, rise: float) -> None:
        """Go to the right by ``dx`` ems, and to a height above the line."""
        self._to_move += dx
        if rise != self._rise:
            self.operate(f"{rise * self._size:.3f} Ts")
            self._rise = rise

    def show(self, code: int) -> None:
        if self._to_move:
            moved = round(self._to_move * _PER_EM)
            if moved:
                self._end_string()
                self._array.append(f"{-moved}")
                self._to_move -= moved / _PER_EM
        self._string.append(f"{code:04X}")

    def operate(self, operator: str) -> None:
        """Write another operator once all before it is shown."""
        self._end_string()
        if self._array:
            self._operators.append(f"[{''.join(self._array)}] TJ")
            self._array = []
        self._operators.append(operator)

    def finished(self) -> str:
        self.operate("0 Ts" if self._rise else "")
        return " ".join(self._operators)

    def _end_string(self) -> None:
        if self._string:
            self._array.append(f"<{''.join(self._string)}>")
            self._string = []


def _coded(cluster: Cluster) -> list[tuple[Glyph, list[_Code]]]:
    """Return the codes that show each glyph of a cluster.

    Together they say its text: one character for each glyph that takes room, the last of these what is left, and marks
    nothing, as programs take what they say for a word of its own. From right to left the widest glyph says all, in a
    code for each character of which one shows it: programs that put the codes of a line into logical order would else
    turn around what one of them says.
    """
    face, glyphs, text = cluster.face, cluster.glyphs, cluster.text
    if len(glyphs) == len(text) == 1:
        return [(glyphs[0], [_Code(glyphs[0].glyph_id, text, face.advance(glyphs[0].glyph_id))])]
    coded = [(glyph, [_Code(glyph.glyph_id, "", face.advance(glyph.glyph_id))]) for glyph in glyphs]
    by_width = sorted(range(len(glyphs)), key=lambda n: -glyphs[n].advance)
    blank = face.plain(" ")[0].glyph_id
    if cluster.level % 2 and blank:
        widest = glyphs[by_width[0]]
        width = widest.advance / len(text)
        ids = [widest.glyph_id, *[blank] * (len(text) - 1)]
        coded[by_width[0]] = widest, [_Code(i, said, width) for i, said in zip(ids, reversed(text), strict=True)]
        return coded
    n_wide = max(1, sum(glyph.advance > 0 for glyph in glyphs))
    speaking = sorted(by_width[: min(n_wide, len(text))])
    shares = [*text[: len(speaking) - 1], text[len(speaking) - 1 :]]
    for n, said in zip(speaking, shares, strict=True):
        coded[n] = glyphs[n], [_Code(glyphs[n].glyph_id, said, face.advance(glyphs[n].glyph_id))]
    return coded


def _font(document: PDFDocument, face: Face, used: _Used) -> Any:
    plan_input = hb.SubsetInput()
    plan_input.sets(hb.SubsetInputSets.GLYPH_INDEX).update({code.glyph_id for code in used.codes})
    dropped = set(face.hb_face.table_tags) - _KEPT_TABLES
    plan_input.sets(hb.SubsetInputSets.DROP_TABLE_TAG).update({int.from_bytes(tag.encode(), "big") for tag in dropped})
    plan_input.flags = hb.SubsetFlags.NO_HINTING | hb.SubsetFlags.NOTDEF_OUTLINE
    plan = hb.SubsetPlan(face.hb_face, plan_input)
    data = bytes(plan.execute().blob.data)
    new_ids = plan.old_to_new_glyph_mapping
    codes = [_Code(0, "", face.advance(0)), *used.codes]
    name = PDFName(f"{_tag(data)}+{face.name}")
    descendant = PDFDictionary(
        {
            "Type": PDFName("Font"),
            "Subtype": PDFName("CIDFontType2"),
            "BaseFont": name,
            "CIDSystemInfo": PDFDictionary(
                {"Registry": PDFString("Adobe"), "Ordering": PDFString("Identity"), "Supplement": 0}
            ),
            "FontDescriptor": document.Reference(_descriptor(document, face, name, data)),
            "DW": 0,
            "W": PDFArray([0, PDFArray([_rounded(code.width) for code in codes])]),
            "CIDToGIDMap": _stream(document, b"".join(new_ids[code.glyph_id].to_bytes(2, "big") for code in codes)),
        }
    )
    return document.Reference(
        PDFDictionary(
            {
                "Type": PDFName("Font"),
                "Subtype": PDFName("Type0"),
                "BaseFont": name,
                "Encoding": PDFName("Identity-H"),
                "DescendantFonts": PDFArray([document.Reference(descendant)]),
                "ToUnicode": _stream(document, _to_unicode(used)),
            }
        )
    )


def _descriptor(document: PDFDocument, face: Face, name: str, data: bytes) -> PDFDictionary:
    extents = face.hb_font.get_font_extents("ltr")
    ascent, descent = _rounded(extents.ascender * face.per_em), _rounded(extents.descender * face.per_em)
    return PDFDictionary(
        {
            "Type": PDFName("FontDescriptor"),
            "FontName": name,
            "Flags": _SYMBOLIC,
            "FontBBox": PDFArray([-_PER_EM, descent, 2 * _PER_EM, ascent]),
            "ItalicAngle": 0,
            "Ascent": ascent,
            "Descent": descent,
            "CapHeight": ascent,
            "StemV": 80,
            "FontFile2": _stream(document, data, Length1=len(data)),
        }
    )


def _stream(document: PDFDocument, content: bytes, **entries: int) -> Any:
    stream = PDFStream(content=content, filters=[PDFZCompress] if document.compression else None)
    for name, value in entries.items():
        stream.dictionary[name] = value
    return document.Reference(stream)


def _to_unicode(used: _Used) -> bytes:
    """Return the CMap from codes to text (ISO 32000-1, 9.10.3)."""
    entries = [f"<{number:04X}> <{_utf16(code.text)}>" for code, number in used.codes.items()]
    blocks = [entries[at : at + _PER_BLOCK] for at in range(0, len(entries), _PER_BLOCK)]
    lines = [
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap",
        "/CIDSystemInfo << /Registry (Adobe) /Ordering (UCS) /Supplement 0 >> def",
        "/CMapName /Adobe-Identity-UCS def /CMapType 2 def",
        "1 begincodespacerange <0000> <FFFF> endcodespacerange",
        *(line for block in blocks for line in (f"{len(block)} beginbfchar", *block, "endbfchar")),
        "endcmap CMapName currentdict /CMap defineresource pop end end",
    ]
    return "\n".join(lines).encode("ascii")


def _utf16(text: str) -> str:
    return text.encode("utf-16-be").hex().upper()


def _tag(data: bytes) -> str:
    """Return the six letters that tell subsets of one font apart."""
    return "".join(chr(ord("A") + byte % 26) for byte in hashlib.sha256(data).digest()[:6])


def _rounded(ems: float) -> float:
    return round(ems * _PER_EM, 2)
