"""Check a language model's translation segment by segment: everything answered once, nothing invented, plausible.

A translation of the right script that says something else is not found: what is checked is what code can check.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pipelines.core import Segment
from pipelines.text.redaction import WRITTEN_PATTERN
from pipelines.text.typography import is_spoken, is_wide
from pipelines.translation.answers import Entry
from pipelines.translation.prompts import number_of
from pipelines.translation.scripts import may_be_in

WIDE_WEIGHT = 2.5
"""An ideograph or a syllable of Hangul says as much as so many Latin letters."""
MAX_RATIO, MAX_SLACK = 4.0, 40.0
MIN_RATIO, MIN_SLACK = 0.25, 8.0
"""A translation weighs at most ``MAX_RATIO`` times the original and ``MAX_SLACK`` more; at least likewise."""
MIN_ECHO_WEIGHT = 20.0
"""A shorter text that comes back as it was may be a name or a greeting."""
MAX_SPELLED = 12
"""Smaller numbers may be written as words."""

_MASK = re.compile(rf"{WRITTEN_PATTERN.pattern}|\*{{2,}}")
_SEPARATORS = ".,'’·٫٬\u00a0\u202f"
_NUMBER = re.compile(rf"\d+(?:[{_SEPARATORS}]\d+)*")
_MYRIADS = re.compile(rf"(\d+(?:[{_SEPARATORS}]\d+)*)\s*([万萬만亿億억])")
_GROUP = re.compile(r"(?<=\d) (?=\d{3}(?!\d))")
_ZEROS = {**dict.fromkeys("万萬만", 4), **dict.fromkeys("亿億억", 8)}


@dataclass(frozen=True, kw_only=True)
class Checked:
    """The translated texts that hold, and what is wrong with the others, in words for the model; by ids of segments."""

    texts: Mapping[int, str] = field(default_factory=dict)
    faults: Mapping[int, str] = field(default_factory=dict)


def needs_translation(segment: Segment, spoken: str, language: str) -> bool:
    """Return whether a segment says something that is not in the wanted language already.

    ``spoken`` is the language it was spoken in, as far as known; the letters of its text may tell otherwise.
    """
    if not any(character.isalpha() for character in segment.text):
        return False
    same = primary(spoken) == primary(language)
    return not (same and may_be_in(segment.text, language))


def primary(language: str) -> str:
    """Return a tag's language without script and region."""
    return language.partition("-")[0].lower()


def check(asked: Sequence[Segment], entries: Iterable[Entry], *, spoken: str, language: str) -> Checked:
    """Judge an answer to ``asked`` segments; every one of them is in exactly one of `Checked`'s parts.

    Entries under numbers that were not asked for are passed over. The segment before one that is missing is wrong as
    well: models join the two under the first number.
    """
    answered: dict[int, set[str]] = {}
    for entry in entries:
        answered.setdefault(entry.number, set()).add(entry.text)
    texts: dict[int, str] = {}
    faults: dict[int, str] = {}
    before: Segment | None = None
    for segment in asked:
        found = answered.get(number_of(segment), set())
        if not found:
            fault = "it was left out"
            if before is not None and before.id in texts:
                del texts[before.id]
                faults[before.id] = "the line after it was left out"
        elif len(found) > 1:
            fault = "it was answered more than once"
        else:
            fault = _fault(segment.text, next(iter(found)), spoken, language)
        if fault:
            faults[segment.id] = fault
        else:
            texts[segment.id] = next(iter(found))
        before = segment
    return Checked(texts=texts, faults=faults)


def _fault(source: str, text: str, spoken: str, language: str) -> str:
    """Return what is wrong with a translation; "" for nothing that code can find."""
    if is_spoken(source) and not is_spoken(text):
        return "its translation is empty"
    if not may_be_in(text, language):
        return f"its translation is not in {language}"
    if _is_echo(source, text) and not (may_be_in(source, language) and not may_be_in(source, spoken)):
        return "it was not translated"
    original, translated = weight(source), weight(text)
    if translated > MAX_RATIO * original + MAX_SLACK:
        return "its translation is far too long"
    if translated < MIN_RATIO * original - MIN_SLACK:
        return "its translation is far too short"
    if Counter(_masks(source)) != Counter(_masks(text)):
        return "words in brackets or with asterisks must stay as they are"
    if lost := _lost_numbers(source, text):
        return f"the number {lost} must be written with the same digits"
    return ""


def weight(text: str) -> float:
    """Return how much a text says, in Latin letters and digits."""
    return sum(WIDE_WEIGHT if is_wide(character) else 1.0 for character in text if character.isalnum())


def _is_echo(source: str, text: str) -> bool:
    return weight(source) >= MIN_ECHO_WEIGHT and _folded(source) == _folded(text)


def _folded(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum())


def _masks(text: str) -> list[str]:
    """Return what stands for masked words; of profanity only that there is some, for its first letter may change."""
    return [mask if mask.startswith("[") else "*" for mask in _MASK.findall(text)]


def _lost_numbers(source: str, text: str) -> str:
    """Return a number of the source that the translation does not hold; "" when all are there.

    Separators are passed over: 20,000 is 20.000, 20 000 and 2万. The parts of a date may come in another order.
    """
    source, text = _plain(source), _plain(text)
    theirs = [_digits(written) for written in _NUMBER.findall(text)]
    theirs += [_written_out(*found) for found in _MYRIADS.findall(text)]
    for written, unit in _MYRIADS.findall(source):
        if _digits(written) not in theirs and _written_out(written, unit) not in theirs:
            return f"{written}{unit}"
    numbers: list[str] = _NUMBER.findall(_MYRIADS.sub(" ", source))
    for number in numbers:
        digits = _digits(number)
        may_be_spelled = len(digits) <= 2 and int(digits) <= MAX_SPELLED
        same_parts = number.count(".") > 1 and Counter(digits) <= Counter("".join(theirs))
        if not (may_be_spelled or same_parts or digits in theirs):
            return number
    return ""


def _plain(text: str) -> str:
    """Write digits of every script in ASCII, and no spaces between groups of three."""
    text = "".join(str(unicodedata.decimal(each)) if each.isdecimal() else each for each in text)
    return _GROUP.sub("", text)


def _written_out(written: str, unit: str) -> str:
    """Return the digits of a number with 万 or the like: 1.5 万 is 15000."""
    head, _, fraction = written.replace(",", "").partition(".")
    digits = _digits(head) + _digits(fraction).ljust(_ZEROS[unit], "0")
    return digits.lstrip("0")


def _digits(written: str) -> str:
    return "".join(each for each in written if each.isdigit())
