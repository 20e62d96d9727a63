"""Conditional requests (RFC 9110, section 13)."""


def matches(if_none_match: str, etag: str) -> bool:
    """Return whether the header ``If-None-Match`` names an entity."""
    given = [part.strip().removeprefix("W/") for part in if_none_match.split(",")]
    return "*" in given or etag in given
