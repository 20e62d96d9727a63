"""Writes values as JSON with one item a line, in one pass; the bytes are those of ``json.dumps(…, indent=1)``.

The standard encoder indents in Python only, and wants dataclasses turned into dicts first.
"""

from collections.abc import Collection, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from json.encoder import encode_basestring
from math import isfinite
from typing import Any

_Plan = tuple[tuple[str, str, int], ...]
"""Of each field its name, how that stands in JSON, and the digits of its numbers."""


def indented_json(value: Any) -> bytes:
    """Encode dataclasses, mappings with text as keys, tuples, lists, text, numbers, booleans and None as UTF-8 JSON.

    Numbers of a field whose name ends with ``_s`` are rounded to milliseconds, others to six digits; one that is not
    finite is written as 0. Raises `TypeError` for any other value.
    """
    return f"{_text(value, '', chr(10))}\n".encode()


def _text(value: Any, name: str, line: str) -> str:
    """Return a field's value; ``line`` is the line break with the indentation that the field itself has."""
    kind: Any = type(value)
    if kind is str:
        return encode_basestring(value)
    if kind is float:
        return _number(value, _digits(name))
    if kind is tuple or kind is list:
        return _sequence(value, name, line)
    if kind is dict:
        return _mapping(value, line)
    plan = _fields(kind)
    return _other(value, name, line) if plan is None else _object(value, plan, line)


def _object(value: Any, plan: _Plan, line: str) -> str:
    inner = f"{line} "
    written = []
    for name, key, digits in plan:
        item = getattr(value, name)
        kind = type(item)
        if kind is float:
            text = _number(item, digits)
        elif kind is str:
            text = encode_basestring(item)
        else:
            text = _text(item, name, inner)
        written.append(key + text)
    return f"{{{inner}{f',{inner}'.join(written)}{line}}}" if written else "{}"


@cache
def _fields(kind: type) -> _Plan | None:
    """Return the fields of a dataclass; None for another class."""
    if not is_dataclass(kind):
        return None
    return tuple((field.name, f"{encode_basestring(field.name)}: ", _digits(field.name)) for field in fields(kind))


def _mapping(value: Mapping[str, Any], line: str) -> str:
    inner = f"{line} "
    written = [f"{encode_basestring(key)}: {_text(item, key, inner)}" for key, item in value.items()]
    return f"{{{inner}{f',{inner}'.join(written)}{line}}}" if written else "{}"


def _sequence(value: Collection[Any], name: str, line: str) -> str:
    inner = f"{line} "
    return f"[{inner}{f',{inner}'.join([_text(item, name, inner) for item in value])}{line}]" if value else "[]"


def _other(value: Any, name: str, line: str) -> str:
    """Return what is written rarely: constants, whole numbers, members of enumerations, kinds of the usual kinds."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return encode_basestring(value)
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float):
        return _number(float(value), _digits(name))
    if isinstance(value, tuple | list):
        return _sequence(value, name, line)
    if isinstance(value, dict):
        return _mapping(value, line)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def _digits(name: str) -> int:
    return 3 if name.endswith("_s") else 6


def _number(value: float, digits: int) -> str:
    return repr(round(value, digits)) if isfinite(value) else "0.0"
