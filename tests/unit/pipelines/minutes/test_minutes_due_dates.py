"""Due dates as days: only where what was spoken leaves no doubt."""

from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.core import ActionItem, Evidence, Minutes
from pipelines.minutes.extractive.writer import write_minutes
from pipelines.minutes.finishing import finish
from pipelines.minutes.language.due_dates import due_date
from pipelines.minutes.language.due_phrases import find_due
from pipelines.minutes.protocol import MinutesOptions
from tests.support.llm_lab import said

TUESDAY = date(2026, 11, 24)
COUNTS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "15")

CLEAR = {
    "Friday": "2026-11-27",
    "by Friday, 5 p.m.": "2026-11-27",
    "close of business Friday": "2026-11-27",
    "Friday the 27th": "2026-11-27",
    "next Monday": "2026-11-30",
    "the day after tomorrow": "2026-11-26",
    "tomorrow morning": "2026-11-25",
    "end of day": "2026-11-24",
    "November 27th": "2026-11-27",
    "the third of December": "2026-12-03",
    "Jan. 5": "2027-01-05",
    "the twenty-seventh": "2026-11-27",
    "the 3rd": "2026-12-03",
    "end of the month": "2026-11-30",
    "the end of next month": "2026-12-31",
    "within ten days": "2026-12-04",
    "in two weeks": "2026-12-08",
    "27/11": "2026-11-27",
    "2026-12-01": "2026-12-01",
    "周五之前": "2026-11-27",
    "下周五": "2026-12-04",
    "本周五下班前": "2026-11-27",
    "下下周三": "2026-12-09",
    "大后天": "2026-11-27",
    "十一月二十七号": "2026-11-27",
    "明年三月一日": "2027-03-01",
    "下个月3号": "2026-12-03",
    "月底": "2026-11-30",
    "两周内": "2026-12-08",
}
UNCLEAR = (
    "next Friday", "Tuesday", "this Monday", "before Friday", "Friday or Monday", "a week from Friday",
    "Friday the 28th", "next week", "in a month", "3/4", "October 3", "February 30th", "the 24th", "5 pm", "asap",
    "the first week of December", "the following Monday", "within 24 hours", "2026-11-23", "end of the year",
    "周二", "这周一", "下周", "周末", "五个工作日内", "一个月内", "周五或者周六", "春节前", "尽快", "二月三十号",
    "the end of September", "九月底",
)  # fmt: skip


FOR_A_TIME = ("我们一致通过明年的预算是两万五千元", "请陈静准备12月15号的材料", "由李强负责下周五的培训")
BY_A_TIME = {
    "请在周五之前提交下个月的计划": "周五之前",
    "陈静在周五的会议上汇报": "周五",
    "王芳下周三的下午交": "下周三",
}


@pytest.mark.parametrize("text", FOR_A_TIME)
def test_what_is_for_a_time_is_not_due_by_then(text: str) -> None:
    """明年的预算 is the budget for next year, whenever it has to be ready."""
    assert find_due(text, chinese=True) is None


@pytest.mark.parametrize(("text", "spoken"), BY_A_TIME.items())
def test_a_time_with_its_hour_or_meeting_is_a_due_date(text: str, spoken: str) -> None:
    """周五的会议 and 下周三的下午 are times, and a plan for a month hides no date before it."""
    due = find_due(text, chinese=True)
    assert due is not None
    assert due.text == spoken


@pytest.mark.parametrize(("spoken", "day"), CLEAR.items())
def test_what_is_clear(spoken: str, day: str) -> None:
    """A phrase that can mean one day only is that day."""
    assert str(due_date(spoken, TUESDAY)) == day


@pytest.mark.parametrize("spoken", UNCLEAR)
def test_what_is_not(spoken: str) -> None:
    """A phrase that may mean several days, none, or one that has passed, is no date."""
    assert due_date(spoken, TUESDAY) is None


@settings(max_examples=40)
@given(st.dates(date(2000, 1, 1), date(2090, 1, 1)), st.sampled_from([*CLEAR, *UNCLEAR]))
def test_never_in_the_past(recorded_on: date, spoken: str) -> None:
    """Whatever day the meeting was on, nothing is due before it, and weekdays are those that were named."""
    day = due_date(spoken, recorded_on)
    if day is not None:
        assert day >= recorded_on
        if spoken in ("Friday", "close of business Friday", "周五之前", "下周五"):
            assert day.weekday() == 4


@settings(max_examples=40)
@given(st.dates(date(2000, 1, 1), date(2090, 1, 1)), st.integers(1, 250))
def test_dates_are_read_back(recorded_on: date, n_days: int) -> None:
    """A day that is spelled out without its year is found again, in both languages."""
    day = recorded_on + timedelta(days=n_days)
    assert due_date(f"{day:%B} {day.day}", recorded_on) == day
    assert due_date(f"{day.month}月{day.day}日之前", recorded_on) == day


@settings(max_examples=40)
@given(st.text(max_size=40))
def test_any_text(spoken: str) -> None:
    """No text breaks it."""
    due_date(spoken, TUESDAY)


@pytest.mark.parametrize(
    ("line", "language"),
    [("Alice will sign the contract by Friday.", "en"), ("由王强负责准备合同，周五之前完成。", "zh")],
)
def test_extractive_minutes(line: str, language: str) -> None:
    """The extractive writer's tasks carry the day where the recording's date is known, and only then."""
    transcript = said("Welcome everybody to the meeting.", line, language=language)
    (dated,) = write_minutes(transcript, MinutesOptions(recorded_on=TUESDAY)).action_items
    (undated,) = write_minutes(transcript, MinutesOptions()).action_items
    assert dated.due_date == "2026-11-27"
    assert dated.due is not None
    assert undated.due_date is None


def test_a_writer_cannot_invent_a_date() -> None:
    """What a writer says about the day does not count: it is worked out from the spoken words."""
    item = ActionItem(
        task="Sign", owner=None, due="next week", due_date="2026-12-04", evidence=Evidence(segment_ids=(), quote="")
    )
    minutes = Minutes(title="", language="en", writer="llm", model="m", summary="", action_items=(item,))
    assert finish(minutes, MinutesOptions(recorded_on=TUESDAY)).action_items[0].due_date is None


@pytest.mark.parametrize("count", COUNTS)
def test_every_count_of_days_is_found_in_a_sentence(count: str) -> None:
    """What can be read as a day is also found where it is said."""
    due = find_due(f"Bob will send the report within {count} days.", chinese=False)
    assert due is not None
    assert due.text == f"within {count} days"
    assert due_date(due.text, TUESDAY) is not None
