"""A paragraph for reportlab that mixes scripts: lines break, are ordered and aligned as each of them asks.

reportlab's own paragraph either breaks at spaces only or, in its CJK mode, between any two letters; minutes
mix both in one sentence. Lines here break, in logical order, where `pipelines.text.line_breaks` allows.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise

from reportlab.lib.colors import Color
from reportlab.platypus import Flowable

from pipelines.export.pdf.fonts import BOLD
from pipelines.export.pdf.shaping import Cluster, Styled, in_visual_order, shape
from pipelines.text.direction import runs_right_to_left
from pipelines.text.line_breaks import breakable
from pipelines.text.typography import is_mark

_BOLD_STROKE = 0.035  # width of the outline, in ems, that stands in for the bold cut that most fonts lack
_SCRIPT_GAP = 0.18  # ems between an ideograph and a Latin letter or digit, as word processors leave


@dataclass(frozen=True, kw_only=True)
class TextStyle:
    """Measures in points. ``indent`` leaves room for a bar or for a label at ``label_at``; an ink may override
    ``colour``. ``mirrored`` has all of it on the right, as documents in languages written from there do."""

    size: float
    leading: float
    colour: Color
    space_before: float = 0.0
    space_after: float = 0.0
    indent: float = 0.0
    label_at: float = 0.0
    bar: Color | None = None
    mirrored: bool = False


@dataclass(frozen=True, kw_only=True)
class TextLine:
    """Clusters in visual order and their width in points; ``at_right``: aligned there."""

    clusters: tuple[Cluster, ...]
    width: float
    at_right: bool


class TextBlock(Flowable):  # type: ignore[misc]  # reportlab is untyped
    """Lays out styled text, wrapped to the frame; ``label`` stands in the indent, beside the first line.

    ``lines`` are there once it is wrapped. ``anchor`` names this place for links; ``outline`` adds it to the document's
    outline. The canvas that it is drawn on has ``fonts``, a `pipelines.export.pdf.embedding.EmbeddedFonts`.
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
        self.lines: list[TextLine] = []
        self._laid_out_for = -1.0

    def natural_width(self) -> float:
        """Return the width in points of the longest line when none is broken."""
        lines = [line for source in self._source for line in self._lay_out(source, float("inf"))]
        return self._style.indent + max((line.width for line in lines), default=0.0)

    def getSpaceBefore(self) -> float:
        return self._style.space_before

    def getSpaceAfter(self) -> float:
        return self._style.space_after

    def wrap(self, available_width: float, available_height: float) -> tuple[float, float]:
        if self._source and self._laid_out_for != available_width:
            width = available_width - self._style.indent
            self.lines = [line for source in self._source for line in self._lay_out(source, width)]
            self._laid_out_for = available_width
        self.width, self.height = available_width, len(self.lines) * self._style.leading
        return self.width, self.height

    def split(self, available_width: float, available_height: float) -> list[Flowable]:
        self.wrap(available_width, available_height)
        n_fitting = int(available_height // self._style.leading)
        n_fitting = min(n_fitting, len(self.lines) - 1)  # a table that asks for a split needs two parts
        if len(self.lines) > 2 and n_fitting == len(self.lines) - 1:
            n_fitting -= 1  # no single last line at the head of a page
        if n_fitting < min(2, len(self.lines)):  # no single first line at the foot of a page
            return []
        first = self._part(self.lines[:n_fitting], self._style, label=self._label)
        first._anchor, first._outline = self._anchor, self._outline
        return [first, self._part(self.lines[n_fitting:], replace(self._style, space_before=0.0))]

    def draw(self) -> None:
        style = self._style
        if self._anchor:
            self.canv.bookmarkHorizontal(self._anchor, 0, self.height + style.leading)
        if self._outline:
            self.canv.addOutlineEntry(self._outline, self._anchor, level=0)
        if style.bar is not None:
            self.canv.setFillColor(style.bar)
            self.canv.rect(self.width - 2 if style.mirrored else 0, 0, 2, self.height, stroke=0, fill=1)
        baseline = self.height - style.leading + (style.leading - style.size) / 2 + 0.22 * style.size
        if self._label:
            for line in self._lay_out(self._label, style.indent)[:1]:
                x = self.width - style.label_at - line.width if style.mirrored else style.label_at
                self._draw_line(line, x, baseline)
        for line in self.lines:
            start, end = (0.0, self.width - style.indent) if style.mirrored else (style.indent, self.width)
            self._draw_line(line, end - line.width if line.at_right else start, baseline)
            baseline -= style.leading

    def _part(self, lines: list[TextLine], style: TextStyle, label: Sequence[Styled] = ()) -> "TextBlock":
        part = TextBlock((), style, language=self._language, label=label)
        part.lines = lines
        return part

    def _lay_out(self, source: Sequence[Styled], width: float) -> list[TextLine]:
        right_to_left = runs_right_to_left("".join(text for text, _ in source), self._language)
        clusters = _spaced_scripts(shape(source, right_to_left=right_to_left, language=self._language))
        at_right = right_to_left or self._style.mirrored
        size = self._style.size
        return [
            TextLine(clusters=tuple(in_visual_order(line)), width=_length(line) * size, at_right=at_right)
            for line in _broken(clusters, width / size)
        ]

    def _draw_line(self, line: TextLine, x: float, baseline: float) -> None:
        size = self._style.size
        for (_, ink), group in groupby(line.clusters, key=lambda cluster: (cluster.face, cluster.ink)):
            fragment = list(group)
            width = _length(fragment) * size
            colour = ink.colour or self._style.colour
            self.canv.setFillColor(colour)
            text = self.canv.beginText(x, baseline)
            outlined = ink.bold and fragment[0].face not in BOLD
            if outlined:
                self.canv.setStrokeColor(colour)
                self.canv.setLineWidth(_BOLD_STROKE * size)
                text.setTextRenderMode(2)
            text._code.append(self.canv.fonts.show(fragment, size))
            if outlined:
                text.setTextRenderMode(0)
            self.canv.drawText(text)
            if ink.link:
                box = (x, baseline - 0.25 * size, x + width, baseline + size)
                self.canv.linkRect("", ink.link, box, relative=1, thickness=0)
            x += width


def _broken(clusters: Sequence[Cluster], width: float) -> list[list[Cluster]]:
    """Break a paragraph into lines of at most a width in ems."""
    lines: list[list[Cluster]] = [[]]
    used, at = 0.0, 0
    text_end = cluster_end = 0
    for piece in breakable("".join(cluster.text for cluster in clusters)):
        text_end += len(piece)
        start = at
        while cluster_end < text_end:
            cluster_end += len(clusters[at].text)
            at += 1
        part = clusters[start:at]
        if not part:  # it lies within the cluster that the piece before ended with
            continue
        length = _length(part)
        if used + length > width and lines[-1]:
            lines.append([])
            used, part = 0.0, part[1:] if part[0].text == " " else part
            length = _length(part)
        if used + length <= width:
            lines[-1] += part
            used += length
            continue
        for cluster in part:  # a piece longer than a line breaks anywhere
            if used + cluster.advance > width and lines[-1] and not is_mark(cluster.text[0]):
                lines.append([])
                used = 0.0
            lines[-1].append(cluster)
            used += cluster.advance
    return lines


def _length(clusters: Sequence[Cluster]) -> float:
    return sum([cluster.advance for cluster in clusters])


def _spaced_scripts(clusters: list[Cluster]) -> list[Cluster]:
    """Widen clusters where an ideograph touches a Latin letter or digit."""
    if not any(cluster.face.ideographic for cluster in clusters):
        return clusters
    spaced = list(clusters)
    for n, (left, right) in enumerate(pairwise(clusters)):
        if _is_ideograph(left) != _is_ideograph(right) and left.text.isalnum() and right.text.isalnum():
            spaced[n] = left._replace(advance=left.advance + _SCRIPT_GAP)
    return spaced


def _is_ideograph(cluster: Cluster) -> bool:
    return cluster.face.ideographic and not "\uac00" <= cluster.text[0] <= "\ud7a3"  # Korean leaves spaces of its own
