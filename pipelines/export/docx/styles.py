"""Styles of the Word document: page, fonts of all scripts, colours, spacing, languages, direction."""

from docx.document import Document as DocxDocument
from docx.enum.style import WD_STYLE_TYPE
from docx.enum.text import WD_TAB_ALIGNMENT
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.oxml.xmlchemy import BaseOxmlElement
from docx.shared import Cm, Pt, RGBColor
from docx.styles.style import CharacterStyle, ParagraphStyle

from pipelines.export.docx.languages import LATIN_FONT, WordLanguages, word_languages
from pipelines.export.labels import is_chinese
from pipelines.text.direction import is_right_to_left

INK = RGBColor(0x1F, 0x2A, 0x37)
ACCENT = RGBColor(0x1F, 0x4E, 0x79)
FAINT = RGBColor(0x5F, 0x6B, 0x7A)
ALERT = RGBColor(0x9A, 0x34, 0x12)
RULE_COLOUR = "C5CDD6"
HEADER_FILL = "EAF0F6"
MARGIN = Cm(2.2)
TIME_COLUMN = Cm(1.8)
ITEM_INDENT = Cm(1.1)


def apply_styles(document: DocxDocument, language: str) -> None:
    """Set up an empty document: A4, MeetMemo's styles, spell-checking in the minutes' language, and its direction."""
    languages, mirrored = word_languages(language), is_right_to_left(language)
    section = document.sections[0]
    section.page_width, section.page_height = Cm(21.0), Cm(29.7)
    section.left_margin = section.right_margin = section.top_margin = section.bottom_margin = MARGIN
    styles = document.styles
    _declare(document, languages)
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
        for spacing in style.element.rPr.findall(qn("w:spacing")):  # it would tear joined letters apart
            style.element.rPr.remove(spacing)
        _set_fonts(style.element, languages, chinese=is_chinese(language))
    for number in range(4, 10):
        _set_fonts(_paragraph_style(document, f"Heading {number}").element, languages, chinese=is_chinese(language))
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
        shape = style.paragraph_format
        shape.left_indent, shape.right_indent = (None, Cm(0.25)) if mirrored else (Cm(0.25), None)
        _bar(style, "right" if mirrored else "left")
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
    for properties in styles.element.iter(qn("w:rPr")):
        _treat_complex_scripts_alike(properties)


def word(name: str, /, *children: BaseOxmlElement, **attributes: str) -> BaseOxmlElement:
    """Build an element of a Word document; its name and those of its attributes are in Word's namespace."""
    element = OxmlElement(f"w:{name}", attrs={qn(f"w:{key}"): value for key, value in attributes.items()})
    element.extend(children)
    return element


def _declare(document: DocxDocument, languages: WordLanguages) -> None:
    """Name the languages of the text, and those by which Word picks the fonts of a theme."""
    tags = {"val": languages.latin, "eastAsia": languages.east_asian, "bidi": languages.complex}
    defaults = document.styles.element.find(f"{qn('w:docDefaults')}/{qn('w:rPrDefault')}/{qn('w:rPr')}")
    for element in defaults.findall(qn("w:lang")):
        defaults.remove(element)
    defaults.append(word("lang", **tags))
    settings = document.settings.element
    for element in settings.findall(qn("w:themeFontLang")):
        settings.replace(element, word("themeFontLang", **tags))


def _set_fonts(style: BaseOxmlElement, languages: WordLanguages, *, chinese: bool) -> None:
    """Name the fonts in place of the theme's; in Chinese text, quotes and dashes take the East Asian form."""
    properties = style.get_or_add_rPr()
    for element in properties.findall(qn("w:rFonts")):
        properties.remove(element)
    hint = {"hint": "eastAsia"} if chinese else {}
    latin = {"ascii": LATIN_FONT, "hAnsi": LATIN_FONT}
    others = {"cs": languages.complex_font, "eastAsia": languages.east_asian_font}
    properties.insert(0, word("rFonts", **hint, **latin, **others))


def _treat_complex_scripts_alike(properties: BaseOxmlElement) -> None:
    """Give complex scripts the size, weight and slant of the others: Word keeps theirs apart."""
    for name, other in (("b", "bCs"), ("i", "iCs"), ("sz", "szCs")):
        for element in properties.findall(qn(f"w:{other}")):
            properties.remove(element)
        element = properties.find(qn(f"w:{name}"))
        if element is not None:
            element.addnext(word(other, **{key.rpartition("}")[2]: value for key, value in element.attrib.items()}))


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


def _bar(style: ParagraphStyle, side: str) -> None:
    """Draw a bar in the style's colour at a side of its paragraphs."""
    bar = word(side, val="single", sz="18", space="8", color=str(style.font.color.rgb))
    properties = style.element.get_or_add_pPr()
    properties.insert_element_before(word("pBdr", bar), "w:shd", "w:tabs", "w:spacing", "w:ind", "w:jc", "w:rPr")
