"""``minutes.pdf``: the minutes as an A4 PDF, built on reportlab.

Times in tables lead to the transcript, sections are in the outline. The file carries no clock: equal minutes
give equal bytes.
"""

import io
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import cm
from reportlab.pdfbase.pdfdoc import PDFDictionary, PDFDocument, PDFInfo, PDFString
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import BaseDocTemplate, CondPageBreak, Flowable, Frame, PageBreak, PageTemplate
from reportlab.platypus import Table as PdfTable

from pipelines.export.blocks import Content, Heading, Line, Paragraph, Run, SpokenTurn, Table
from pipelines.export.pdf.embedding import EmbeddedFonts
from pipelines.export.pdf.fonts import is_printable
from pipelines.export.pdf.shaping import Ink, Styled
from pipelines.export.pdf.text_block import TextBlock, TextStyle
from pipelines.notes import Note, NoteCode, NoteValue
from pipelines.text.direction import is_right_to_left

T = TypeVar("T")

MAX_NAMED = 8
"""Characters without a font that a note names."""
INK = HexColor("#1F2A37")
ACCENT = HexColor("#1F4E79")
FAINT = HexColor("#5F6B7A")
ALERT = HexColor("#9A3412")
RULE = HexColor("#C5CDD6")
HEADER_FILL = HexColor("#EAF0F6")
MARGIN = 2.2 * cm
TIME_COLUMN = 1.7 * cm
FACT_COLUMN = 3.4 * cm
HEADING_ROOM = 3.2 * cm
"""A heading with less room below it begins the next page, so that it never stands alone."""
FOOTER_HEIGHT = 1.1 * cm
FOOTER_CHARS = 60
ROUNDING = 0.01
"""Points by which a line may seem longer than it is."""

KICKER = TextStyle(size=10, leading=14, colour=FAINT)
TITLE = TextStyle(size=21, leading=28, colour=ACCENT, space_after=8)
HEADING = TextStyle(size=13, leading=18, colour=ACCENT, space_before=14, space_after=4)
SUBHEADING = TextStyle(size=11, leading=15, colour=ACCENT, space_before=8, space_after=3)
BODY = TextStyle(size=9.5, leading=14, colour=INK, space_after=5)
BULLET = TextStyle(size=9.5, leading=14, colour=INK, space_after=3, indent=12)
NOTE = TextStyle(size=8.5, leading=12.5, colour=FAINT, space_before=8, space_after=4, indent=9, bar=RULE)
WARNING = TextStyle(size=8.5, leading=12.5, colour=ALERT, space_before=4, space_after=4, indent=9, bar=ALERT)
CELL = TextStyle(size=9, leading=13, colour=INK)
TURN = TextStyle(size=9, leading=13.5, colour=INK, space_after=5, indent=TIME_COLUMN)
FOOTER = TextStyle(size=8, leading=10, colour=FAINT)

ITEM_INDENT = 30.0

_STYLES = {"body": BODY, "bullet": BULLET, "note": NOTE, "warning": WARNING}
_PADDING = (
    ("VALIGN", (0, 0), (-1, -1), "TOP"),
    ("LEFTPADDING", (0, 0), (-1, -1), 4),
    ("RIGHTPADDING", (0, 0), (-1, -1), 4),
    ("TOPPADDING", (0, 0), (-1, -1), 3),
    ("BOTTOMPADDING", (0, 0), (-1, -1), 3),
)


def minutes_pdf(content: Content) -> bytes:
    """Render a document of minutes, page numbers in the footer."""
    buffer = io.BytesIO()
    document = BaseDocTemplate(
        buffer,
        pagesize=A4,
        leftMargin=MARGIN,
        rightMargin=MARGIN,
        topMargin=MARGIN,
        bottomMargin=MARGIN,
        title=content.title,
        author="MeetMemo",
        creator="MeetMemo",
        subject=content.labels.minutes_of_meeting,
        lang=content.language or None,
        invariant=1,
    )
    frame = Frame(MARGIN, MARGIN, document.width, document.height, 0, 0, 0, 0)
    document.addPageTemplates(PageTemplate(frames=[frame], onPage=_place_footer))
    document.build(list(_Composer(content, document.width).flowables()), canvasmaker=partial(_Canvas, content=content))
    return buffer.getvalue()


class _Composer:
    """Turns the blocks of a document into reportlab's flowables."""

    def __init__(self, content: Content, width: float) -> None:
        self._content = content
        self._width = width
        self._mirrored = is_right_to_left(content.language)

    def flowables(self) -> Iterator[Flowable]:
        yield from self._title_block()
        for n, block in enumerate(self._content.blocks):
            match block:
                case Heading():
                    yield PageBreak() if block.new_page else CondPageBreak(HEADING_ROOM)
                    style = HEADING if block.level == 1 else SUBHEADING
                    yield self._text([[(block.text, Ink(bold=True))]], style, f"section_{n}", outline=block.text)
                case Paragraph(kind="item"):
                    style = replace(BULLET, indent=ITEM_INDENT * (block.depth + 1), label_at=ITEM_INDENT * block.depth)
                    # Without a letter it is drawn as it stands; from right to left its full stop is at its left.
                    turned = self._mirrored and block.mark.endswith(".")
                    mark = f".{block.mark[:-1]}" if turned else block.mark
                    label = [(mark, Ink(colour=ACCENT))] if mark else []
                    entry = self._text([_styled(line) for line in block.lines], style, label=label)
                    entry.keepWithNext = block.leads
                    yield entry
                case Paragraph():
                    label = [("•", Ink(colour=ACCENT))] if block.kind == "bullet" else []
                    yield self._text([_styled(line) for line in block.lines], _STYLES[block.kind], label=label)
                case Table():
                    yield self._table(block)
                case SpokenTurn():
                    yield self._turn(block)

    def _title_block(self) -> Iterator[Flowable]:
        content = self._content
        if content.title != content.labels.minutes_of_meeting:
            yield self._text([[(content.labels.minutes_of_meeting, Ink())]], KICKER)
        yield self._text([[(content.title, Ink(bold=True))]], TITLE)
        rows = [
            self._columns(self._text([[(name, Ink(colour=FAINT))]], CELL), self._text([[(value, Ink())]], CELL))
            for name, value in content.facts
        ]
        if rows:
            widths = self._columns(FACT_COLUMN, self._width - FACT_COLUMN)
            table = PdfTable(rows, colWidths=widths, splitInRow=1)
            edge = ("RIGHTPADDING", (-1, 0), (-1, -1), 0) if self._mirrored else ("LEFTPADDING", (0, 0), (0, -1), 0)
            table.setStyle([*_PADDING, edge, ("LINEABOVE", (0, 0), (-1, 0), 0.6, RULE)])
            yield table
        for note in pdf_notes(content):
            yield self._text([[(content.labels.note(note), Ink())]], WARNING)

    def _table(self, block: Table) -> Flowable:
        header = self._columns(*(self._text([[(name, Ink(bold=True))]], CELL) for name in block.header))
        rows = [
            self._columns(*(self._text([_styled(line) for line in cell], CELL) for cell in row)) for row in block.rows
        ]
        table = PdfTable(
            [*([header] if header else []), *rows],
            colWidths=self._columns(*(self._width * share for share in block.shares)),
            repeatRows=bool(header),
            splitInRow=1,
            spaceAfter=8,
        )
        table.setStyle(
            [
                *_PADDING,
                *([("BACKGROUND", (0, 0), (-1, 0), HEADER_FILL)] if header else []),
                ("LINEBELOW", (0, 0), (-1, -1), 0.5, RULE),
                ("LINEABOVE", (0, 0), (-1, 0), 0.5, RULE),
            ]
        )
        return table

    def _turn(self, block: SpokenTurn) -> TextBlock:
        speaker = [(f"{block.speaker}{self._content.labels.colon}", Ink(bold=True))] if block.speaker else []
        label = [(block.time, Ink(colour=FAINT))]
        return self._text([[*speaker, *_styled(block.text)]], TURN, block.anchor, label=label)

    def _columns(self, *columns: T) -> list[T]:
        """Return the columns of a table from left to right."""
        return list(reversed(columns)) if self._mirrored else list(columns)

    def _text(
        self,
        lines: Sequence[Sequence[Styled]],
        style: TextStyle,
        anchor: str = "",
        *,
        label: Sequence[Styled] = (),
        outline: str = "",
    ) -> TextBlock:
        style = replace(style, mirrored=self._mirrored)
        return TextBlock(lines, style, language=self._content.language, label=label, anchor=anchor, outline=outline)


class _Canvas(Canvas):  # type: ignore[misc]  # reportlab is untyped
    """Embeds the document's ``fonts``, and fills in the footers at the end, when the number of pages is known."""

    def __init__(self, *args: Any, content: Content, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fonts = EmbeddedFonts()
        self._content = content
        self._doc.info = _UndatedInfo()
        if is_right_to_left(content.language):
            self.setViewerPreference("Direction", "R2L")

    def _make_preamble(self) -> None:
        # reportlab's own begins each page with Helvetica, which would be a font that is not embedded.
        self._preamble = "1 0 0 1 0 0 cm"

    def setFont(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing: tables set Helvetica before each cell, and text blocks bring their own fonts."""

    def save(self) -> None:
        n_pages = self.getPageNumber() - 1  # reportlab has begun the page after the last
        for page in range(1, n_pages + 1):
            self.beginForm(_footer_name(page))
            self._draw_footer(page, n_pages)
            self.endForm()
        self.fonts.add_to(self._doc)
        super().save()

    def _draw_footer(self, page: int, n_pages: int) -> None:
        content = self._content
        label = content.labels.page.format(page=page, total=n_pages)
        title = content.title if len(content.title) <= FOOTER_CHARS else f"{content.title[:FOOTER_CHARS].rstrip()}…"
        right = A4[0] - MARGIN
        self.setStrokeColor(RULE)
        self.setLineWidth(0.5)
        self.line(MARGIN, FOOTER_HEIGHT + 14, right, FOOTER_HEIGHT + 14)
        mirrored = is_right_to_left(content.language)
        for text, at_end in ((title, False), (label, True)):
            block = TextBlock([[(text, Ink())]], FOOTER, language=content.language)
            width = block.natural_width()
            block.wrapOn(self, width + ROUNDING, FOOTER.leading)
            block.drawOn(self, right - width if at_end != mirrored else MARGIN, FOOTER_HEIGHT)


class _UndatedInfo(PDFInfo):  # type: ignore[misc]  # reportlab is untyped
    """Writes document information without dates, which would be either false or different each time."""

    def format(self, document: PDFDocument) -> bytes:
        entries = {
            "Title": self.title,
            "Author": self.author,
            "Subject": self.subject,
            "Creator": self.creator,
            "Producer": self.producer,
        }
        formatted: bytes = PDFDictionary({k: PDFString(v) for k, v in entries.items()}).format(document)
        return formatted


def _place_footer(canvas: Canvas, document: BaseDocTemplate) -> None:
    canvas.doForm(_footer_name(document.page))


def _footer_name(page: int) -> str:
    return f"footer-{page}"


def _styled(line: Line) -> list[Styled]:
    return [(run.text, _ink(run)) for run in line]


def _ink(run: Run) -> Ink:
    colour = ACCENT if run.link else FAINT if run.look == "faint" else None
    return Ink(bold=run.look == "strong", colour=colour, link=run.link)


def pdf_notes(content: Content) -> tuple[Note, ...]:
    """Return what the owner should know of a document as PDF: which characters have no font, the first few by name."""
    characters = sorted(character for character in set("".join(_texts(content))) if not is_printable(character))
    if not characters:
        return ()
    named = [f"{character} U+{ord(character):04X}" for character in characters[:MAX_NAMED]]
    values: dict[str, NoteValue] = {
        "n_characters": len(characters),
        "characters": ", ".join([*named, *(["…"] if len(characters) > MAX_NAMED else [])]),
    }
    return (Note(code=NoteCode.UNPRINTABLE_CHARACTERS, values=values),)


def _texts(content: Content) -> Iterator[str]:
    yield content.title
    yield from (value for _, value in content.facts)
    for block in content.blocks:
        match block:
            case Paragraph():
                yield from (run.text for line in block.lines for run in line)
            case Table():
                yield from (run.text for row in block.rows for cell in row for line in cell for run in line)
            case SpokenTurn():
                yield block.speaker
                yield from (run.text for run in block.text)
            case Heading():
                yield block.text
