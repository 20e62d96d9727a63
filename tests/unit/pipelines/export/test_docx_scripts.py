"""minutes.docx in scripts that Word treats apart: East Asian ones, complex ones, those from right to left."""

import io
from collections.abc import Callable
from dataclasses import replace

import pytest
from docx import Document
from docx.document import Document as DocxDocument
from docx.oxml.ns import qn
from docx.oxml.xmlchemy import BaseOxmlElement

from pipelines.core import Minutes, Transcript
from pipelines.export.docx.languages import word_languages
from pipelines.export.render import render
from pipelines.text.direction import directional_parts
from tests.support.export_samples import call, hostile
from tests.support.script_samples import MEETINGS, meeting_in

FROM_THE_RIGHT = ("he", "ar")


def opened(sample: tuple[Transcript, Minutes, str]) -> DocxDocument:
    return Document(io.BytesIO(render("minutes.docx", *sample)))


def text_of(element: BaseOxmlElement) -> str:
    return "".join(found.text or "" for found in element.iter(qn("w:t")))


def has(element: BaseOxmlElement, path: str) -> bool:
    return element.find("/".join(qn(name) for name in path.split("/"))) is not None


def paragraph(document: DocxDocument, beginning: str) -> BaseOxmlElement:
    return next(p for p in document.element.body.iter(qn("w:p")) if text_of(p).startswith(beginning))


@pytest.mark.parametrize("language", FROM_THE_RIGHT)
def test_paragraphs_and_runs_from_right_to_left_are_marked(language: str) -> None:
    """The title, turns with their times, and every run with such letters; no run holds letters of both directions."""
    document = opened(meeting_in(language))
    meeting = MEETINGS[language]
    assert has(paragraph(document, meeting.title), "w:pPr/w:bidi")
    turns = [p for p in document.element.body.iter(qn("w:p")) if text_of(p).startswith("0:")][-4:]
    assert [text_of(turn)[4:] for turn in turns] == [f"{speaker}: {text}" for speaker, text in meeting.said]
    for turn in turns:
        assert has(turn, "w:pPr/w:bidi")
        for run in turn.iter(qn("w:r")):
            from_the_right = any("\u0590" <= c <= "\u06ff" for c in text_of(run))
            latin = any(c.isascii() and c.isalpha() for c in text_of(run))
            assert not (from_the_right and latin)
            assert has(run, "w:rPr/w:rtl") or not from_the_right
            assert not (latin and has(run, "w:rPr/w:rtl"))


@pytest.mark.parametrize("language", FROM_THE_RIGHT)
def test_english_paragraphs_keep_their_direction_and_stand_at_the_right(language: str) -> None:
    """A full stop stays at the end of an English sentence in a document that is written from the right."""
    note = paragraph(opened(meeting_in(language)), "These minutes were written")
    assert not has(note, "w:pPr/w:bidi")
    (alignment,) = note.iter(qn("w:jc"))
    assert alignment.get(qn("w:val")) == "right"


@pytest.mark.parametrize("language", FROM_THE_RIGHT)
def test_an_english_mark_keeps_its_brackets_where_its_line_is_broken(language: str) -> None:
    """What is not verified says so in a run of its own direction, brackets and all, among letters from the right."""
    transcript, minutes, title = meeting_in(language)
    (question,) = minutes.open_questions
    doubtful = replace(minutes, open_questions=(replace(question, verified=False),))
    found = paragraph(opened((transcript, doubtful, title)), question.text)
    assert has(found, "w:pPr/w:bidi")
    (mark,) = [run for run in found.iter(qn("w:r")) if "not verified" in text_of(run)]
    assert text_of(mark) == "\u200e[not verified against the transcript]\u200e"
    assert not has(mark, "w:rPr/w:rtl")


@pytest.mark.parametrize("language", FROM_THE_RIGHT)
def test_tables_and_sections_run_from_the_right(language: str) -> None:
    """The first column is at the right, and so is the beginning of the footer."""
    document = opened(meeting_in(language))
    tables = list(document.element.body.iter(qn("w:tbl")))
    assert len(tables) >= 3
    assert all(has(table, "w:tblPr/w:bidiVisual") for table in tables)
    names = [child.tag for child in tables[0].tblPr]
    assert names.index(qn("w:bidiVisual")) < names.index(qn("w:tblW"))
    assert has(document.element.body, "w:sectPr/w:bidi")
    (footer,) = document.sections[0].footer.part.element.iter(qn("w:p"))
    assert has(footer, "w:pPr/w:bidi")


@pytest.mark.parametrize("language", ["hi", "th", "zh", "ko"])
def test_nothing_else_is_turned(language: str) -> None:
    """Documents of other languages have none of it."""
    document = opened(meeting_in(language))
    names = {qn(f"w:{name}") for name in ("bidi", "bidiVisual", "rtl", "jc")}
    assert not [element for element in document.element.body.iter() if element.tag in names]


def test_a_quotation_from_right_to_left_is_a_run_of_its_own() -> None:
    """In an English document the paragraph keeps its direction."""
    transcript, minutes, title = call()
    spoken = Minutes(**{**vars(minutes), "summary": "She said שלום לכולם, then left."})
    found = paragraph(opened((transcript, spoken, title)), "She said")
    assert not has(found, "w:pPr/w:bidi")
    assert [(text_of(run), has(run, "w:rPr/w:rtl")) for run in found.iter(qn("w:r"))] == [
        ("She said ", False),
        ("שלום לכולם", True),
        (", then left.", False),
    ]


@pytest.mark.parametrize("language", MEETINGS)
def test_the_languages_of_all_scripts_are_declared(language: str) -> None:
    """In the styles, by which Word checks spelling, and in the settings, by which it picks the fonts of a theme."""
    document = opened(meeting_in(language))
    expected = {
        "he": ("en-US", "zh-CN", "he-IL"),
        "ar": ("en-US", "zh-CN", "ar-SA"),
        "hi": ("en-US", "zh-CN", "hi-IN"),
        "th": ("en-US", "zh-CN", "th-TH"),
        "zh": ("en-US", "zh-CN", "ar-SA"),
        "ko": ("en-US", "ko-KR", "ar-SA"),
    }[language]
    (lang,) = document.styles.element.iter(qn("w:lang"))
    (theme,) = document.settings.element.iter(qn("w:themeFontLang"))
    for element in (lang, theme):
        assert tuple(element.get(qn(f"w:{name}")) for name in ("val", "eastAsia", "bidi")) == expected


@pytest.mark.parametrize(
    ("language", "east_asian", "complex_"),
    [
        ("he", "Microsoft YaHei", "Arial"),
        ("hi", "Microsoft YaHei", "Nirmala UI"),
        ("th", "Microsoft YaHei", "Leelawadee UI"),
        ("ko", "Malgun Gothic", "Arial"),
    ],
)
def test_fonts_of_the_script_are_named(language: str, east_asian: str, complex_: str) -> None:
    """They come with Word or with the systems that it runs on."""
    for name in ("Normal", "Title", "Heading 1"):
        fonts = opened(meeting_in(language)).styles[name].element.find(f"{qn('w:rPr')}/{qn('w:rFonts')}")
        assert (fonts.get(qn("w:eastAsia")), fonts.get(qn("w:cs"))) == (east_asian, complex_)


@pytest.mark.parametrize("sample", [call, lambda: meeting_in("he"), lambda: meeting_in("th")])
def test_complex_scripts_have_the_size_and_weight_of_others(
    sample: Callable[[], tuple[Transcript, Minutes, str]],
) -> None:
    """Word keeps both apart, and would print Hebrew, Hindi and Thai titles in the template's own sizes."""
    n_sizes = 0
    for properties in opened(sample()).styles.element.iter(qn("w:rPr")):
        values = {child.tag: child.get(qn("w:val")) for child in properties}
        for name, other in (("w:sz", "w:szCs"), ("w:b", "w:bCs"), ("w:i", "w:iCs")):
            assert (qn(name) in values) == (qn(other) in values)
            assert values.get(qn(name)) == values.get(qn(other))
        n_sizes += qn("w:sz") in values
    assert n_sizes > 10


@pytest.mark.parametrize(
    ("tag", "latin", "east_asian", "complex_"),
    [
        ("en", "en-US", "zh-CN", "ar-SA"),
        ("de-CH", "de-CH", "zh-CN", "ar-SA"),
        ("ar-EG", "en-US", "zh-CN", "ar-EG"),
        ("zh-Hant", "en-US", "zh-TW", "ar-SA"),
        ("ja", "en-US", "ja-JP", "ar-SA"),
        ("no tag", "en-US", "zh-CN", "ar-SA"),
        ("", "en-US", "zh-CN", "ar-SA"),
    ],
)
def test_a_tag_belongs_to_one_kind_of_script(tag: str, latin: str, east_asian: str, complex_: str) -> None:
    """What is no language tag counts as English."""
    found = word_languages(tag)
    assert (found.latin, found.east_asian, found.complex) == (latin, east_asian, complex_)


def test_hostile_text_from_right_to_left_makes_a_document() -> None:
    """Every field holds it, also those that are links or lists."""
    texts = [p.text for p in opened(hostile("שלום <b> a\u200f\tb (1) ערב")).paragraphs]
    assert "שלום <b> a\u200f b (1) ערב" in texts


@pytest.mark.parametrize(
    ("text", "right_to_left", "parts"),
    [
        ("ל-PostgreSQL 17?", True, [("ל-", True), ("PostgreSQL 17", False), ("?", True)]),
        ("15.5 ₪", True, [("15.5 ₪", True)]),
        ("Acme Ltd. (שלום)", True, [("Acme Ltd", False), (". (שלום)", True)]),
        ("a שלום ב-3 b", False, [("a ", False), ("שלום ב", True), ("-3 b", False)]),
        ("plain", False, [("plain", False)]),
    ],
)
def test_text_is_cut_where_its_direction_changes(text: str, right_to_left: bool, parts: list[tuple[str, bool]]) -> None:
    """Joining the parts gives the text back."""
    assert directional_parts(text, right_to_left=right_to_left) == parts
    assert "".join(part for part, _ in parts) == text
