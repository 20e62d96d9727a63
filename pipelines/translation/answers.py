"""Read a language model's answer: the last complete object of the form that was asked for, entry by entry."""

import json
import re
from typing import Any, NamedTuple

_THOUGHTS_END = "</think>"
_START = re.compile(r'\{\s*"segments"\s*:')
# An answer holds one object, or a first try and a second one; of more only the last can count.
_MAX_OBJECTS = 20


class Entry(NamedTuple):
    """A translated line: the number under which it was sent, and its text on one line."""

    number: int
    text: str


def read_entries(answer: str) -> tuple[Entry, ...]:
    """Return the entries in an answer, in its order; empty where no complete object of the form is in it.

    Thoughts, code fences and words around the object are passed over; entries that are none are left out.
    """
    text = answer.rpartition(_THOUGHTS_END)[2]
    decoder = json.JSONDecoder()
    found: list[Any] = []
    reached = 0
    for match in list(_START.finditer(text))[-_MAX_OBJECTS:]:
        if match.start() < reached:
            continue  # within the object before
        try:
            value, reached = decoder.raw_decode(text, match.start())
        except (ValueError, RecursionError):
            continue
        if isinstance(value["segments"], list):
            found = value["segments"]
    return tuple(entry for entry in map(_entry, found) if entry is not None)


def _entry(value: object) -> Entry | None:
    if not isinstance(value, dict) or not isinstance(value.get("text"), str):
        return None
    number = value.get("id")
    if isinstance(number, str) and number.isascii() and number.isdecimal() and len(number) < 19:
        number = int(number)
    if not isinstance(number, int) or isinstance(number, bool):
        return None
    return Entry(number=number, text=" ".join(value["text"].split()))
