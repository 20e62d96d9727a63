"""The first page of long minutes, in every document that people read."""

import io
import re
from dataclasses import replace

import pytest
from docx import Document
from pypdf import PdfReader

from pipelines.core import ActionItem, Decision, Minutes, Topic, Transcript
from pipelines.export.overview import fits_first_page, n_lines, shown_first
from pipelines.export.render import render
from tests.support.export_samples import call, evidence, meeting_in_chinese

ENGLISH = ("Approve the harbour contract because the alternatives cost far more", "Who works on it writes a report")
CHINESE = ("批准明年的市场预算方案，费用由财务部承担，具体安排另行通知", "准备市场预算报告并发给财务总监审核")


def long_minutes(language: str) -> tuple[Transcript, Minutes, str]:
    """A call whose minutes hold 25 decisions, tasks and topics, and a summary of ten lines."""
    transcript, minutes, title = call() if language == "en" else meeting_in_chinese()
    decision, task = ENGLISH if language == "en" else CHINESE
    cited = evidence(0, quote=transcript.segments[0].text)
    many = range(25)
    return (
        transcript,
        replace(
            minutes,
            summary=f"{decision}. " * (12 if language == "en" else 16),
            decisions=tuple(
                Decision(
                    text=f"{decision} {n}", evidence=cited, owner="Ann" if n else None, due="Friday", verified=n != 1
                )
                for n in many
            ),
            action_items=tuple(ActionItem(task=f"{task} {n}", owner="Bob", due=None, evidence=cited) for n in many),
            topics=tuple(
                Topic(title=f"{decision[:12]} {n}", summary=decision, start_s=n, end_s=n + 1, evidence=cited)
                for n in many
            ),
        ),
        title,
    )


@pytest.mark.parametrize(("language", "details"), [("en", "Details"), ("zh", "详细内容")])
def test_the_details_of_long_minutes_begin_on_the_second_page(language: str, details: str) -> None:
    """The first page holds the summary, the first decisions, tasks and topics, and says what follows."""
    pages = [
        page.extract_text() for page in PdfReader(io.BytesIO(render("minutes.pdf", *long_minutes(language)))).pages
    ]
    assert [n for n, page in enumerate(pages) if details in page.split()] == [1]
    assert pages[0].count("\n") > 25


def test_the_first_page_in_markdown() -> None:
    """A line each, with who and by when; what nothing proves is marked there too."""
    lines = render("minutes.md", *long_minutes("en")).decode().splitlines()
    headings = [line for line in lines if line.startswith("## ")]
    assert headings[:5] == ["## Summary", "## Decisions", "## Action items", "## Topics", "## Details"]
    assert [line for line in lines if line.startswith("### ")] == [
        "### Decisions",
        "### Action items",
        "### Topics",
        "### Open questions",
    ]
    first = lines[lines.index("## Decisions") : lines.index("## Details")]
    assert any(line.startswith(f"2. {ENGLISH[0]} 1 – **Ann, Friday**  **\\[not verified") for line in first), first
    assert any(line.startswith("… and ") and "more under “Details”" in line for line in first)
    assert sum(line.startswith("1. ") for line in first) == 3


def test_first_pages_from_right_to_left() -> None:
    """A time keeps its place after a name in Latin letters, and the full stop of a number is at its left."""
    transcript, minutes, title = long_minutes("en")
    hebrew = replace(
        minutes,
        language="he",
        decisions=tuple(replace(decision, text="ההשקה נדחית", owner="Ann", due=None) for decision in minutes.decisions),
    )
    lines = render("minutes.md", transcript, hebrew, title).decode().splitlines()
    line = next(line for line in lines if line.startswith("1. "))
    assert line.startswith("1. ההשקה נדחית – **Ann**  \u200f0:00"), line
    page = PdfReader(io.BytesIO(render("minutes.pdf", transcript, hebrew, title))).pages[0].extract_text()
    assert ".1" in page
    assert not re.search(r"(?<!\d)1\.(?!\w)", page)


def test_word_breaks_the_page_before_the_details() -> None:
    """As in the PDF."""
    paragraphs = Document(io.BytesIO(render("minutes.docx", *long_minutes("en")))).paragraphs
    (details,) = [paragraph for paragraph in paragraphs if paragraph.text == "Details"]
    assert details.paragraph_format.page_break_before


def test_short_minutes_are_said_once() -> None:
    """What fits a page has no overview of itself."""
    assert "Details" not in render("minutes.md", *call()).decode()
    assert fits_first_page(call()[1], 7)
    assert not fits_first_page(long_minutes("en")[1], 7)


def test_a_long_summary_leaves_room_for_one_of_each() -> None:
    """Decisions, tasks and topics never go missing from the first page altogether."""
    _, minutes, _ = long_minutes("en")
    shown = shown_first(replace(minutes, summary="word " * 3000), 7)
    assert (shown.decisions, shown.action_items, shown.topics) == (1, 1, 1)


def test_ideographs_are_wide() -> None:
    """A line holds half as many of them."""
    assert n_lines("字" * 80) == 2
    assert n_lines("a" * 80) == 1
