"""minutes.md, read back with an independent CommonMark parser (markdown-it, with GitHub's tables)."""

import html
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from pipelines.core import NameSource, Speaker
from pipelines.export.escaping import escape
from pipelines.export.render import render
from pipelines.text.cleaning import one_line
from tests.support.export_samples import HOSTILE, call, evidence, hostile, meeting_in_chinese, nothing, silent

PARSER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


def to_html(markdown: str) -> str:
    return PARSER.render(markdown)


def plain(fragment: str) -> str:
    """Text of rendered HTML, as a browser would show it."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", fragment)).split())


def test_sections_come_in_order() -> None:
    """What one acts on comes first; quality notes and the transcript are appendices."""
    rendered = to_html(render("minutes.md", *call()).decode())
    assert re.findall(r"<h1>(.*?)</h1>", rendered) == ["Lost order"]
    assert re.findall(r"<h2>(.*?)</h2>", rendered) == [
        "Summary",
        "Decisions",
        "Action items",
        "Topics",
        "Open questions",
        "Quality of the transcript",
        "Transcript",
    ]


def test_decisions_and_action_items_are_tables() -> None:
    """Each row holds text, quote, owner, due date and time; what nothing proves is marked."""
    rendered = to_html(render("minutes.md", *call()).decode())
    tables = [
        [
            [plain(cell) for cell in re.findall(r"<t[hd]>(.*?)</t[hd]>", row)]
            for row in re.findall(r"<tr>(.*?)</tr>", t, re.S)
        ]
        for t in re.findall(r"<table>(.*?)</table>", rendered, re.S)
    ]
    assert tables[0] == [
        ["#", "Decision", "Time"],
        ["1", "The order is sent again. “We will send it again at no cost.”", "0:09"],
        ["2", "The courier is sued. [not verified against the transcript]", "–"],
    ]
    assert tables[1] == [
        ["#", "Task", "Owner", "Due", "Time"],
        ["1", "Call the courier “I will call the courier by Friday.”", "Agent", "Friday", "0:14"],
        ["2", "Send the order again “send it again”", "–", "–", "0:09"],
    ]
    assert tables[2] == [
        ["Time", "Channel", "State", "Reason"],
        ["0:19–0:21", "2", "uncertain", "repeated phrases, low confidence"],
        ["0:30–0:40", "2", "not transcribed", "no result"],
    ]


def test_the_writer_and_the_losses_are_named() -> None:
    """A reader learns that no language model wrote this and what the transcript lacks."""
    text = plain(to_html(render("minutes.md", *call()).decode()))
    assert "Written by: extractive writer (no language model)" in text
    assert "0:02 are uncertain, 0:10 could not be transcribed" in text
    assert "0:30 Customer: [0:30–0:40 could not be transcribed]" in text
    assert "Thank you, thank you. [uncertain]" in text


def test_chinese_minutes_are_labelled_in_chinese() -> None:
    """Headings, facts and separators follow the minutes' language; times carry hours."""
    text = plain(to_html(render("minutes.md", *meeting_in_chinese()).decode()))
    for expected in (
        "决议事项",
        "待办事项",
        "参会人员： 玛丽亚、Ben",
        "纪要撰写： 语言模型 deepseek-chat",
        "1:00:05",
        "转写全文",
    ):
        assert expected in text
    assert "Decisions" not in text


def test_summary_lists_become_lists() -> None:
    """Lines with a list mark are items."""
    assert to_html(render("minutes.md", *call()).decode()).count("<li>It is sent again.</li>") == 1


def test_empty_minutes_say_so() -> None:
    """No section is left blank."""
    text = plain(to_html(render("minutes.md", *nothing()).decode()))
    for expected in ("No summary", "No decisions", "No action items", "No speech"):
        assert expected in text
    assert text.startswith("Minutes of meeting")


def test_hostile_text_never_becomes_markup() -> None:
    """No link, tag, emphasis or heading comes from what was said."""
    rendered = to_html(render("minutes.md", *hostile()).decode())
    assert "<b>" not in rendered
    assert "<a " not in rendered
    assert "<em>" not in rendered
    assert "<s>" not in rendered
    assert one_line(HOSTILE) in plain(rendered)


@pytest.mark.parametrize(
    "start", ["- item", "+ item", "1. item", "2) item", "# title", "> quote", "---", "===", "    code"]
)
def test_block_marks_at_the_start_are_escaped(start: str) -> None:
    """A sentence that begins like a list is still a paragraph."""
    rendered = to_html(escape(start.strip()))
    assert rendered.startswith("<p>")
    assert plain(rendered) == start.strip()


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=60))
def test_escaped_text_renders_as_itself(text: str) -> None:
    """Whatever is escaped, a CommonMark parser shows again, and as text only."""
    line = one_line(text)
    rendered = to_html(f"x {escape(line)} x")
    assert plain(rendered) == " ".join(f"x {line} x".split())
    assert re.findall(r"<[^>]+>", rendered) == ["<p>", "</p>"]


def test_nobody_wrote_about_silence() -> None:
    """In both languages what is to be known stands on top; no writer is named, no section is empty."""
    transcript, minutes, title = silent()
    for language, told in (("", "No speech was recognised in this recording."), ("zh", "录音中未识别到语音。")):
        rendered = to_html(render("minutes.md", transcript, replace(minutes, language=language), title).decode())
        assert told in plain(rendered)
        assert "<h2>" not in rendered
        assert not re.search("written|language model|撰写|语言模型", rendered, re.IGNORECASE)


def test_inferred_names_are_marked() -> None:
    """With the words they were inferred from; names that somebody told have no mark. Decisions say by whose voice."""
    transcript, minutes, title = call()
    agent = Speaker(
        label="Speaker 1",
        name="Agent",
        source=NameSource.INFERRED,
        evidence=(evidence(0, quote="this is the service desk"),),
    )
    customer = Speaker(label="Customer", name="Customer", source=NameSource.CHANNEL)
    minutes = replace(
        minutes,
        participants=("Agent", "Customer"),
        decisions=tuple(replace(each, by="Agent") for each in minutes.decisions),
    )
    text = plain(
        to_html(render("minutes.md", replace(transcript, speakers=(agent, customer)), minutes, title).decode())
    )
    assert "Names that were inferred from what is said: Agent – “this is the service desk” 0:00." in text
    assert "Agent (inferred), Customer" in text
    assert (
        "# Decision Said by Time 1 The order is sent again. “We will send it again at no cost.” Agent (inferred)"
        in text
    )
    assert "Agent: Good morning" in text
