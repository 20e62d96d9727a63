"""Validate blob keys, by the same rules for every store."""

import re

from pipelines.errors import StorageError

MAX_KEY_BYTES = 1024  # S3's limit
MAX_PART_BYTES = 255  # NAME_MAX of common file systems

_PART = re.compile(r"(?!\.+$)[A-Za-z0-9_.=+@-]+")
_SHORT_KEY = re.compile(r"(?!\.+(?:/|$))[A-Za-z0-9_.=+@-]+(?:/(?!\.+(?:/|$))[A-Za-z0-9_.=+@-]+)*")
"""A key whose parts are all short enough: the same rule in one look, for nearly all keys."""

PRIVATE_MARK = "~"
"""Starts the names that stores keep for themselves; no valid key holds it."""

OWNER_NAME = f"{PRIVATE_MARK}owner"
"""Holds the identity of the ledger whose jobs' blobs these are."""


def validated_key(key: str) -> str:
    """Return ``key`` unchanged; raises `StorageError` unless it is ``/``-separated parts of safe ASCII.

    Parts hold letters, digits and ``_.=+@-`` and are not made of dots alone, so neither ``..`` nor an absolute path
    nor an empty part passes.
    """
    if len(key) <= MAX_PART_BYTES and _SHORT_KEY.fullmatch(key):
        return key
    if len(key) > MAX_KEY_BYTES or not all(_valid_part(part) for part in key.split("/")):
        raise StorageError(f"not a blob key: {key[:MAX_PART_BYTES]!r}")
    return key


def validated_prefix(prefix: str) -> str:
    """Return ``prefix`` unchanged; raises `StorageError` unless some valid key could start with it."""
    *parts, last = prefix.split("/")
    if (
        len(prefix) > MAX_KEY_BYTES
        or not all(map(_valid_part, parts))
        or not (last.strip(".") == "" or _valid_part(last))
    ):
        raise StorageError(f"not a prefix of blob keys: {prefix[:MAX_PART_BYTES]!r}")
    return prefix


def deletable_prefix(prefix: str) -> str:
    """Validate as `validated_prefix` does, but refuse the empty prefix, which would empty the store."""
    if not prefix:
        raise StorageError("an empty prefix would delete every blob of the store")
    return validated_prefix(prefix)


def validated_range(key: str, offset: int, n_bytes: int) -> None:
    """Raise `StorageError` when a byte range is negative."""
    if offset < 0 or n_bytes < 0:
        raise StorageError(f"negative byte range of {key}: offset {offset}, {n_bytes} bytes")


def _valid_part(part: str) -> bool:
    return len(part) <= MAX_PART_BYTES and _PART.fullmatch(part) is not None
