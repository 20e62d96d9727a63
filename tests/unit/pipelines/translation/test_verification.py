"""Checking a translation: complete, nothing invented, the right script, a likely length, the same numbers and masks."""

import random
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core import Segment
from pipelines.translation.answers import Entry
from pipelines.translation.prompts import number_of
from pipelines.translation.scripts import may_be_in, scripts_of
from pipelines.translation.verification import check, needs_translation
from tests.fakes.deepseek_answers import pseudo_translation
from tests.support.llm_lab import said

LINES = ("Good morning, everyone.", "We sold 1,250 units.", "Shall we begin with the budget?", "Yes.")


def answered(segments: Sequence[Segment], language: str = "ru") -> list[Entry]:
    return [Entry(number_of(each), pseudo_translation(each.text, language)) for each in segments]


@given(st.permutations(range(4)))
def test_a_whole_answer_in_any_order(order: list[int]) -> None:
    """Numbers say what belongs to what."""
    segments = said(*LINES).segments
    entries = answered(segments)
    checked = check(segments, [entries[n] for n in order], spoken="en", language="ru")
    assert (set(checked.texts), checked.faults) == ({0, 1, 2, 3}, {})


@given(st.lists(st.tuples(st.integers(-5, 500), st.text(max_size=30)), max_size=20), st.data())
def test_no_answer_breaks_the_books(noise: list[tuple[int, str]], data: st.DataObject) -> None:
    """Whatever is answered, each segment is translated or wrong, never both, and nothing else is there."""
    segments = said(*LINES).segments
    entries = data.draw(st.permutations(answered(segments) + [Entry(*each) for each in noise]))
    kept = entries[: data.draw(st.integers(0, len(entries)))]
    checked = check(segments, kept, spoken="en", language="ru")
    assert set(checked.texts) | set(checked.faults) == {0, 1, 2, 3}
    assert not set(checked.texts) & set(checked.faults)
    assert all(may_be_in(text, "ru") for text in checked.texts.values())


def test_a_missing_segment_and_the_one_before() -> None:
    """Models join a line with the one before it, whose text then holds both."""
    segments = said(*LINES).segments
    entries = answered(segments)
    checked = check(segments, entries[:2] + entries[3:], spoken="en", language="ru")
    assert set(checked.texts) == {0, 3}
    assert checked.faults == {1: "the line after it was left out", 2: "it was left out"}


def test_an_answer_that_counts_on() -> None:
    """One that cut a line and counted on by itself names numbers that were not given: nothing shifts unseen."""
    segments = said(*(f"This is what was said in line {n + 20} of it." for n in range(40))).segments
    entries = answered(segments)
    shifted = [Entry(number_of(segments[0]) + n, entry.text) for n, entry in enumerate(entries[5:])]
    checked = check(segments, shifted, spoken="en", language="ru")
    assert set(checked.texts) <= {0}


def test_duplicates_and_inventions() -> None:
    """A line that is answered in two ways is asked again; the same twice is one; others' numbers are passed over."""
    segments = said(*LINES).segments
    entries = answered(segments)
    more = [entries[0], Entry(entries[3].number, "да и нет"), Entry(99_999, "никто")]
    checked = check(segments, [*entries, *more], spoken="en", language="ru")
    assert (set(checked.texts), checked.faults) == ({0, 1, 2}, {3: "it was answered more than once"})


@pytest.mark.parametrize(
    ("source", "text", "language", "fault"),
    [
        ("Good morning, everyone.", "Guten Morgen zusammen.", "de", ""),
        ("Good morning, everyone.", "", "de", "its translation is empty"),
        ("Good morning, everyone.", "…", "de", "its translation is empty"),
        ("Good morning, everyone.", "早上好。", "de", "its translation is not in de"),
        ("Good morning, everyone.", "Guten Morgen.", "zh", "its translation is not in zh"),
        ("Good morning, everyone.", "大家早上好。", "zh", ""),
        ("Kubernetes and Docker.", "Kubernetes 和 Docker。", "zh", ""),
        ("Good morning to all of you.", "good morning, to all of you", "de", "it was not translated"),
        ("Alice Miller", "Alice Miller", "de", ""),
        ("Hello.", "Sure, here is the translation of the line you asked for: Hallo!" * 2, "de", "far too long"),
        ("We talked about the harbour and the new bridge for an hour.", "Ja", "de", "far too short"),
        ("It costs 20,000 dollars.", "Es kostet 20.000 Dollar.", "de", ""),
        ("It costs 20,000 dollars.", "Il coûte 20 000 dollars.", "fr", ""),
        ("It costs 20,000 dollars.", "价格是2万美元。", "zh", ""),
        ("It costs 20,000 dollars.", "Es kostet 2.000 Dollar.", "de", "the number 20,000"),
        ("价格是1.5万美元，很便宜。", "It costs 15,000 dollars, which is cheap.", "en", ""),
        ("价格是1.5万美元，很便宜。", "It costs 1,500 dollars, which is cheap.", "en", "the number 1.5万"),
        ("We meet on 24.12.2026.", "We meet on 12/24/2026.", "fr", ""),
        ("Three or 3 people.", "Drei oder drei Leute.", "de", ""),
        ("٢٥ شخصا كانوا هنا", "25 people were here", "en", ""),
        ("Write to [email] please.", "Schreiben Sie bitte an [email].", "de", ""),
        ("Write to [email] please.", "Schreiben Sie bitte an [E-Mail].", "de", "words in brackets"),
        ("What the f*** is that?", "Was zum T***** ist das?", "de", ""),
        ("What the f*** is that?", "Was zum Teufel ist das?", "de", "words in brackets"),
    ],
)
def test_one_segment(source: str, text: str, language: str, fault: str) -> None:
    """What code can see of a wrong translation, and what it must let through."""
    (segment,) = said(source).segments
    spoken = "en" if may_be_in(source, "en") else "zh"
    checked = check([segment], [Entry(number_of(segment), text)], spoken=spoken, language=language)
    found = checked.faults.get(0, "")
    assert fault in found if fault else not found


@pytest.mark.parametrize(
    ("text", "spoken", "language", "needed"),
    [
        ("Good morning.", "en", "de", True),
        ("Good morning.", "en", "en-GB", False),
        ("早上好", "en", "en", True),
        ("Good morning.", "zh", "en", True),
        ("… 12 …", "en", "de", False),
        ("", "en", "de", False),
        ("♪", "", "en", False),
        ("Good morning.", "", "en", True),
    ],
)
def test_what_needs_no_translation(text: str, spoken: str, language: str, needed: bool) -> None:
    """Lines without letters, and those in the wanted language already, unless their letters tell otherwise."""
    (segment,) = said(text).segments
    assert needs_translation(segment, spoken, language) is needed


def test_a_line_in_the_wanted_language_already() -> None:
    """English within a Chinese recording comes back as it is, which is right."""
    (segment,) = said("Could you please say that in English?").segments
    entry = Entry(number_of(segment), segment.text)
    assert check([segment], [entry], spoken="zh", language="en").texts == {0: segment.text}
    assert check([segment], [entry], spoken="de", language="en").faults == {0: "it was not translated"}


def test_scripts() -> None:
    """A script in the tag counts; a language that is not listed is written in Latin letters."""
    assert scripts_of("sr-Latn") == scripts_of("eo") == {"LATIN"}
    assert scripts_of("zh-Hant-TW") == {"CJK"}
    assert may_be_in("Ｆｕｌｌ ｗｉｄｔｈ", "en")


def test_check_digits_differ_between_lines() -> None:
    """Numbers of following lines do not follow each other, but for chance."""
    rng = random.Random(1)
    segments = said(*(f"Line {rng.random()}" for _ in range(300))).segments
    steps = [number_of(b) - number_of(a) for a, b in pairwise(segments)]
    assert steps.count(1) == 0
    assert steps.count(100) < 15
