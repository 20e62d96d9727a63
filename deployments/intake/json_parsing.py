"""Parse JSON of strangers within bounds.

A parser holds the interpreter's lock from its first byte to the last: what keeps it short are the bounds on bytes,
objects and names. Depth is bounded by the parser itself.
"""

import codecs
from typing import Any

from pydantic_core import from_json

from pipelines.errors import InvalidRequest

MAX_CONTAINERS = 200_000  # objects and lists; 4 MiB of empty ones are 1.4 million, and take 100 MB
MAX_COLONS = 400_000  # at least as many as names in all objects together
MAX_NAMES = 128  # in one object; each that is unknown is an error to describe


def parse_json(data: bytes, what: str = "The body") -> Any:
    """Parse JSON (RFC 8259) of bounded size; blocks. Raises `InvalidRequest`, which calls the data ``what``."""
    if data.count(b"{") + data.count(b"[") > MAX_CONTAINERS or data.count(b":") > MAX_COLONS:
        raise InvalidRequest(f"{what} holds too many values: {MAX_CONTAINERS} objects and lists at most.")
    try:
        value = from_json(data.removeprefix(codecs.BOM_UTF8), allow_inf_nan=False)
    except ValueError as error:
        raise InvalidRequest(f"{what} is not JSON: {error}") from None
    if _most_names(value) > MAX_NAMES:
        raise InvalidRequest(f"{what} has an object with more than {MAX_NAMES} names.")
    return value


def parse_object(data: bytes, what: str = "The body") -> dict[str, Any]:
    """Parse an object as `parse_json` does; raises `InvalidRequest` for any other value too."""
    value = parse_json(data, what)
    if not isinstance(value, dict):
        raise InvalidRequest(f"{what} is no JSON object.")
    return value


def _most_names(value: Any) -> int:
    """Return how many names the object with the most of them has, however deep it lies."""
    most, waiting = 0, [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            most = max(most, len(item))
            item = item.values()
        elif not isinstance(item, list):
            continue
        waiting.extend(part for part in item if isinstance(part, dict | list))
    return most
