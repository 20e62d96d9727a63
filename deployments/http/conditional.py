"""Conditional requests and ranges (RFC 9110, sections 13 and 14)."""

import re

from pipelines.errors import RangeNotSatisfiable

_RANGE = re.compile(r"\s*bytes\s*=\s*(?P<first>\d{0,18})\s*-\s*(?P<last>\d{0,18})\s*", re.IGNORECASE)


def matches(if_none_match: str, etag: str) -> bool:
    """Return whether the header ``If-None-Match`` names an entity."""
    given = [part.strip().removeprefix("W/") for part in if_none_match.split(",")]
    return "*" in given or etag in given


def range_applies(if_range: str | None, etag: str) -> bool:
    """Return whether a client that has a part of an entity has it of this one: only a strong, equal tag says so.

    There is no ``Last-Modified``, so a date in the header names no entity.
    """
    return if_range is None or if_range.strip() == etag


def byte_range(wanted: str | None, n_bytes: int) -> range | None:
    """Return the bytes of an entity of ``n_bytes`` that the header ``Range`` asks for; None: all, as without a header.

    Several ranges at once, other units and what cannot be read count as no header, which a server may do (section
    14.2). Raises `RangeNotSatisfiable` where the entity has none of the bytes.
    """
    found = _RANGE.fullmatch(wanted or "")
    if found is None or not (found["first"] or found["last"]):
        return None
    if not found["first"]:
        asked = range(max(0, n_bytes - int(found["last"])), n_bytes)
    else:
        first = int(found["first"])
        last = int(found["last"]) if found["last"] else max(first, n_bytes - 1)
        if last < first:
            return None
        asked = range(first, min(last + 1, n_bytes))
    if not asked:
        raise RangeNotSatisfiable(f"There are {n_bytes} bytes, and none of them in the range asked for.", n_bytes)
    return asked
