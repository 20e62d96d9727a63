"""Makes text from outside fit for every format: no control characters, no lone surrogates, no hidden reordering.

XML refuses most control characters, UTF-8 refuses lone surrogates, and bidirectional overrides can make a
document show other words than it holds. Everything that is rendered passes through here once.
"""

import re
from dataclasses import fields, is_dataclass, replace
from functools import cache
from operator import is_
from typing import Any, TypeVar

T = TypeVar("T")

_LINE_BREAKS = re.compile("\r\n|[\r\v\f\x85\u2028\u2029]")
_UNWANTED = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufdd0-\ufdef\ufeff\ufff9-\ufffb\ufffe\uffff]"
)
_SURROGATE = re.compile("[\ud800-\udfff]")
_NO_TEXT = frozenset((float, int, bool, type(None)))
_SUSPICIOUS = re.compile(f"{_LINE_BREAKS.pattern}|{_UNWANTED.pattern}|{_SURROGATE.pattern}")


def clean_text(text: str) -> str:
    """Drop control and reordering characters, write line breaks as newlines and lone surrogates as U+FFFD."""
    if text.isprintable() or not _SUSPICIOUS.search(text):  # nothing that goes is printable
        return text
    return _SURROGATE.sub("\ufffd", _UNWANTED.sub("", _LINE_BREAKS.sub("\n", text)))


def one_line(text: str) -> str:
    """Clean text and write every run of whitespace as one space."""
    return " ".join(clean_text(text).split())


def cleaned(value: T) -> T:
    """Clean every string inside nested dataclasses, tuples and dicts; returns the same object when all were clean."""
    result: Any = value
    kind: Any = type(value)
    if kind is str:  # an enumeration's member is a str too, but never dirty
        result = clean_text(str(value))
    elif kind in _NO_TEXT:
        pass
    elif isinstance(value, tuple):
        items = tuple([cleaned(item) for item in value])
        result = value if all(map(is_, items, value)) else items
    elif isinstance(value, dict):
        result = {cleaned(name): cleaned(item) for name, item in value.items()}
        result = value if result == value else result
    elif names := _field_names(kind):
        changed = {}
        for name in names:
            old: Any = getattr(value, name)
            if type(old) in _NO_TEXT or (type(old) is str and old.isprintable()):
                continue
            if (new := cleaned(old)) is not old:
                changed[name] = new
        result = replace(result, **changed) if changed else value
    return result  # type: ignore[no-any-return]  # each branch returns the type it was given


@cache
def _field_names(kind: type) -> tuple[str, ...]:
    """Return the names of a dataclass's fields; none of another class."""
    return tuple(field.name for field in fields(kind)) if is_dataclass(kind) else ()
