"""Rendering as a whole: every format exists, is deterministic, and survives any text."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.core import Minutes, Transcript
from pipelines.errors import OptionError
from pipelines.export.render import RENDERERS, Rendering, render
from pipelines.export.times import clock, timestamp
from pipelines.jobs.job import RESULT_FORMATS
from pipelines.text.cleaning import clean_text, cleaned, one_line
from tests.support.export_samples import HOSTILE, call, hostile, meeting_in_chinese, nothing

MINUTES_FORMATS = [name for name in RESULT_FORMATS if name.startswith("minutes.")]
TRANSCRIPT_FORMATS = [name for name in RESULT_FORMATS if name.startswith("transcript.")]


def test_every_result_format_has_a_renderer() -> None:
    """The names a job promises are the names that can be rendered."""
    assert tuple(RENDERERS) == RESULT_FORMATS


@pytest.mark.parametrize("name", RESULT_FORMATS)
@pytest.mark.parametrize("sample", [call, meeting_in_chinese, nothing, hostile])
def test_rendering_is_deterministic(name: str, sample: Callable[[], tuple[Transcript, Minutes, str]]) -> None:
    """The same values give the same bytes, so a result can be checked by its hash."""
    first = render(name, *sample())
    assert render(name, *sample()) == first
    assert first or name in ("transcript.txt", "transcript.srt")


@pytest.mark.parametrize("sample", [call, meeting_in_chinese, nothing, hostile])
def test_results_of_one_rendering(sample: Callable[[], tuple[Transcript, Minutes, str]]) -> None:
    """Each is what it is alone, whichever were rendered before."""
    alone = {name: render(name, *sample()) for name in RESULT_FORMATS}
    for names in (RESULT_FORMATS, RESULT_FORMATS[::-1]):
        rendering = Rendering(*sample())
        assert {name: rendering.render(name) for name in names} == alone


@pytest.mark.parametrize("name", TRANSCRIPT_FORMATS)
def test_transcripts_need_no_minutes(name: str) -> None:
    """A job without minutes gets its transcript in every format."""
    transcript, minutes, title = call()
    assert render(name, transcript, None, title) == render(name, transcript, minutes, title)


@pytest.mark.parametrize("name", MINUTES_FORMATS)
def test_minutes_that_do_not_exist_are_refused(name: str) -> None:
    """There is no document to make up."""
    transcript, _, title = call()
    with pytest.raises(OptionError, match="no minutes"):
        render(name, transcript, None, title)


def test_an_unknown_format_is_refused() -> None:
    """The error names what there is."""
    with pytest.raises(OptionError, match=r"minutes\.pdf"):
        render("transcript.doc", *call())


@pytest.mark.parametrize("name", RESULT_FORMATS)
@pytest.mark.parametrize("text", ["x" * 3000, "字" * 2000, "word " * 800, "\ud800", "\x00", "e" + "\u0301" * 300])
def test_extreme_text_renders(name: str, text: str) -> None:
    """Words longer than a page, cells longer than a page, text that cleans to nothing."""
    assert render(name, *hostile(text)) is not None


@settings(max_examples=15, deadline=None)
@given(st.text(st.characters(), max_size=60))
def test_any_text_renders_in_every_format(text: str) -> None:
    """No character a model or a stranger could write makes a result fail, lone surrogates included."""
    for name in RESULT_FORMATS:
        render(name, *hostile(text))


def test_cleaning_keeps_words_and_drops_what_formats_refuse() -> None:
    """Control and reordering characters go, surrogates become U+FFFD, line separators become newlines."""
    assert clean_text("a\x00b\x1bc\u202ed\ufeff") == "abcd"
    assert clean_text("x\ud800y") == "x\ufffdy"
    assert clean_text("one\r\ntwo\u2028three\x85four\tfive") == "one\ntwo\nthree\nfour\tfive"
    assert one_line("  a \n b\t c ") == "a b c"


@given(st.text(st.characters(), max_size=50))
def test_clean_text_can_be_written_anywhere(text: str) -> None:
    """Clean text encodes as UTF-8 and holds no character that XML 1.0 forbids; cleaning twice changes nothing."""
    clean = clean_text(text)
    clean.encode()
    assert all(c in "\t\n" or 0x20 <= ord(c) <= 0xFFFD or ord(c) >= 0x10000 for c in clean)
    assert clean_text(clean) == clean


def test_cleaning_a_tree_changes_only_what_is_dirty() -> None:
    """Clean dataclasses come back as they are, enumerations stay enumerations."""
    transcript, _, _ = call()
    assert cleaned(transcript) is transcript
    dirty = replace(transcript, segments=(replace(transcript.segments[0], text=HOSTILE), *transcript.segments[1:]))
    clean = cleaned(dirty)
    assert clean.segments[0].text == clean_text(HOSTILE)
    assert clean.segments[1] is dirty.segments[1]
    assert clean.segments[0].health is dirty.segments[0].health


@pytest.mark.parametrize(
    ("milliseconds", "expected"),
    [(0, "00:00:00,000"), (59_999, "00:00:59,999"), (3_600_000, "01:00:00,000"), (360_000_001, "100:00:00,001")],
)
def test_timestamps_split_total_milliseconds(milliseconds: int, expected: str) -> None:
    """Splitting whole milliseconds can never give a thousandth of 1000, and hours may exceed 99."""
    assert timestamp(milliseconds, ",") == expected


def test_clock_shows_hours_when_asked_or_needed() -> None:
    """Documents of long recordings write every time with hours."""
    assert clock(75.9) == "1:15"
    assert clock(75.9, with_hours=True) == "0:01:15"
    assert clock(3675) == "1:01:15"
