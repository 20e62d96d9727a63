"""Parameters of other vendors' APIs: those that are not supported, and refusals by the vendor's names."""

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pipelines.errors import InvalidOptions, refused_option
from pipelines.validation import Fault, told

_OFF: tuple[object, ...] = (None, False, "", "false", "False", "0", [], {})
"""Values by which clients leave a feature out that they name."""


def is_off(value: object) -> bool:
    """Say whether a value asks for nothing; a list of such values does not either."""
    if isinstance(value, list | tuple):
        return all(map(is_off, value))
    return any(value is off or (type(value) is type(off) and value == off) for off in _OFF)


def without_unsupported(values: Mapping[str, Any], refused: Mapping[str, str]) -> dict[str, Any]:
    """Leave out parameters that ask for nothing; raises `InvalidOptions` for one that is ``refused``, saying why."""
    for name, value in values.items():
        if name in refused and not is_off(value):
            raise refused_option(name, refused[name])
    return {name: value for name, value in values.items() if name not in refused}


@contextmanager
def named(names: Mapping[str, str]) -> Iterator[None]:
    """Have refusals of MeetMemo's options name the vendor's parameters that they come from, by ``names``."""
    try:
        yield
    except InvalidOptions as error:
        found = tuple(Fault(_renamed(field, names), message) for field, message in error.errors)
        raise InvalidOptions(told(found) if found else str(error), found) from None


def _renamed(field: str, names: Mapping[str, str]) -> str:
    first, dot, rest = field.partition(".")
    return f"{names.get(first, first)}{dot}{rest}"


def chosen_model(name: str, known: Collection[str], vendor: re.Pattern[str]) -> str | None:
    """Return the configured model of a name; None, the default one, for names of the ``vendor``'s own models.

    Other names are returned as they are, to be refused.
    """
    return None if name not in known and (not name or vendor.match(name)) else name
