"""One reading of option values, at whichever door they come: form, query, JSON, batch line, sidecar, upload, flag.

Texts stand for numbers and lists there, and clients write lists in many forms.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")
_QUOTES = "\"'"


def is_left_out(value: Any) -> bool:
    """Return whether a value says nothing: null, or a text without a character."""
    return value is None or (isinstance(value, str) and not value.strip())


def given(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that say something; the others are as good as left out."""
    return {name: value for name, value in values.items() if not is_left_out(value)}


def listed(value: Any) -> Any:
    """Read a list: one of JSON's, or a text such as ``A,B``, ``["A", "B"]`` or ``['A']``; others stay as they are.

    Parts without a character are left out. The parts of a list may hold commas, those of a text may not.
    """
    if isinstance(value, list | tuple) and len(value) == 1 and isinstance(value[0], str) and _is_bracketed(value[0]):
        value = value[0]
    if isinstance(value, str):
        value = _parts(value.strip())
    if not isinstance(value, list | tuple):
        return value
    return [part.strip() if isinstance(part, str) else part for part in value if not is_left_out(part)]


def decimal(value: Any) -> Any:
    """Read a number with a comma for its point; others stay as they are."""
    if isinstance(value, str) and _DECIMAL_COMMA.fullmatch(value.strip()):
        return value.replace(",", ".")
    return value


def trimmed(value: Any) -> Any:
    """Take white space from the ends of a text."""
    return value.strip() if isinstance(value, str) else value


def _is_bracketed(text: str) -> bool:
    text = text.strip()
    return text.startswith("[") and text.endswith("]")


def _parts(text: str) -> list[Any]:
    if not _is_bracketed(text):
        return text.split(",")
    try:
        parts = json.loads(text)
    except (ValueError, RecursionError):
        return [part.strip().strip(_QUOTES) for part in text[1:-1].split(",")]
    return parts if isinstance(parts, list) else [parts]
