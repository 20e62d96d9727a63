"""Directions in a Word document: paragraphs, runs and tables written from right to left (ECMA-376-1, 17.3.1.6,
17.3.2.30, 17.4.1).

Word orders letters by the bidirectional algorithm, but punctuation by the run that it stands in, and takes fonts and
sizes of complex scripts for runs from right to left; so runs are cut where the direction changes.
"""

import re
from collections.abc import Iterator
from copy import deepcopy

from docx.document import Document as DocxDocument
from docx.oxml.ns import qn
from docx.oxml.xmlchemy import BaseOxmlElement

from pipelines.export.docx.styles import word
from pipelines.text.direction import directional_parts, has_right_to_left, is_right_to_left, runs_right_to_left

_AFTER_JC = ("textDirection", "textAlignment", "textboxTightWrap", "outlineLvl", "divId", "cnfStyle", "rPr", "sectPr")
_AFTER_BIDI = (
    *("adjustRightInd", "snapToGrid", "spacing", "ind", "contextualSpacing", "mirrorIndents", "suppressOverlap", "jc"),
    *_AFTER_JC,
)
_MARK = re.compile(r"\s*(?:\[[^\[\]]*[^\W\d_][^\[\]]*\]|\([^()]*[^\W\d_][^()]*\))")
_LEFT_TO_RIGHT_MARK = "\u200e"
_LAID_OUT = ("Turn", "Item", "List Bullet", "Footer")
"""Styles whose paragraphs have tabs or indents: within a mirrored document they are mirrored, whatever they say."""


def apply_directions(document: DocxDocument, language: str) -> None:
    """Mark what runs from right to left in a finished document; others are not touched."""
    mirrored = is_right_to_left(language)
    parts = [document.element.body, *(section.footer.part.element for section in document.sections)]
    if mirrored:
        for section in document.sections:
            section._sectPr.insert_element_before(word("bidi"), "w:rtlGutter", "w:docGrid", "w:printerSettings")
    elif not any(has_right_to_left(text.text or "") for part in parts for text in part.iter(qn("w:t"))):
        return
    laid_out = {document.styles[name].style_id for name in _LAID_OUT}
    for part in parts:
        if mirrored:
            for table in part.iter(qn("w:tbl")):
                _mirror(table)
        for paragraph in list(part.iter(qn("w:p"))):
            text = "".join(element.text or "" for element in paragraph.iter(qn("w:t")))
            right_to_left = runs_right_to_left(text, language) or (mirrored and _style(paragraph) in laid_out)
            _direct(paragraph, right_to_left=right_to_left, mirrored=mirrored)
            for run in list(paragraph.iter(qn("w:r"))):
                _cut(run, right_to_left=right_to_left)


def _mirror(table: BaseOxmlElement) -> None:
    style = table.tblPr.find(qn("w:tblStyle"))
    if style is None:
        table.tblPr.insert(0, word("bidiVisual"))
    else:
        style.addnext(word("bidiVisual"))


def _style(paragraph: BaseOxmlElement) -> str:
    style = paragraph.find(f"{qn('w:pPr')}/{qn('w:pStyle')}")
    return str(style.get(qn("w:val"))) if style is not None else ""


def _direct(paragraph: BaseOxmlElement, *, right_to_left: bool, mirrored: bool) -> None:
    """Set the direction of a paragraph; in a ``mirrored`` document all stand at the right."""
    if not right_to_left and not mirrored:
        return
    properties = paragraph.find(qn("w:pPr"))
    if properties is None:
        properties = word("pPr")
        paragraph.insert(0, properties)
    name, after = ("bidi", _AFTER_BIDI) if right_to_left else ("jc", _AFTER_JC)
    element = word(name) if right_to_left else word(name, val="right")
    successor = next((child for child in properties if child.tag in {qn(f"w:{other}") for other in after}), None)
    if successor is None:
        properties.append(element)
    else:
        successor.addprevious(element)


def _cut(run: BaseOxmlElement, *, right_to_left: bool) -> None:
    """Put parts of a run that run from right to left into runs of their own."""
    properties = run.find(qn("w:rPr"))
    pieces = list(_pieces(run, right_to_left=right_to_left))
    if not right_to_left and not any(turned for _, turned in pieces):
        return
    for element, turned in pieces:
        part = word("r")
        if properties is not None:
            part.append(deepcopy(properties))
        if turned:
            if properties is None:
                part.append(word("rPr"))
            part[0].append(word("rtl"))
        part.append(element)
        run.addprevious(part)
    run.getparent().remove(run)


def _is_mark(text: str) -> bool:
    """Say whether a text is a note in brackets in another direction: they would part where its line is broken."""
    return _MARK.fullmatch(text) is not None and not has_right_to_left(text)


def _pieces(run: BaseOxmlElement, *, right_to_left: bool) -> Iterator[tuple[BaseOxmlElement, bool]]:
    """Yield the contents of a run, and whether each runs from right to left."""
    for child in run:
        if child.tag == qn("w:t") and right_to_left and _is_mark(child.text or ""):
            piece = deepcopy(child)
            piece.text = f"{_LEFT_TO_RIGHT_MARK}{child.text}{_LEFT_TO_RIGHT_MARK}"
            yield piece, False
        elif child.tag == qn("w:t"):
            for text, turned in directional_parts(child.text or "", right_to_left=right_to_left):
                piece = deepcopy(child)
                piece.text = text
                yield piece, turned
        elif child.tag != qn("w:rPr"):
            yield child, False
