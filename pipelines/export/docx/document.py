"""``minutes.docx``: the minutes as a Word document (Office Open XML, ECMA-376), built on python-docx.

Times in tables lead to bookmarks in the transcript. The file carries no clock: its zip entries have the
zip format's first date and its properties no creation time, so equal minutes give equal bytes.
"""

import io
import re
import zipfile
from copy import deepcopy

from docx import Document
from docx.document import Document as DocxDocument
from docx.opc.constants import RELATIONSHIP_TYPE
from docx.oxml.ns import qn
from docx.oxml.xmlchemy import BaseOxmlElement
from docx.shared import Cm, Emu
from docx.table import _Cell
from docx.text.paragraph import Paragraph as DocxParagraph

from pipelines.export.blocks import Content, Heading, Line, Paragraph, Run, SpokenTurn, Table
from pipelines.export.docx.directions import apply_directions
from pipelines.export.docx.styles import HEADER_FILL, ITEM_INDENT, RULE_COLOUR, apply_styles, word
from pipelines.text.direction import is_right_to_left

MAX_PROPERTY_CHARS = 255  # Word's own limit, which python-docx enforces

_CELL_PADDING_TWIPS = 108  # Word's default, by which it hangs tables out to the left
_LEFT_TO_RIGHT_MARK = "\u200e"  # keeps the number of pages behind the words before it
_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)
_LEFT_OUT = (  # parts of python-docx's template that would describe its own author's document, or are never read
    RELATIONSHIP_TYPE.THUMBNAIL,
    RELATIONSHIP_TYPE.EXTENDED_PROPERTIES,
    "http://schemas.microsoft.com/office/2007/relationships/stylesWithEffects",
)


def minutes_docx(content: Content) -> bytes:
    """Render a document of minutes: A4, page numbers in the footer."""
    document = Document()
    _drop_template_leftovers(document)
    apply_styles(document, content.language)
    _set_properties(document, content)
    writer = _Writer(document, content)
    writer.write()
    apply_directions(document, content.language)
    buffer = io.BytesIO()
    document.save(buffer)
    return _without_dates(buffer.getvalue())


class _Writer:
    def __init__(self, document: DocxDocument, content: Content) -> None:
        self._document = document
        self._content = content
        self._n_bookmarks = 0
        self._turn = word("p", word("pPr", word("pStyle", val=document.styles["Turn"].style_id)))
        section = document.sections[0]
        width = (section.page_width or 0) - (section.left_margin or 0) - (section.right_margin or 0)
        self._width = Emu(width)

    def write(self) -> None:
        self._write_title_block()
        for block in self._content.blocks:
            match block:
                case Heading():
                    heading = self._document.add_heading(block.text, level=min(block.level, 3))
                    heading.paragraph_format.page_break_before = block.new_page or None
                case Paragraph(kind="item"):
                    self._write_item(block)
                case Paragraph():
                    self._write_paragraph(block)
                case Table():
                    self._write_table(block)
                case SpokenTurn():
                    self._write_turn(block)
        self._write_footer()

    def _write_title_block(self) -> None:
        content = self._content
        if content.title != content.labels.minutes_of_meeting:
            self._document.add_paragraph(content.labels.minutes_of_meeting, style="Subtitle")
        self._document.add_paragraph(content.title, style="Title")
        table = self._document.add_table(rows=0, cols=2)
        table.autofit = False
        widths = (Cm(3.6), Emu(self._width - Cm(3.6)))
        for name, value in content.facts:
            cells = table.add_row().cells
            for cell, width, run in zip(cells, widths, (Run(text=name, look="faint"), Run(text=value)), strict=True):
                cell.width = width
                _fill_cell(cell, ((run,),))
        for column, width in zip(table.columns, widths, strict=True):
            column.width = width

    def _write_paragraph(self, block: Paragraph) -> None:
        style = {"body": "Normal", "bullet": "List Bullet", "note": "Note", "warning": "Warning"}[block.kind]
        _add_lines(self._document.add_paragraph(style=style), block.lines)

    def _write_item(self, block: Paragraph) -> None:
        paragraph = self._document.add_paragraph(style="Item")
        shape = paragraph.paragraph_format
        shape.left_indent = (block.depth + 1) * ITEM_INDENT
        shape.first_line_indent = -ITEM_INDENT
        shape.keep_with_next = block.leads or None
        shape.tab_stops.add_tab_stop((block.depth + 1) * ITEM_INDENT)
        _add_run(paragraph._p, Run(text=f"{block.mark}\t"))
        _add_lines(paragraph, block.lines)

    def _write_table(self, block: Table) -> None:
        table = self._document.add_table(rows=bool(block.header), cols=len(block.shares))
        table.autofit = False
        _rule(table._tbl)
        widths = [Emu(int(self._width * share)) for share in block.shares]
        if block.header:
            for cell, name in zip(table.rows[0].cells, block.header, strict=True):
                _fill_cell(cell, ((Run(text=name, look="strong"),),))
                _shade(cell)
            table.rows[0]._tr.get_or_add_trPr().extend((word("tblHeader"), word("cantSplit")))
        for row in block.rows:
            added = table.add_row()
            if sum(len(run.text) for cell in row for line in cell for run in line) < 2000:
                added._tr.get_or_add_trPr().append(word("cantSplit"))
            for cell, lines in zip(added.cells, row, strict=True):
                _fill_cell(cell, lines)
        for column, width in zip(table.columns, widths, strict=True):
            column.width = width
            for cell in column.cells:
                cell.width = width
        self._document.add_paragraph(style="Gap")

    def _write_turn(self, block: SpokenTurn) -> None:
        paragraph = deepcopy(self._turn)  # asking python-docx for a style ten thousand times takes half a minute
        self._n_bookmarks += 1
        paragraph.append(word("bookmarkStart", id=str(self._n_bookmarks), name=block.anchor))
        _add_run(paragraph, Run(text=block.time, look="faint"))
        paragraph.append(word("bookmarkEnd", id=str(self._n_bookmarks)))
        _add_run(paragraph, Run(text="\t"))
        if block.speaker:
            _add_run(paragraph, Run(text=f"{block.speaker}{self._content.labels.colon}", look="strong"))
        for run in block.text:
            _add_run(paragraph, run)
        self._document.element.body.sectPr.addprevious(paragraph)

    def _write_footer(self) -> None:
        footer = self._document.sections[0].footer.paragraphs[0]
        before, _, rest = self._content.labels.page.partition("{page}")
        between, _, after = rest.partition("{total}")
        title = self._content.title
        short = title if len(title) <= 60 else f"{title[:59].rstrip()}…"
        _add_run(footer._p, Run(text=f"{short}\t{before}"))
        _add_field(footer._p, "PAGE")
        _add_run(footer._p, Run(text=between))
        _add_field(footer._p, "NUMPAGES")
        if after or is_right_to_left(self._content.language):
            _add_run(footer._p, Run(text=after or _LEFT_TO_RIGHT_MARK))


def _fill_cell(cell: _Cell, lines: tuple[Line, ...]) -> None:
    paragraph = cell.paragraphs[0]
    paragraph.style = "Cell"
    _add_lines(paragraph, lines)


def _add_lines(paragraph: DocxParagraph, lines: tuple[Line, ...]) -> None:
    for n, line in enumerate(lines):
        if n:
            _add_run(paragraph._p, Run(text="\n"))
        for run in line:
            _add_run(paragraph._p, run)


def _add_run(parent: BaseOxmlElement, run: Run) -> None:
    """Append a run; a tab and a newline become Word's own elements."""
    element = word("r")
    if run.look != "plain" or run.link:
        style = "Reference" if run.link else "Strong" if run.look == "strong" else "Faint"
        element.append(word("rPr", word("rStyle", val=style)))
    for part in re.split(r"([\t\n])", run.text):
        if part in ("\t", "\n"):
            element.append(word("tab" if part == "\t" else "br"))
        elif part:
            text = word("t")
            text.text = part
            text.set("{http://www.w3.org/XML/1998/namespace}space", "preserve")
            element.append(text)
    parent.append(word("hyperlink", element, anchor=run.link, history="1") if run.link else element)


def _add_field(parent: BaseOxmlElement, instruction: str) -> None:
    field = word("fldSimple", instr=instruction)
    _add_run(field, Run(text="1"))
    parent.append(field)


def _rule(table: BaseOxmlElement) -> None:
    """Give a table thin horizontal rules only, and bring its edge in line with the text."""
    sides = (word(side, val="single", sz="4", space="0", color=RULE_COLOUR) for side in ("top", "bottom", "insideH"))
    for element in (word("tblInd", w=str(_CELL_PADDING_TWIPS), type="dxa"), word("tblBorders", *sides)):
        table.tblPr.insert_element_before(element, "w:shd", "w:tblLayout", "w:tblCellMar", "w:tblLook")


def _shade(cell: _Cell) -> None:
    cell._tc.get_or_add_tcPr().append(word("shd", val="clear", color="auto", fill=HEADER_FILL))


def _set_properties(document: DocxDocument, content: Content) -> None:
    properties = document.core_properties
    properties.title = content.title[:MAX_PROPERTY_CHARS]
    properties.subject = content.labels.minutes_of_meeting
    properties.author = properties.last_modified_by = "MeetMemo"
    properties.comments = properties.keywords = properties.category = ""
    properties.language = content.language[:MAX_PROPERTY_CHARS]
    properties.revision = 1
    for name in ("dcterms:created", "dcterms:modified"):
        for element in properties._element.findall(qn(name)):
            properties._element.remove(element)


def _drop_template_leftovers(document: DocxDocument) -> None:
    for relationships in (document.part.package.rels, document.part.rels):
        for key in [key for key, relation in relationships.items() if relation.reltype in _LEFT_OUT]:
            del relationships[key]


def _without_dates(archive: bytes) -> bytes:
    """Write a zip archive again with the same entries and no dates."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            entry = zipfile.ZipInfo(name, date_time=_ZIP_EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            new.writestr(entry, old.read(name))
    return buffer.getvalue()
