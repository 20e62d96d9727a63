"""Days, months and spans that a text names, the same in every language: "Monday" is 星期一 and "montags"."""

# ruff: noqa: E501  (patterns and lists of words are easier to read in long lines)

import re

_WEEKDAYS = (
    r"monday|montag|lundi|lunes|luned[iì]|segunda-feira|maandag|måndag|mandag|poniedział|понедельник|"
    r"(?:周|星期|礼拜|禮拜|週)一|月曜|월요일|(?:الاثنين|الإثنين)",
    r"tuesday|dienstag|mardi|martes|marted[iì]|terça-feira|dinsdag|tisdag|tirsdag|wtor(?:ek|k)|вторник|"
    r"(?:周|星期|礼拜|禮拜|週)二|火曜|화요일|الثلاثاء",
    r"wednesday|mittwoch|mercredi|miércoles|mercoled[iì]|quarta-feira|woensdag|onsdag|środ|\bсред[ауые]\b|"
    r"(?:周|星期|礼拜|禮拜|週)三|水曜|수요일|الأربعاء",
    r"thursday|donnerstag|jeudi|jueves|gioved[iì]|quinta-feira|donderdag|torsdag|czwart(?:ek|k)|четверг|"
    r"(?:周|星期|礼拜|禮拜|週)四|木曜|목요일|الخميس",
    r"friday|freitag|vendredi|viernes|venerd[iì]|sexta-feira|vrijdag|fredag|piąt(?:ek|k)|пятниц|"
    r"(?:周|星期|礼拜|禮拜|週)五|金曜|금요일|الجمعة",
    r"saturday|samstag|sonnabend|samedi|sábado|sabato|zaterdag|lördag|lørdag|sobot|суббот|"
    r"(?:周|星期|礼拜|禮拜|週)六|土曜|토요일|السبت",
    r"sunday|sonntag|dimanche|domingo|domenica|zondag|söndag|søndag|niedziel|воскресень|"
    r"(?:周|星期|礼拜|禮拜|週)[日天]|日曜|일요일|الأحد",
)
_MONTHS = (
    r"january|januar|janvier|enero|gennaio|janeiro|stycz|январ",
    r"february|februar|février|febrero|febbraio|fevereiro|\blut(?:y|ego|ym)\b|феврал",
    r"(?-i:\bMarch\b)|\bmärz|\bmaart\b|\bmarzo\b|\bmarço\b|\bmarz?ec\b|\bмарт",
    r"\bapril|\bavril\b|\babril\b|\baprile\b|kwiet|апрел",
    r"(?-i:\bMay\b)|(?-i:\bMai\b)|\bmayo\b|\bmaggio\b|\bmaio\b|\bмая\b",
    r"\bjune\b|\bjuni\b|\bjuin\b|\bjunio\b|\bgiugno\b|\bjunho\b|czerw(?:iec|c)|\bиюн",
    r"\bjuly\b|\bjuli\b|juillet|\bjulio\b|luglio|\bjulho\b|\blip(?:iec|c)|\bиюл",
    r"august\b|\bagosto\b|\baoût\b|augustus|sierp|август",
    r"septem|setemb|settembre|septiembre|wrze(?:sień|śn)|сентябр",
    r"october|oktober|octobre|octubre|ottobre|outubro|październik|октябр",
    r"novem|listopad|ноябр",
    r"decem|dezem|décem|diciembre|dicembre|dezembro|grud(?:zień|ni)|декабр",
)
_SPANS = {
    "tomorrow": r"\btomorrow\b|明天|明日|mañana\b|\bdemain\b|\bdomani\b|\bamanhã\b|\bзавтра\b",
    "yesterday": r"\byesterday\b|昨天|\bgestern\b|\bhier\b(?= (?:soir|matin))|\bayer\b|\bieri\b|\bontem\b|\bвчера\b",
    "tonight": r"\btonight\b|今晚|heute abend",
    "next week": r"\bnext week\b|下周(?![一二三四五六日天])|下星期(?![一二三四五六日天])|nächste\w* woche|semaine prochaine|próxima semana",
    "next month": r"\bnext month\b|下个?月|nächste\w* monat|mois prochain|próximo mes|próximo mês",
    "next year": r"\bnext year\b|明年|nächste\w* jahr|année prochaine|próximo año|próximo ano",
    "next quarter": r"\bnext quarter\b|下个?季度|nächste\w* quartal",
    "weekend": r"\bweek-?end\b|周末|wochenende|fin de semana",
}

_MENTIONS = {
    name: re.compile(pattern, re.IGNORECASE)
    for name, pattern in (
        *((f"weekday {number}", pattern) for number, pattern in enumerate(_WEEKDAYS, start=1)),
        *((f"month {number}", pattern) for number, pattern in enumerate(_MONTHS, start=1)),
        *_SPANS.items(),
    )
}
# Recognisers that write no capitals write "march" and "may" for the months too.
_LENIENT = {
    "month 3": re.compile(r"\bmarch\b", re.IGNORECASE),
    "month 5": re.compile(r"\b(?:may|mai)\b", re.IGNORECASE),
}
_OPENING_MONTH = re.compile(r"(?:^|[.?!]\s+)(?:May|March)\b(?! \d)")


def calendar_mentions(text: str, *, lenient: bool = False) -> frozenset[str]:
    """Return the weekdays, months and spans a text names; ``lenient``: also what may be one.

    Chinese and Japanese months are numbers.
    """
    judged = text if lenient else _OPENING_MONTH.sub(" ", text)
    found = {name for name, pattern in _MENTIONS.items() if pattern.search(judged)}
    if lenient:
        found |= {name for name, pattern in _LENIENT.items() if pattern.search(judged)}
    return frozenset(found)
