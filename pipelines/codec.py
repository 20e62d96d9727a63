"""Dataclasses to JSON bytes and back, validated on the way in."""

from collections.abc import Set
from typing import Any, TypeVar

from pydantic import TypeAdapter

T = TypeVar("T")

_ADAPTERS: dict[type, TypeAdapter[Any]] = {}  # building one costs milliseconds


def _adapter(kind: type) -> TypeAdapter[Any]:
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


def encode(value: object, *, without: Set[str] = frozenset()) -> bytes:
    """Serialise a dataclass as UTF-8 JSON, ``without`` some of its fields."""
    data: bytes = _adapter(type(value)).dump_json(value, exclude=set(without) or None)
    return data


def decode(kind: type[T], data: bytes | str) -> T:
    """Parse what `encode` wrote; raises ``pydantic.ValidationError`` when it is not a ``kind``."""
    value: T = _adapter(kind).validate_json(data)
    return value
