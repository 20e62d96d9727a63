"""A paragraph for reportlab that mixes Latin and East Asian fonts and breaks lines as both scripts ask.

reportlab's own paragraph either breaks at spaces only or, in its CJK mode, between any two letters; minutes
mix both scripts in one sentence. Lines here break where `pipelines.text.typography.tokens` allows.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import groupby

from reportlab.lib.colors import Color
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable

from pipelines.export.pdf_fonts import BOLD, MISSING, REGULAR, font_for, is_east_asian
from pipelines.text.typography import is_mark, tokens

_BOLD_STROKE = 0.035  # width of the outline, in ems, that stands in for the bold cut Asian fonts lack
_SCRIPT_GAP = 0.18  # ems between an ideograph and a Latin letter or digit, as word processors leave


@dataclass(frozen=True, kw_only=True)
class Ink:
    """Style and link target of a stretch of text."""

    bold: bool = False
    colour: Color | None = None
    link: str = ""


Styled = tuple[str, Ink]


@dataclass(frozen=True, kw_only=True)
class TextStyle:
    """Measures in points. ``indent`` leaves room for a bar or for a label at ``label_at``; an ink may override
    ``colour``."""

    size: float
    leading: float
    colour: Color
    space_before: float = 0.0
    space_after: float = 0.0
    indent: float = 0.0
    label_at: float = 0.0
    bar: Color | None = None


@dataclass(frozen=True, kw_only=True)
class _Fragment:
    text: str
    font: str
    ink: Ink
    x: float
    width: float


@dataclass(frozen=True, kw_only=True)
class _Glyph:
    character: str
    font: str
    ink: Ink
    advance: float


_Glyphs = list[_Glyph]


class TextBlock(Flowable):  # type: ignore[misc]  # reportlab is untyped
    """Lays out styled text, wrapped to the frame; ``label`` stands at the left of an indented first line.

    ``anchor`` names this place for links; ``outline`` adds it to the document's outline.
    """

    def __init__(
        self,
        lines: Sequence[Sequence[Styled]],
        style: TextStyle,
        *,
        language: str,
        label: Sequence[Styled] = (),
        anchor: str = "",
        outline: str = "",
    ) -> None:
        super().__init__()
        self._source = lines
        self._style = style
        self._language = language
        self._label = label
        self._anchor = anchor
        self._outline = outline
        self._lines: list[list[_Fragment]] = []
        self._laid_out_for = -1.0

    def natural_width(self) -> float:
        """Return the width in points of the longest line when none is broken."""
        lines = [line for source in self._source for line in self._lay_out(source, float("inf"))]
        return self._style.indent + max((line[-1].x + line[-1].width for line in lines if line), default=0.0)

    def getSpaceBefore(self) -> float:
        return self._style.space_before

    def getSpaceAfter(self) -> float:
        return self._style.space_after

    def wrap(self, available_width: float, available_height: float) -> tuple[float, float]:
        if self._source and self._laid_out_for != available_width:
            width = available_width - self._style.indent
            self._lines = [line for source in self._source for line in self._lay_out(source, width)]
            self._laid_out_for = available_width
        self.width, self.height = available_width, len(self._lines) * self._style.leading
        return self.width, self.height

    def split(self, available_width: float, available_height: float) -> list[Flowable]:
        self.wrap(available_width, available_height)
        n_fitting = int(available_height // self._style.leading)
        n_fitting = min(n_fitting, len(self._lines) - 1)  # a table that asks for a split needs two parts
        if len(self._lines) > 2 and n_fitting == len(self._lines) - 1:
            n_fitting -= 1  # no single last line at the head of a page
        if n_fitting < min(2, len(self._lines)):  # no single first line at the foot of a page
            return []
        first = self._part(self._lines[:n_fitting], self._style, label=self._label)
        first._anchor, first._outline = self._anchor, self._outline
        return [first, self._part(self._lines[n_fitting:], replace(self._style, space_before=0.0))]

    def draw(self) -> None:
        canvas: Canvas = self.canv
        style = self._style
        if self._anchor:
            canvas.bookmarkHorizontal(self._anchor, 0, self.height + style.leading)
        if self._outline:
            canvas.addOutlineEntry(self._outline, self._anchor, level=0)
        if style.bar is not None:
            canvas.setFillColor(style.bar)
            canvas.rect(0, 0, 2, self.height, stroke=0, fill=1)
        baseline = self.height - style.leading + (style.leading - style.size) / 2 + 0.22 * style.size
        if self._label:
            for line in self._lay_out(self._label, style.indent)[:1]:
                self._draw_line(canvas, line, style.label_at, baseline)
        for line in self._lines:
            self._draw_line(canvas, line, style.indent, baseline)
            baseline -= style.leading

    def _part(self, lines: list[list[_Fragment]], style: TextStyle, label: Sequence[Styled] = ()) -> "TextBlock":
        part = TextBlock((), style, language=self._language, label=label)
        part._lines = lines
        return part

    def _lay_out(self, source: Sequence[Styled], width: float) -> list[list[_Fragment]]:
        glyphs = self._glyphs(source)
        lines: list[_Glyphs] = [[]]
        used, at = 0.0, 0
        for token in tokens("".join(glyph.character for glyph in glyphs)):
            part, at = glyphs[at : at + len(token)], at + len(token)
            if used + _length(part) > width and lines[-1]:
                lines.append([])
                used, part = 0.0, part[1:] if part[0].character == " " else part
            if used + _length(part) <= width:
                lines[-1] += part
                used += _length(part)
                continue
            for glyph in part:  # a token longer than a line breaks between characters
                if used + glyph.advance > width and lines[-1] and not is_mark(glyph.character):
                    lines.append([])
                    used = 0.0
                lines[-1].append(glyph)
                used += glyph.advance
        return [_fragments(line) for line in lines]

    def _glyphs(self, source: Sequence[Styled]) -> _Glyphs:
        glyphs: _Glyphs = []
        for text, ink in source:
            for character in text:
                character = " " if character.isspace() else character
                if character == " " and (not glyphs or glyphs[-1].character == " "):
                    continue
                font = font_for(character, self._language)
                shown = character if font else MISSING
                if font in ("", REGULAR):
                    font = BOLD if ink.bold else REGULAR
                if glyphs and _scripts_meet(glyphs[-1], shown, font):
                    glyphs[-1] = replace(glyphs[-1], advance=glyphs[-1].advance + _SCRIPT_GAP * self._style.size)
                advance = _advance(shown, font) * self._style.size
                glyphs.append(_Glyph(character=shown, font=font, ink=ink, advance=advance))
        return glyphs

    def _draw_line(self, canvas: Canvas, line: list[_Fragment], x: float, baseline: float) -> None:
        size = self._style.size
        for fragment in line:
            colour = fragment.ink.colour or self._style.colour
            canvas.setFillColor(colour)
            canvas.setFont(fragment.font, size)
            text = canvas.beginText(x + fragment.x, baseline)
            outlined = fragment.ink.bold and is_east_asian(fragment.font)
            if outlined:
                canvas.setStrokeColor(colour)
                canvas.setLineWidth(_BOLD_STROKE * size)
                text.setTextRenderMode(2)
            text.textOut(fragment.text)
            if outlined:
                text.setTextRenderMode(0)
            canvas.drawText(text)
            if fragment.ink.link:
                box = (x + fragment.x, baseline - 0.25 * size, x + fragment.x + fragment.width, baseline + size)
                canvas.linkRect("", fragment.ink.link, box, relative=1, thickness=0)


def _length(glyphs: _Glyphs) -> float:
    return sum(glyph.advance for glyph in glyphs)


def _fragments(glyphs: _Glyphs) -> list[_Fragment]:
    """Group a line's glyphs by font and ink; script gaps lie between fragments, as the fonts differ there."""
    fragments, x = [], 0.0
    for (font, ink), group in groupby(glyphs, key=lambda glyph: (glyph.font, glyph.ink)):
        members = list(group)
        text, width = "".join(glyph.character for glyph in members), _length(members)
        fragments.append(_Fragment(text=text, font=font, ink=ink, x=x, width=width))
        x += width
    return fragments


def _scripts_meet(left: _Glyph, right: str, right_font: str) -> bool:
    """Say whether an ideograph touches a Latin letter or digit."""
    return is_east_asian(left.font) != is_east_asian(right_font) and left.character.isalnum() and right.isalnum()


@cache
def _advance(character: str, font: str) -> float:
    """Return the width of a character in ems."""
    return float(stringWidth(character, font, 1000)) / 1000
