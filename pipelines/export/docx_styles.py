"""Styles of the Word document: page, fonts (with East Asian ones), colours, spacing, language."""

import re

from docx.document import Document as DocxDocument
from docx.enum.style import WD_STYLE_TYPE
from docx.enum.text import WD_TAB_ALIGNMENT
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.oxml.xmlchemy import BaseOxmlElement
from docx.shared import Cm, Pt, RGBColor
from docx.styles.style import CharacterStyle, ParagraphStyle

from pipelines.export.labels import is_chinese

LATIN_FONT = "Calibri"
EAST_ASIAN_FONT = "Microsoft YaHei"
INK = RGBColor(0x1F, 0x2A, 0x37)
ACCENT = RGBColor(0x1F, 0x4E, 0x79)
FAINT = RGBColor(0x5F, 0x6B, 0x7A)
ALERT = RGBColor(0x9A, 0x34, 0x12)
RULE_COLOUR = "C5CDD6"
HEADER_FILL = "EAF0F6"
MARGIN = Cm(2.2)
TIME_COLUMN = Cm(1.8)
ITEM_INDENT = Cm(1.1)

_LANGUAGE_TAG = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")


def apply_styles(document: DocxDocument, language: str) -> None:
    """Set up an empty document: A4, MeetMemo's styles, spell-checking in the minutes' language."""
    section = document.sections[0]
    section.page_width, section.page_height = Cm(21.0), Cm(29.7)
    section.left_margin = section.right_margin = section.top_margin = section.bottom_margin = MARGIN
    styles = document.styles
    _set_defaults(styles.element, language)
    for name, size, colour in (
        ("Normal", 10.5, INK),
        ("Title", 24, ACCENT),
        ("Subtitle", 10.5, FAINT),
        ("Heading 1", 14, ACCENT),
        ("Heading 2", 12, ACCENT),
        ("Heading 3", 11, INK),
        ("Footer", 8.5, FAINT),
    ):
        style = _paragraph_style(document, name)
        style.font.size, style.font.color.rgb = Pt(size), colour
        style.font.italic = False
        _set_fonts(style.element, chinese=is_chinese(language))
    for number in range(4, 10):
        _set_fonts(_paragraph_style(document, f"Heading {number}").element, chinese=is_chinese(language))
    _shape(document, "Normal", before=0, after=6, line=1.15)
    _shape(document, "Subtitle", before=0, after=0)
    _shape(document, "Title", before=0, after=8)
    _shape(document, "Heading 1", before=16, after=6)
    _shape(document, "Heading 2", before=12, after=4)
    _shape(document, "Heading 3", before=8, after=4)
    _add_style(document, "Item", before=0, after=4, size=10.5)
    _add_style(document, "Cell", before=2, after=2, size=10)
    _add_style(document, "Gap", before=0, after=0, size=4)
    note = _add_style(document, "Note", before=8, after=4, size=9, colour=FAINT)
    warning = _add_style(document, "Warning", before=4, after=4, size=9.5, colour=ALERT)
    for style in (note, warning):
        style.paragraph_format.left_indent = Cm(0.25)
        _bar(style)
    turn = _add_style(document, "Turn", before=0, after=5, size=10)
    turn.paragraph_format.left_indent = TIME_COLUMN
    turn.paragraph_format.first_line_indent = -TIME_COLUMN
    turn.paragraph_format.tab_stops.add_tab_stop(TIME_COLUMN)
    footer = _paragraph_style(document, "Footer")
    for tab in list(footer.paragraph_format.tab_stops):
        footer.paragraph_format.tab_stops._pPr.tabs.remove(tab._tab)
    footer.paragraph_format.tab_stops.add_tab_stop(section.page_width - 2 * MARGIN, WD_TAB_ALIGNMENT.RIGHT)
    _add_character_style(document, "Faint", FAINT)
    _add_character_style(document, "Reference", ACCENT)


def word(name: str, /, *children: BaseOxmlElement, **attributes: str) -> BaseOxmlElement:
    """Build an element of a Word document; its name and those of its attributes are in Word's namespace."""
    element = OxmlElement(f"w:{name}", attrs={qn(f"w:{key}"): value for key, value in attributes.items()})
    element.extend(children)
    return element


def _set_defaults(styles: BaseOxmlElement, language: str) -> None:
    defaults = styles.find(f"{qn('w:docDefaults')}/{qn('w:rPrDefault')}/{qn('w:rPr')}")
    for element in defaults.findall(qn("w:lang")):
        defaults.remove(element)
    latin = "en-US" if is_chinese(language) or not _LANGUAGE_TAG.fullmatch(language) else language
    defaults.append(word("lang", val="en-US" if latin == "en" else latin, eastAsia="zh-CN", bidi="ar-SA"))


def _set_fonts(style: BaseOxmlElement, *, chinese: bool) -> None:
    """Name the fonts in place of the theme's; in Chinese text, quotes and dashes take the East Asian form."""
    properties = style.get_or_add_rPr()
    for element in properties.findall(qn("w:rFonts")):
        properties.remove(element)
    hint = {"hint": "eastAsia"} if chinese else {}
    fonts = {"ascii": LATIN_FONT, "hAnsi": LATIN_FONT, "cs": LATIN_FONT, "eastAsia": EAST_ASIAN_FONT}
    properties.insert(0, word("rFonts", **hint, **fonts))


def _paragraph_style(document: DocxDocument, name: str) -> ParagraphStyle:
    style = document.styles[name]
    assert isinstance(style, ParagraphStyle)
    return style


def _shape(document: DocxDocument, name: str, *, before: float, after: float, line: float | None = None) -> None:
    shape = _paragraph_style(document, name).paragraph_format
    shape.space_before, shape.space_after = Pt(before), Pt(after)
    shape.line_spacing = line


def _add_style(
    document: DocxDocument, name: str, *, before: float, after: float, size: float, colour: RGBColor = INK
) -> ParagraphStyle:
    style = document.styles.add_style(name, WD_STYLE_TYPE.PARAGRAPH)
    assert isinstance(style, ParagraphStyle)
    style.base_style = document.styles["Normal"]
    style.font.size, style.font.color.rgb = Pt(size), colour
    _shape(document, name, before=before, after=after, line=1.1)
    return style


def _add_character_style(document: DocxDocument, name: str, colour: RGBColor) -> None:
    style = document.styles.add_style(name, WD_STYLE_TYPE.CHARACTER)
    assert isinstance(style, CharacterStyle)
    style.font.color.rgb = colour


def _bar(style: ParagraphStyle) -> None:
    """Draw a bar in the style's colour at the left of its paragraphs."""
    bar = word("left", val="single", sz="18", space="8", color=str(style.font.color.rgb))
    properties = style.element.get_or_add_pPr()
    properties.insert_element_before(word("pBdr", bar), "w:shd", "w:tabs", "w:spacing", "w:ind", "w:jc", "w:rPr")
