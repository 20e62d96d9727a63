"""Sentences of meetings and calls, drawn from the templates and words of `grammar.txt`."""

from functools import cache
from pathlib import Path
from random import Random

_FILE = Path(__file__).with_name("grammar.txt")
_TEMPLATES = "sentences"
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_DIGITS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_OTHERS = ("ten", "eleven", "twelve", "fifteen")
_POWERS = ("hundred", "thousand", "million")
_PHONE_DIGITS = 7


def sentence(rng: Random) -> str:
    """One random sentence, capitalised and with its full stop; every slot is drawn anew."""
    text = rng.choice(_sections()[_TEMPLATES])
    while "{" in text:
        before, _, rest = text.partition("{")
        slot, _, after = rest.partition("}")
        text = before + _fill(slot, rng) + after
    return text[0].upper() + text[1:]


def _fill(slot: str, rng: Random) -> str:
    if slot == "number":
        return _number(rng)
    if slot in ("digits", "phone"):
        n_digits = _PHONE_DIGITS if slot == "phone" else rng.randint(3, 6)
        return " ".join(rng.choice(_DIGITS) for _ in range(n_digits))
    return rng.choice(_sections()[slot])


def _number(rng: Random) -> str:
    kind, small = rng.random(), (*_DIGITS, *_OTHERS, *_TENS)
    if kind < 0.6:
        return rng.choice(small)
    if kind < 0.85:
        return f"{rng.choice(small)} {rng.choice(_POWERS)}"
    return f"{rng.choice(_TENS)} {rng.choice(_DIGITS)}"


@cache
def _sections() -> dict[str, tuple[str, ...]]:
    """The lines of ``[sentences]`` and the words of the other sections."""
    sections: dict[str, list[str]] = {}
    name = ""
    for line in _FILE.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            name = line.strip("[]")
            sections[name] = []
        elif line and not line.startswith("#"):
            words = [line] if name == _TEMPLATES else line.strip("|").split("|")
            sections[name] += words
    return {section: tuple(entries) for section, entries in sections.items()}
