"""The sounds of a text and how far two of them are apart: an edit distance in which like sounds cost less. Pure.

A sound is one of English (`pipelines.vocabulary.english`) or a syllable (`pipelines.vocabulary.pinyin`). The costs
follow what recognisers and speakers confuse: voiced and voiceless consonants, vowels; in Chinese retroflex and dental
initials, n and l, front and back nasals.
"""

import re
from collections.abc import Sequence
from functools import cache

from pipelines.text.typography import HAN
from pipelines.vocabulary.english import english_sounds
from pipelines.vocabulary.pinyin import syllable

Sounds = tuple[str, ...]

_VOWELS = frozenset("AEO")
_VOWEL_CHANGED, _VOWEL_MISSED = 0.3, 0.5
_WEAK = frozenset("HWY")
_WEAK_MISSED = 0.4
_ALIKE = {
    frozenset(pair): cost
    for cost, pairs in (
        (0.3, "PB TD KG FV SZ T0 D0 S0 CJ XC JX MN SX ZX ZJ CS"),
        (0.5, "LR BV VW GJ KC WO YE F0 HK PF"),
    )
    for pair in pairs.split()
}
_HALF_ALIKE = 0.3
_INITIALS_ALIKE = frozenset(
    map(
        frozenset, (("z", "zh"), ("c", "ch"), ("s", "sh"), ("n", "l"), ("f", "h"), ("r", "l"), ("j", "zh"), ("x", "sh"))
    )
)
_BACK_NASAL = re.compile(r"(?<=[aeiou])ng$")

_PART = re.compile(f"[{HAN}]|[^{HAN}]+")
_IS_HAN = re.compile(f"[{HAN}]")


def sounds_of(text: str) -> Sounds:
    """Return the sounds of a text, in order: a syllable for each Chinese character, those of English for the rest."""
    found: list[str] = []
    for part in _PART.findall(text):
        if _IS_HAN.match(part):
            found.append(syllable(part))
        else:
            found += english_sounds(part)
    return tuple(found)


def distance(one: Sequence[str], other: Sequence[str], limit: float) -> float:
    """Return what it costs to turn one into the other, for each sound of the longer; infinite beyond ``limit``."""
    longest = max(len(one), len(other), 1)
    most = limit * longest
    row = [0.0]
    for sound in other:
        row.append(row[-1] + _missed(sound))
    for sound in one:
        before, row = row, [row[0] + _missed(sound)]
        for j, heard in enumerate(other):
            row.append(
                min(before[j] + _changed(sound, heard), before[j + 1] + _missed(sound), row[-1] + _missed(heard))
            )
        if min(row) > most:
            return float("inf")
    return row[-1] / longest if row[-1] <= most else float("inf")


@cache
def _changed(one: str, other: str) -> float:
    if one == other:
        return 0.0
    if "|" in one or "|" in other:
        return _syllable_changed(one, other)
    if one in _VOWELS and other in _VOWELS:
        return _VOWEL_CHANGED
    return _ALIKE.get(frozenset((one, other)), 1.0)


def _syllable_changed(one: str, other: str) -> float:
    if not ("|" in one and "|" in other):
        return 1.0
    (initial, final), (other_initial, other_final) = one.split("|"), other.split("|")
    alike = frozenset((initial, other_initial)) in _INITIALS_ALIKE
    cost = 0.0 if initial == other_initial else _HALF_ALIKE * 0.5 if alike else 0.5
    if final == other_final:
        return cost
    same_vowel = _BACK_NASAL.sub("n", final) == _BACK_NASAL.sub("n", other_final)
    return cost + (_HALF_ALIKE * 0.5 if same_vowel else 0.5)


@cache
def _missed(sound: str) -> float:
    if sound in _VOWELS:
        return _VOWEL_MISSED
    return _WEAK_MISSED if sound in _WEAK else 1.0
