"""minutes.docx, opened again with python-docx and, underneath, as XML."""

import io
import zipfile
from collections.abc import Callable

import pytest
from docx import Document
from docx.document import Document as DocxDocument
from docx.oxml.ns import qn

from pipelines.core import Minutes, Transcript
from pipelines.export.render import render
from pipelines.text.cleaning import one_line
from tests.support.export_samples import HOSTILE, call, hostile, meeting_in_chinese, nothing, silent

Sample = Callable[[], tuple[Transcript, Minutes, str]]


def opened(sample: Sample) -> DocxDocument:
    return Document(io.BytesIO(render("minutes.docx", *sample())))


def headings(document: DocxDocument) -> list[str]:
    return [p.text for p in document.paragraphs if p.style is not None and p.style.name == "Heading 1"]


def rows(document: DocxDocument, table: int) -> list[list[str]]:
    return [[cell.text for cell in row.cells] for row in document.tables[table].rows]


def test_the_title_block_holds_the_facts() -> None:
    """Title, recording, duration, language, participants, model and writer stand at the top."""
    document = opened(call)
    assert [p.text for p in document.paragraphs[:2]] == ["Minutes of meeting", "Lost order"]
    assert dict(rows(document, 0)) == {
        "Recording": "call-0001.wav",
        "Duration": "0:40",
        "Language": "English",
        "Participants": "Agent, Customer",
        "Transcribed with": "base",
        "Written by": "extractive writer (no language model)",
    }


def test_decisions_and_action_items_are_tables() -> None:
    """Quotes stand on their own line of the cell, missing owners and dates are dashes."""
    document = opened(call)
    assert rows(document, 1)[1] == ["1", "The order is sent again.\n“We will send it again at no cost.”", "0:09"]
    assert rows(document, 2) == [
        ["#", "Task", "Owner", "Due", "Time"],
        ["1", "Call the courier\n“I will call the courier by Friday.”", "Agent", "Friday", "0:14"],
        ["2", "Send the order again\n“send it again”", "–", "–", "0:09"],
    ]
    assert headings(document)[-2:] == ["Quality of the transcript", "Transcript"]


def test_header_rows_repeat_on_every_page() -> None:
    """A table that crosses a page keeps its header."""
    document = opened(call)
    tables = list(document.element.body.iter(qn("w:tbl")))[1:]
    assert len(tables) == len(document.tables) - 1
    for table in tables:
        assert table.find(f"{qn('w:tr')}/{qn('w:trPr')}/{qn('w:tblHeader')}") is not None


def test_times_lead_to_bookmarks_in_the_transcript() -> None:
    """Every link has its target, and every name and id of a bookmark occurs once."""
    body = opened(call).element.body
    anchors = [link.get(qn("w:anchor")) for link in body.iter(qn("w:hyperlink"))]
    names = [mark.get(qn("w:name")) for mark in body.iter(qn("w:bookmarkStart"))]
    ids = [mark.get(qn("w:id")) for mark in body.iter(qn("w:bookmarkStart"))]
    assert anchors
    assert set(anchors) <= set(names)
    assert len(set(names)) == len(names) == len(set(ids))
    assert ids == [mark.get(qn("w:id")) for mark in body.iter(qn("w:bookmarkEnd"))]


def test_the_transcript_is_an_appendix_with_times_and_speakers() -> None:
    """Turns of one voice are one paragraph; suspect and failed passages are marked."""
    turns = [p.text for p in opened(call).paragraphs if p.style is not None and p.style.name == "Turn"]
    assert turns == [
        "0:00\tAgent: Good morning, this is the service desk.",
        "0:04\tCustomer: Hello, my order never came. Can you send it again?",
        "0:09\tAgent: We will send it again at no cost. I will call the courier by Friday.",
        "0:19\tCustomer: Thank you, thank you. [uncertain]",
        "0:30\tCustomer: [0:30–0:40 could not be transcribed]",
    ]


def test_the_footer_numbers_the_pages() -> None:
    """Word fills in the page and the number of pages."""
    footer = opened(call).sections[0].footer.part.element
    assert [field.get(qn("w:instr")) for field in footer.iter(qn("w:fldSimple"))] == ["PAGE", "NUMPAGES"]


@pytest.mark.parametrize("name", ["Normal", "Title", *(f"Heading {n}" for n in range(1, 10))])
def test_east_asian_fonts_are_named(name: str) -> None:
    """Without them Word picks a fallback for Chinese; theme fonts would win over named ones."""
    fonts = opened(meeting_in_chinese).styles[name].element.find(f"{qn('w:rPr')}/{qn('w:rFonts')}")
    assert fonts.get(qn("w:eastAsia")) == "Microsoft YaHei"
    assert fonts.get(qn("w:hint")) == "eastAsia"
    assert not [key for key in fonts.attrib if key.endswith("Theme")]


@pytest.mark.parametrize(("sample", "latin"), [(call, "en-US"), (meeting_in_chinese, "en-US")])
def test_the_language_is_declared_once(sample: Sample, latin: str) -> None:
    """Spell-checkers and line breaking know what they read."""
    (lang,) = opened(sample).styles.element.iter(qn("w:lang"))
    assert lang.get(qn("w:val")) == latin
    assert lang.get(qn("w:eastAsia")) == "zh-CN"


def test_chinese_minutes_are_labelled_in_chinese() -> None:
    """Headings, headers and the footer follow the minutes' language."""
    document = opened(meeting_in_chinese)
    assert headings(document) == ["摘要", "决议事项", "待办事项", "转写全文"]
    assert rows(document, 2)[0] == ["#", "任务", "负责人", "截止时间", "时间"]
    assert document.sections[0].footer.paragraphs[0].text.startswith("发布会议\t第 ")
    assert document.core_properties.language == "zh"


def test_properties_tell_nothing_false() -> None:
    """The template's author, dates, comment, thumbnail and application are gone."""
    data = render("minutes.docx", *call())
    properties = Document(io.BytesIO(data)).core_properties
    assert (properties.author, properties.last_modified_by, properties.title) == ("MeetMemo", "MeetMemo", "Lost order")
    assert (properties.created, properties.modified, properties.comments) == (None, None, "")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert not [name for name in archive.namelist() if "thumbnail" in name or "app.xml" in name]
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_hostile_text_is_shown_as_text() -> None:
    """The words survive, tags are words too, and long titles fit the properties."""
    document = opened(hostile)
    assert one_line(HOSTILE) in [p.text for p in document.paragraphs]
    long_title = Document(io.BytesIO(render("minutes.docx", *hostile("t" * 1000)))).core_properties.title
    assert 0 < len(long_title) <= 255


def test_empty_minutes_say_so() -> None:
    """No section is left blank."""
    texts = [p.text for p in opened(nothing).paragraphs]
    assert "No speech was recognised in this recording." in texts
    assert "No decisions were recognised." in texts


def test_nobody_wrote_about_silence() -> None:
    """The first page says that there was no speech; nothing else is claimed, and no writer is named."""
    document = opened(silent)
    texts = [p.text for p in document.paragraphs]
    assert texts == [
        "Minutes of meeting",
        "busy line",
        "No speech was recognised in this recording.",
        "There is nothing to take minutes of.",
    ]
    assert headings(document) == []
    assert rows(document, 0) == [["Recording", "busy line"], ["Duration", "0:14"]]
