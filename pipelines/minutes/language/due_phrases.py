"""Extract due dates as they were spoken: "by Friday" gives "Friday", 周五之前 gives 周五之前."""

import re
from dataclasses import dataclass

from pipelines.minutes.language.calendar_words import (
    ABOVE_NINE,
    COUNT,
    MONTHS,
    NUMBER_ZH,
    ONES,
    WEEK_ZH,
    WEEKDAY,
    WEEKDAYS_ZH,
)

_MONTH = rf"(?:{'|'.join(MONTHS)}|(?:jan|feb|apr|aug|sept?|oct|nov|dec)\.?)"
_ORDINAL = rf"(?:\d{{1,2}}(?:st|nd|rd|th)?|(?:(?:twenty|thirty)[- ])?(?:{'|'.join(ONES)})|{'|'.join(ABOVE_NINE)})"
_COUNT = rf"(?:a|an|{COUNT}|a few|a couple of|\d{{1,3}})"
_PERIOD = r"(?:week|month|quarter|year|weekend|sprint)"
_HOUR = rf"(?:\d{{1,2}}(?::\d\d)?|{COUNT}|noon|midnight)(?: o'clock| ?[ap]\.?m\.?)?"
_PART = r"(?: (?:morning|afternoon|evening|night|noon))?"
_DAY = (
    rf"(?:\d{{4}}-\d\d-\d\d|\d{{1,2}}/\d{{1,2}}(?:/\d{{2,4}})?"
    rf"|(?:the )?(?:end|middle|beginning|start|close) of (?:the |this |next |our )?(?:day|business|{_PERIOD}|{_MONTH})"
    rf"|(?:(?:this|next|the coming|the following|coming) )?{WEEKDAY}(?:,? (?:the )?(?:{_MONTH} )?{_ORDINAL}\b)?{_PART}"
    rf"|(?:the )?{_ORDINAL} (?:of )?{_MONTH}(?:,? \d{{4}})?|{_MONTH} (?:the )?{_ORDINAL}(?:,? \d{{4}})?"
    rf"|(?:this|next|the coming|the following) {_PERIOD}"
    rf"|(?:the day after )?tomorrow{_PART}|today|tonight|this (?:morning|afternoon|evening)"
    rf"|the next meeting|(?:christmas|easter|new year's(?: eve)?|thanksgiving))"
)
_DUE = re.compile(
    rf"\b(?:(?:no later than|not later than|by|before|until|till|due(?: on| by)?)"
    rf" (?P<limit>{_DAY}|{_MONTH}|(?:the )?{_ORDINAL}|{_HOUR}(?: (?:on )?{_DAY})?|then)"
    rf"|(?P<within>(?:with)?in (?:the next )?{_COUNT} (?:hours?|days?|weeks?|months?)(?:' time)?)"
    rf"|(?:(?:on|for|at|in|this|during) )?(?P<day>{_DAY})"
    rf"|(?P<month>in {_MONTH})"
    r"|(?P<soon>as soon as possible|asap|immediately|right away))(?![\w'-])",
    re.IGNORECASE,
)

_DAY_ZH = (
    rf"(?:\d{{4}}年)?{NUMBER_ZH}月(?:{NUMBER_ZH}[日号]|底|初|中旬|末)?"
    rf"|(?:本|这|下|这个|下个|下下)?{WEEK_ZH}[{WEEKDAYS_ZH}天末](?:[早晚]上|上午|中午|下午)?"
    r"|(?:本|这|这个|下|下个)(?:周|星期|礼拜|月|季度|年)(?:底|初|末)?"
    r"|(?:今天|明天|后天|大后天|今晚|明早|明晚)(?:[早晚]上|上午|中午|下午)?(?:下班)?"
    r"|(?:月|年|季度|周|年度)[底末]|(?:今年|明年)(?:底|初|年底)?|下次(?:会议|开会)"
    rf"|{NUMBER_ZH}[日号]|(?:春节|国庆|元旦|五一|中秋)(?:节)?"
)
# 明年的预算 is the budget for that time, not due by then; 周五的会议 and 周五的下午 are times.
_DUE_ZH = re.compile(
    rf"(?>(?:最迟|最晚|不晚于|在|于|到|截止到|截至)?(?P<due>(?:{_DAY_ZH})(?:之?[前内]|以[前内])"
    rf"|{NUMBER_ZH}个?(?:小时|天|工作日|周|星期|礼拜|月)(?:之内|以内|内|之前)"
    rf"|{_DAY_ZH}|尽快|马上|立即|立刻))(?!的(?!时候|[早晚]上|[上下中]午|[^，。的]{{0,4}}会))"
)


# "by Friday" and "Friday" say the same, "before Friday" does not.
_KEPT = ("before ", "until ", "till ")


# 预算报告，周五之前完成: "the budget report, done by Friday".
_DONE_ZH = re.compile(r"(?:要|必须|需要)?(?:完成|做完|提交|交付|交|搞定)(?:了|一下)?[。！]*")


@dataclass(frozen=True, kw_only=True)
class Due:
    """A due date as spoken, and the positions of the whole phrase ("by Friday") in the text."""

    text: str
    start: int
    end: int


def find_due(text: str, *, chinese: bool) -> Due | None:
    """Return the last due date named in a text; None when none is."""
    found = None
    for match in (_DUE_ZH if chinese else _DUE).finditer(text):
        spoken = next(group for group in match.groups() if group)
        if match.group().casefold().startswith(_KEPT):
            spoken = match.group()
        # "may" alone is the verb far more often than the month.
        if spoken.casefold() in ("then", "may") and match.group().casefold() == spoken.casefold():
            continue
        found = Due(text=spoken.strip(), start=match.start(), end=match.end())
    return found


def without_due(text: str, due: Due | None) -> str:
    """Remove the phrase of a due date at the start or the end of the text; elsewhere it stays."""
    if due is None:
        return text
    before, after = text[: due.start], text[due.end :]
    if before.endswith(("，", ",")) and _DONE_ZH.fullmatch(after):
        return before
    if not after.strip(" .?!,;。？！，；、"):
        return before
    if not before.strip(" ,，、"):
        return after
    return text
