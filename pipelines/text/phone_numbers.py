"""Finds telephone numbers in what was said: in digits, in words, in Chinese numerals; by `phonenumbers`.

A run of digits is one where it is valid in a country that is asked for, or international; where words such as *call*
or 电话 stand before it, six digits are enough, for recognition may have lost one, and local numbers have no area code.
"""

import re
from collections.abc import Iterator, Sequence

import phonenumbers

from pipelines.text.number_words import CARDINALS, DIGITS_ZH
from pipelines.text.typography import HAN

MIN_DIGITS = 6
MAX_DIGITS = 15  # ITU-T E.164

COUNTRIES = {
    "en": ("US", "GB", "AU", "IE", "NZ", "IN", "ZA", "SG"),
    "zh": ("CN", "TW", "HK", "SG"),
    "de": ("DE", "AT", "CH"),
    "fr": ("FR", "BE", "CH", "CA"),
    "es": ("ES", "MX", "AR", "CO", "CL"),
    "pt": ("BR", "PT"),
    "it": ("IT", "CH"),
    "nl": ("NL", "BE"),
    "ja": ("JP",),
    "ko": ("KR",),
    "ru": ("RU", "KZ"),
    "pl": ("PL",),
    "tr": ("TR",),
    "ar": ("EG", "SA", "AE"),
    "hi": ("IN",),
    "sv": ("SE",),
}
"""Countries whose national numbers are looked for, by the language that is spoken, most speakers first."""

REGIONS = frozenset(phonenumbers.SUPPORTED_REGIONS)

_ZH = {**DIGITS_ZH, "幺": 1}
_UNITS = {word: str(n) for word, n in CARDINALS.items() if n < 10} | {"oh": "0"}
_LARGER = {word: str(n) for word, n in CARDINALS.items() if n >= 10}
_REPEATS = {"double": 2, "triple": 3}
_SPOKEN = "|".join((*_UNITS, *_LARGER, *_REPEATS, "hundred", "thousand"))
_TOKEN = rf"(?:\d|[{''.join(_ZH)}]|(?<![^\W\d_])(?:{_SPOKEN})(?![^\W\d_]))"
_RUN = re.compile(
    rf"(?:\+|\bplus\s|(?<=[{HAN}])加(?=[\d{''.join(_ZH)}]))?\s?\(?{_TOKEN}(?:[\s.,()/–—-]{{0,3}}{_TOKEN}){{2,}}",
    re.IGNORECASE,
)
_CLAUSE = re.compile(r"[^\s,.][^,.]*")
_TOKENS = re.compile(_TOKEN, re.IGNORECASE)
_CUE = re.compile(
    r"\b(?:call|calling|dial|ring|phone|telephone|mobile|cell|cellphone|fax|hotline|whatsapp|text|reach|extension"
    r"|number|digits)\b|电话|手机|号码|热线|拨打|传真|打给|联系方式|電話|手機|號碼|熱線",
    re.IGNORECASE,
)
_OTHER_NUMBER = re.compile(
    r"\b(?:order|ticket|invoice|account|card|case|customer|reference|part|room|flight)\b|订单|账号|卡号|编号",
    re.IGNORECASE,
)
_CUE_REACH = 48  # characters before a number


def find_phones(text: str, *, language: str = "", regions: Sequence[str] = ()) -> Iterator[tuple[int, int]]:
    """Yield where telephone numbers stand: (start, end), ascending.

    ``regions`` are countries (ISO 3166-1, two capital letters); those of the ``language`` where there are none. Numbers
    that begin with a plus are found of every country.
    """
    chosen = tuple(regions) or COUNTRIES.get(language.partition("-")[0], COUNTRIES["en"])
    for match in _RUN.finditer(text):
        before = text[max(0, match.start() - _CUE_REACH) : match.start()]
        cued = _CUE.search(before) is not None and _OTHER_NUMBER.search(before) is None
        for start, end in _parts(text, *match.span()):
            written = text[start:end]
            n_digits = len(digits_of(written))
            international = written[0] in "+加pP"
            fits = MIN_DIGITS <= n_digits <= MAX_DIGITS
            if (cued and n_digits >= MIN_DIGITS) or (fits and (international or _is_valid(digits_of(written), chosen))):
                yield start, end


def _parts(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield a run of digits, or its parts between commas where it is too long for one number: two were told."""
    while text[start].isspace():
        start += 1
    if len(digits_of(text[start:end])) <= MAX_DIGITS:
        yield start, end
        return
    for part in _CLAUSE.finditer(text, start, end):
        yield part.span()


def digits_of(spoken: str) -> str:
    """Return the digits that a run of digits and number words says: *double oh* is 00, *twenty five* 25."""
    said = ""
    n_times, tens = 1, False
    for word in (match.group().casefold() for match in _TOKENS.finditer(spoken)):
        if word in _REPEATS:
            n_times = _REPEATS[word]
            continue
        if word in ("hundred", "thousand"):
            digits = "00" if word == "hundred" else "000"
        elif word in _LARGER:
            digits = _LARGER[word]
        else:
            digits = _UNITS.get(word) or str(_ZH.get(word, word))
            if tens and word in _UNITS and digits != "0":
                said = said[:-1]
        tens = word in _LARGER and digits.endswith("0") and word != "ten"
        said += digits * n_times
        n_times = 1
    return said


def _is_valid(digits: str, regions: Sequence[str]) -> bool:
    """Return whether digits are a number of one of the regions as it is dialled there, or abroad without the plus."""
    for region in regions:
        try:
            number = phonenumbers.parse(digits, region)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_valid_number_for_region(number, region):
            return True
    return False
