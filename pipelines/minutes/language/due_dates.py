"""Resolve a spoken due date ("by Friday", 下周五之前) to a day, where the recording's date leaves no doubt.

A phrase counts only when all of it is understood: one day, and around it nothing but words that change nothing ("by",
"at noon", 之前). Where readings differ ("next Friday" on a Monday, "Friday" on a Friday, 3/4, "next week", "before
Friday"), there is no date. A date without a year is the next one, and none when that is far away.
"""

import re
from calendar import monthrange
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from re import Match, Pattern

from pipelines.minutes.language.calendar_words import (
    ABOVE_NINE,
    COUNT,
    COUNTS,
    MONTHS,
    NUMBER_ZH,
    ONES,
    WEEK_ZH,
    WEEKDAY,
    WEEKDAYS,
    WEEKDAYS_ZH,
)
from pipelines.text.number_words import DIGITS_ZH, ORDINALS
from pipelines.text.typography import HAN

# "January 5th" in December is next month; in February it is more likely the one that has passed.
FARTHEST_DAYS = 300
_WEEK = timedelta(days=7)

_ORDINALS = {
    **{word: ORDINALS[word] for word in (*ONES, *ABOVE_NINE)},
    **{f"twenty {word}": 20 + ORDINALS[word] for word in ONES},
    "thirty first": 31,
}
_SPELLED = "|".join(sorted(_ORDINALS, key=len, reverse=True))
_DAY = rf"(?:\d{{1,2}}(?:st|nd|rd|th)?|{_SPELLED})"
_SHORT_MONTHS = tuple(month[:3] for month in MONTHS)
_MONTH = rf"(?:{'|'.join((*MONTHS, 'sept', *_SHORT_MONTHS))})"
# What may stand around a day without making it another one.
_FILLERS = re.compile(
    r"\b(?:no later than|not later than|latest|at the latest|due|by|on|at|in|until|till|the|of|morning|afternoon|"
    r"evening|night|noon|midnight|o'clock|sharp|(?:close|end) of (?:the )?(?:day|business)|"
    rf"(?:\d{{1,2}}(?::\d\d)?|{COUNT}) ?(?:a m|p m|am|pm|o'clock))"
    r"(?!\w)|[\s,.]+"
)
_FILLERS_ZH = re.compile(
    r"最迟|最晚|不晚于|截止到|截至|截止|在|于|到|之前|之内|以前|以内|前|内|上午|下午|早上|晚上|中午|下班|的|[\s，。、,.]+"
)

Reading = Callable[[Match[str], date], date | None]


@dataclass(frozen=True, kw_only=True)
class _Form:
    """A way to name a day: what it looks like, and the day it names for a recording of a date."""

    pattern: Pattern[str]
    read: Reading


def due_date(spoken: str, recorded_on: date) -> date | None:
    """Return the one day, ``recorded_on`` or later, that a spoken due date can mean; None for no day or several."""
    text = spoken.casefold()
    chinese = re.search(f"[{HAN}]", text) is not None
    if not chinese:
        text = " ".join(re.sub(r"[-.](?!\d)|(?<!\d)-", " ", text).split())
    forms, fillers = (_FORMS_ZH, _FILLERS_ZH) if chinese else (_FORMS, _FILLERS)
    days: set[date | None] = set()
    for form in forms:
        match = form.pattern.search(text)
        while match is not None:
            days.add(_possible(form, match, recorded_on))
            text = f"{text[: match.start()]} {text[match.end() :]}"
            match = form.pattern.search(text)
    if fillers.sub("", text) or len(days) != 1:
        return None
    day = days.pop()
    return day if day is not None and day >= recorded_on else None


def _possible(form: _Form, match: Match[str], recorded_on: date) -> date | None:
    try:
        return form.read(match, recorded_on)
    except (ValueError, OverflowError):  # the 31st of a shorter month, a year beyond the calendar's
        return None


# Readings


def _iso(match: Match[str], recorded_on: date) -> date:
    return date(int(match["year"]), int(match["month"]), int(match["day"]))


def _slashed(match: Match[str], recorded_on: date) -> date | None:
    """Parse day and month in either order: unambiguous only if one of them cannot be a month."""
    one, other, year = int(match["one"]), int(match["other"]), match["year"]
    if (one > 12) == (other > 12) and one != other:
        return None
    day, month = max(one, other), min(one, other)
    if year is None:
        return _next_date(month, day, recorded_on)
    return date(int(year) + (2000 if len(year) == 2 else 0), month, day)


def _dated(match: Match[str], recorded_on: date) -> date | None:
    month = _SHORT_MONTHS.index(match["month"][:3]) + 1
    day = _ordinal(match["day"])
    named = date(int(match["year"]), month, day) if match["year"] else _next_date(month, day, recorded_on)
    return _on_weekday(named, match["weekday"])


def _day_of_month(match: Match[str], recorded_on: date) -> date | None:
    return _on_weekday(_next_day(_ordinal(match["day"]), recorded_on), match["weekday"])


def _weekday(match: Match[str], recorded_on: date) -> date | None:
    wanted = WEEKDAYS.index(match["weekday"])
    following = _following(wanted, recorded_on)
    if following - recorded_on == _WEEK:
        return None  # today's weekday: today, or in a week
    this_week = _monday(recorded_on) + timedelta(days=wanted)
    if match["which"] == "this":
        return this_week if this_week > recorded_on else None
    if match["which"] == "next":
        return following if following == this_week + _WEEK else None  # the coming one, or the one of next week
    return following


def _end_of_month(match: Match[str], recorded_on: date) -> date | None:
    name = match["month"]
    if name in ("month", "this month"):
        return _last_day(recorded_on.year, recorded_on.month)
    if name == "next month":
        return _last_day(recorded_on.year + recorded_on.month // 12, recorded_on.month % 12 + 1)
    return _next_end(_SHORT_MONTHS.index(name[:3]) + 1, recorded_on)


def _after(match: Match[str], recorded_on: date) -> date:
    count = COUNTS.get(match["count"]) or int(match["count"])
    return recorded_on + timedelta(days=count * (7 if match["unit"].startswith("week") else 1))


def _shifted(n_days: int) -> Reading:
    return lambda match, recorded_on: recorded_on + timedelta(days=n_days)


def _never(match: Match[str], recorded_on: date) -> date | None:
    return None


# Chinese readings; weeks begin on Monday, so 下周五 is beyond doubt where "next Friday" is not.


def _weekday_zh(match: Match[str], recorded_on: date) -> date | None:
    wanted = WEEKDAYS_ZH.index(match["day"].replace("天", "日"))
    which = match["which"] or ""
    if not which:
        following = _following(wanted, recorded_on)
        return None if following - recorded_on == _WEEK else following
    return _monday(recorded_on) + which.count("下") * _WEEK + timedelta(days=wanted)


def _dated_zh(match: Match[str], recorded_on: date) -> date | None:
    month, day = _number_zh(match["month"]), _number_zh(match["day"])
    year = match["year"]
    if year in ("今年", "明年"):
        return date(recorded_on.year + (year == "明年"), month, day)
    return date(int(year[:-1]), month, day) if year else _next_date(month, day, recorded_on)


def _day_of_month_zh(match: Match[str], recorded_on: date) -> date | None:
    day = _number_zh(match["day"])
    if match["which"]:
        ahead = recorded_on.month + match["which"].startswith("下")
        return date(recorded_on.year + (ahead > 12), (ahead - 1) % 12 + 1, day)
    return _next_day(day, recorded_on)


def _end_of_month_zh(match: Match[str], recorded_on: date) -> date | None:
    if match["month"]:
        return _next_end(_number_zh(match["month"]), recorded_on)
    ahead = recorded_on.month + (match["which"] or "").startswith("下")
    return _last_day(recorded_on.year + (ahead > 12), (ahead - 1) % 12 + 1)


def _after_zh(match: Match[str], recorded_on: date) -> date:
    return recorded_on + timedelta(days=_number_zh(match["count"]) * (1 if match["unit"] == "天" else 7))


# Parts of the calendar


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _following(weekday: int, day: date) -> date:
    """Return the next such weekday after a day."""
    return day + timedelta(days=(weekday - day.weekday() - 1) % 7 + 1)


def _on_weekday(day: date | None, weekday: str | None) -> date | None:
    """Return the day, if it is of the weekday that was named with it."""
    if day is None or (weekday and WEEKDAYS[day.weekday()] != weekday):
        return None
    return day


def _next_date(month: int, day: int, recorded_on: date) -> date | None:
    named = date(recorded_on.year, month, day)
    if named < recorded_on:
        named = date(recorded_on.year + 1, month, day)
    return _near(named, recorded_on)


def _next_end(month: int, recorded_on: date) -> date | None:
    return _near(_last_day(recorded_on.year + (month < recorded_on.month), month), recorded_on)


def _near(named: date, recorded_on: date) -> date | None:
    return named if (named - recorded_on).days <= FARTHEST_DAYS else None


def _next_day(day: int, recorded_on: date) -> date | None:
    """Return the next day of that number in a month; none when that is today, which would have been called so."""
    if day == recorded_on.day:
        return None
    month = recorded_on.month + (day < recorded_on.day)
    return date(recorded_on.year + (month > 12), (month - 1) % 12 + 1, day)


def _last_day(year: int, month: int) -> date:
    return date(year, month, monthrange(year, month)[1])


def _ordinal(word: str) -> int:
    return _ORDINALS.get(word) or int(re.sub(r"\D", "", word))


def _number_zh(text: str) -> int:
    """Parse 十二, 二十七 or 27."""
    if text.isascii():
        return int(text)
    tens, ten, ones = text.rpartition("十")
    if not {tens, ones} <= {"", *DIGITS_ZH}:
        raise ValueError(f"{text} is no number below a hundred")
    return (DIGITS_ZH[tens] if tens else 1) * 10 * bool(ten) + (DIGITS_ZH[ones] if ones else 0)


def _forms(*forms: tuple[str, Reading]) -> Iterator[_Form]:
    for pattern, read in forms:
        yield _Form(pattern=re.compile(pattern), read=read)


# Longer forms come first: what one has read is gone for the next.
_FORMS = tuple(
    _forms(
        (r"^(?:by |until |the )*(?:end of (?:the )?day|(?:close|end) of business|eod|cob)$", _shifted(0)),
        (r"\b(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)\b", _iso),
        (r"\bthe day after tomorrow\b", _shifted(2)),
        (r"\b(?P<one>\d{1,2})/(?P<other>\d{1,2})(?:/(?P<year>\d{2}(?:\d\d)?))?\b", _slashed),
        (rf"\b(?:before|after) (?:the )?(?:\w+ )?(?:{WEEKDAY}|{_MONTH}|{_DAY}|tomorrow|then)\b", _never),
        (rf"\bend of (?:the )?(?P<month>month|this month|next month|{_MONTH})\b", _end_of_month),
        (
            rf"\b(?:(?P<weekday>{WEEKDAY}),? )?(?:the )?(?P<day>{_DAY}) (?:of )?(?P<month>{_MONTH})\b"
            r"(?:,? (?P<year>\d{4})\b)?",
            _dated,
        ),
        (
            rf"\b(?:(?P<weekday>{WEEKDAY}),? )?(?P<month>{_MONTH}) (?:the )?(?P<day>{_DAY})\b"
            r"(?:,? (?P<year>\d{4})\b)?",
            _dated,
        ),
        (rf"\b(?:(?P<weekday>{WEEKDAY}),? )?the (?P<day>\d{{1,2}}(?:st|nd|rd|th)|{_SPELLED})\b", _day_of_month),
        (rf"\b(?:(?:the )?(?P<which>this|next|coming) )?(?P<weekday>{WEEKDAY})\b", _weekday),
        (r"\btomorrow\b", _shifted(1)),
        (r"\b(?:today|tonight|this (?:morning|afternoon|evening))\b", _shifted(0)),
        (
            rf"\b(?:within|in)(?: the next)? (?P<count>{COUNT}|\d{{1,3}}) "
            r"(?P<unit>days?|weeks?)\b(?:' time)?",
            _after,
        ),
    )
)
_FORMS_ZH = tuple(
    _forms(
        (r"(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)", _iso),
        (rf"(?P<year>\d{{4}}年|今年|明年)?(?P<month>{NUMBER_ZH})月(?P<day>{NUMBER_ZH})[日号]", _dated_zh),
        (rf"(?:(?P<month>{NUMBER_ZH})月|(?P<which>本月|这个月|下个月|下月)|月)(?:底|末)", _end_of_month_zh),
        (rf"(?P<which>本月|这个月|下个月|下月)?(?P<day>{NUMBER_ZH})[日号]", _day_of_month_zh),
        (rf"(?P<which>下下个?|下个?|本|这个?)?{WEEK_ZH}(?P<day>[{WEEKDAYS_ZH}天])", _weekday_zh),
        (rf"(?P<count>{NUMBER_ZH})个?(?P<unit>天|周|星期|礼拜)(?:之内|以内|内|之后|后)", _after_zh),
        (r"大后天", _shifted(3)),
        (r"后天", _shifted(2)),
        (r"明天|明早|明晚", _shifted(1)),
        (r"今天|今晚|今日", _shifted(0)),
    )
)
