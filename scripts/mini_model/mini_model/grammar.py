"""Sentences of meetings and calls, drawn from the templates and words of `grammar-en.txt` and `grammar-zh.txt`."""

from functools import cache
from pathlib import Path
from random import Random

_TEMPLATES = "sentences"
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_DIGITS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_OTHERS = ("ten", "eleven", "twelve", "fifteen")
_POWERS = ("hundred", "thousand", "million")
_DIGITS_ZH = tuple("一二三四五六七八九")
_POWERS_ZH = ("百", "千", "万", "百万")
_PHONE_DIGITS = {"en": 7, "zh": 8}


def sentence(rng: Random, language: str = "en") -> str:
    """Generate one random sentence, capitalised and with its full stop; every slot is drawn anew."""
    text = rng.choice(_sections(language)[_TEMPLATES])
    while "{" in text:
        before, _, rest = text.partition("{")
        slot, _, after = rest.partition("}")
        text = before + _fill(slot, rng, language) + after
    return text[0].upper() + text[1:]


def _fill(slot: str, rng: Random, language: str) -> str:
    if slot == "number":
        return _number(rng) if language == "en" else _chinese_number(rng)
    if slot in ("digits", "phone"):
        n_digits = _PHONE_DIGITS[language] if slot == "phone" else rng.randint(3, 6)
        digits, between = (_DIGITS, " ") if language == "en" else (_DIGITS_ZH, "")
        return between.join(rng.choice(digits) for _ in range(n_digits))
    return rng.choice(_sections(language)[slot])


def _number(rng: Random) -> str:
    kind, small = rng.random(), (*_DIGITS, *_OTHERS, *_TENS)
    if kind < 0.6:
        return rng.choice(small)
    if kind < 0.85:
        return f"{rng.choice(small)} {rng.choice(_POWERS)}"
    return f"{rng.choice(_TENS)} {rng.choice(_DIGITS)}"


def _chinese_number(rng: Random) -> str:
    kind, digit = rng.random(), rng.choice(_DIGITS_ZH)
    if kind < 0.4:
        return rng.choice((*_DIGITS_ZH[2:], "十", "两"))
    if kind < 0.7:
        return rng.choice(("十", f"{rng.choice(_DIGITS_ZH[1:])}十")) + digit
    return ("两" if digit == "二" else digit) + rng.choice(_POWERS_ZH)


@cache
def _sections(language: str) -> dict[str, tuple[str, ...]]:
    """Read the lines of ``[sentences]`` and the words of the other sections."""
    sections: dict[str, list[str]] = {}
    name = ""
    for line in Path(__file__).with_name(f"grammar-{language}.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            name = line.strip("[]")
            sections[name] = []
        elif line and not line.startswith("#"):
            words = [line] if name == _TEMPLATES else line.strip("|").split("|")
            sections[name] += words
    return {section: tuple(entries) for section, entries in sections.items()}
