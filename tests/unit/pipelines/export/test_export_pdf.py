"""minutes.pdf, read back with pypdf."""

import io
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pypdf import PageObject, PdfReader

from pipelines.core import Minutes, Transcript
from pipelines.export.render import render
from tests.support.export_samples import call, hostile, meeting_in_chinese, nothing

Sample = Callable[[], tuple[Transcript, Minutes, str]]


def opened(sample: Sample) -> PdfReader:
    return PdfReader(io.BytesIO(render("minutes.pdf", *sample())))


def text_of(reader: PdfReader) -> str:
    """All text without spaces, which extraction places by guess."""
    return "".join("".join(page.extract_text().split()) for page in reader.pages)


def font_dicts(page: Any) -> list[Any]:
    """The fonts that a page names, each a PDF dictionary."""
    return [font.get_object() for font in page["/Resources"]["/Font"].values()]


def heights(page: PageObject, *texts: str) -> list[float]:
    """Heights of the baselines of texts on a page, in points from its foot."""
    found: dict[str, float] = {}

    def visit(text: str, cm: list[float], tm: list[float], *_: object) -> None:
        found.setdefault(text.strip(), tm[5] * cm[3] + cm[5])

    page.extract_text(visitor_text=visit)
    return [found[text] for text in texts]


def test_every_part_of_the_minutes_is_in_the_text() -> None:
    """Facts, decisions, action items, topics, questions, quality notes and the transcript can be searched."""
    text = text_of(opened(call))
    for expected in (
        "Lostorder",
        "call-0001.wav",
        "extractivewriter(nolanguagemodel)",
        "Theorderissentagain.",
        "“Wewillsenditagainatnocost.”",
        "[notverifiedagainstthetranscript]",
        "Callthecourier",
        "Friday",
        "Whereistheparcel?",
        "repeatedphrases,lowconfidence",
        "Customer:Thankyou,thankyou.[uncertain]",
        "[0:30–0:40couldnotbetranscribed]",
    ):
        assert expected in text


def test_chinese_text_can_be_searched() -> None:
    """Chinese is text in an embedded font, not pictures or boxes."""
    reader = opened(meeting_in_chinese)
    text = text_of(reader)
    for expected in (
        "会议纪要",
        "发布推迟到三月十四号。",
        "玛丽亚、Ben",
        "周五之前",
        "语言模型deepseek-chat",
        "第1页，共2页",
    ):
        assert expected in text
    assert "\ufffd" not in text
    fonts = {font["/BaseFont"] for page in reader.pages for font in font_dicts(page)}
    assert any("DroidSansFallback" in name for name in fonts)


def test_accents_and_european_alphabets_are_printed() -> None:
    """Characters beyond Latin-1 have glyphs, also where an accent is a character of its own."""
    transcript, minutes, title = call()
    reader = opened(lambda: (transcript, replace(minutes, summary="Żółć, Ελλάδα, Москва, Việt Nam, cafe\u0301"), title))
    assert "Żółć,Ελλάδα,Москва,ViệtNam,cafe\u0301" in text_of(reader)


def test_pages_are_numbered_out_of_their_total() -> None:
    """Each page says its number and how many there are."""
    transcript, minutes, title = call()
    many = tuple(
        replace(transcript.segments[i % 2], id=i, start_s=i / 4, end_s=(i + 1) / 4, words=()) for i in range(120)
    )
    reader = opened(lambda: (replace(transcript, segments=many), minutes, title))
    n_pages = len(reader.pages)
    assert n_pages > 3
    for number, page in enumerate(reader.pages, start=1):
        assert f"Page{number}of{n_pages}" in "".join(page.extract_text().split())


def test_times_lead_into_the_transcript() -> None:
    """Links have destinations on a page of the transcript, and sections are in the outline."""
    reader = opened(call)
    targets = {
        (destination[0].idnum, float(destination[3]))
        for page in reader.pages
        for destination in (annotation.get_object()["/Dest"] for annotation in page.get("/Annots", []))
    }
    page = reader.pages[-1]
    assert page.indirect_reference is not None
    assert {number for number, _ in targets} == {page.indirect_reference.idnum}
    baselines = heights(page, "0:04", "0:09")  # the turns that hold what the minutes cite
    for (_, top), baseline in zip(sorted(targets, reverse=True), baselines, strict=True):
        assert 0 < top - baseline < 30
    chapters: list[Any] = reader.outline
    assert [entry.title for entry in chapters][-2:] == ["Quality of the transcript", "Transcript"]


def test_properties_tell_nothing_false() -> None:
    """Title, author and language are set; there is no date that would be made up."""
    reader = opened(meeting_in_chinese)
    assert reader.metadata is not None
    assert (reader.metadata.title, reader.metadata.author) == ("发布会议", "MeetMemo")
    assert "/CreationDate" not in reader.metadata
    catalogue: Any = reader.trailer["/Root"]
    assert catalogue["/Lang"] == "zh"


def test_characters_without_a_font_are_marked_and_the_document_says_so() -> None:
    """A reader is told to look into the Word file; nothing is dropped silently."""
    transcript, minutes, title = call()
    text = text_of(opened(lambda: (transcript, replace(minutes, summary="\U00020000 བོད \U0001fae0"), title)))
    assert "minutes.pdfhasnofontfor5ofitscharacters" in text
    assert "\ufffd" * 5 in text  # a Han character, three Tibetan ones, a picture
    assert "nofont" not in text_of(opened(call))


def test_bold_latin_has_its_own_cut() -> None:
    """Headings use the bold font."""
    fonts = {font["/BaseFont"] for font in font_dicts(opened(call).pages[0])}
    assert any("NotoSans-Bold" in name for name in fonts)


def test_nothing_and_hostile_text_make_valid_files() -> None:
    """pypdf reads every page, strictly."""
    for sample in (nothing, hostile):
        reader = PdfReader(io.BytesIO(render("minutes.pdf", *sample())), strict=True)
        assert all(page.extract_text() for page in reader.pages)
