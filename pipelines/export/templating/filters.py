"""Defines the filters and tests of templates: Jinja2's, by its names and arguments, each bounded and paid for.

A filter takes the budget, the value and its arguments; a test likewise, and says true or false.
"""

import math
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from pipelines.errors import TemplateInvalid
from pipelines.export.templating.values import (
    MAX_TEXT_CHARACTERS,
    SEQUENCES,
    Budget,
    Undefined,
    attribute,
    checked_number,
    contains,
    defined,
    equal,
    is_number,
    less,
    number,
    text_of,
    truth,
)

MAX_PRECISION = 10  # digits that numbers are rounded to, behind the point or before it
MAX_TRIMMED = 100  # characters that are trimmed away
MAX_DIGITS = 100  # of a text that is read as a number
MAX_JOINED_CHARACTERS = MAX_TEXT_CHARACTERS
_WORD_STARTS = re.compile(r"([-\s({\[<]+)")  # as Jinja's `title` sees them


def _texts(name: str, change: Callable[[str], str]) -> Callable[[Budget, Any], str]:
    def filtered(budget: Budget, value: Any) -> str:
        return budget.made(change(budget.made(text_of(value, name))))

    return filtered


def _titled(text: str) -> str:
    return "".join(part[0].upper() + part[1:].lower() for part in _WORD_STARTS.split(text) if part)


def _trim(budget: Budget, value: Any, chars: Any = None) -> str:
    unwanted = None if chars is None else text_of(chars, "trim")
    if unwanted is not None and len(unwanted) > MAX_TRIMMED:
        raise TemplateInvalid(f"trim takes {MAX_TRIMMED} characters at most")
    return budget.made(budget.made(text_of(value, "trim")).strip(unwanted))


def _truncate(
    budget: Budget, s: Any, length: Any = 255, killwords: Any = False, end: Any = "...", leeway: Any = None
) -> str:
    text, mark = text_of(s, "truncate"), text_of(end, "truncate")
    longest = int(number(length, "truncate"))
    slack = 5 if leeway is None else int(number(leeway, "truncate"))
    if longest < len(mark) or slack < 0:
        raise TemplateInvalid(f"truncate takes a length of {len(mark)} at least and no negative leeway")
    if len(text) <= longest + slack:
        return budget.made(text)
    kept = text[: longest - len(mark)]
    return budget.made((kept if truth(killwords) else kept.rsplit(" ", 1)[0]) + mark)


def _join(budget: Budget, items: Any, separator: Any = "", attribute: Any = None) -> str:
    between = text_of(separator, "join")
    texts, n_characters = [], 0
    for item in budget.items(items, "join is for lists"):
        text = text_of(item if attribute is None else _at(item, attribute), "join")
        n_characters += len(text) + len(between)
        if n_characters > MAX_JOINED_CHARACTERS:
            raise TemplateInvalid("join makes too long a text")
        texts.append(text)
    return budget.made(between.join(texts))


def _default(budget: Budget, value: Any, default_value: Any = "", boolean: Any = False) -> Any:
    if isinstance(value, Undefined) or (truth(boolean) and not truth(value)):
        return default_value
    return value


def _length(budget: Budget, value: Any) -> int:
    if not isinstance(defined(value), (str, *SEQUENCES, Mapping)):
        raise TemplateInvalid("length is for lists and texts")
    return len(value)


def _list(budget: Budget, value: Any) -> list[Any]:
    if isinstance(defined(value), str):
        budget.spend_rounds(len(value))
        return list(value)
    return list(budget.items(value, "list is for lists and texts"))


def _first(budget: Budget, seq: Any) -> Any:
    if isinstance(defined(seq), Mapping):
        return attribute(_list(budget, seq), 0)
    return _end(seq, 0, "first")


def _last(budget: Budget, seq: Any) -> Any:
    return _end(seq, -1, "last")


def _end(seq: Any, at: int, name: str) -> Any:
    if not isinstance(defined(seq), (str, *SEQUENCES)):
        raise TemplateInvalid(f"{name} is for lists and texts")
    return seq[at] if seq else Undefined(about="an empty list has no items")


def _reverse(budget: Budget, value: Any) -> Any:
    if isinstance(defined(value), str):
        return budget.made(value[::-1])
    return list(budget.items(value, "reverse is for lists and texts"))[::-1]


def _round(budget: Budget, value: Any, precision: Any = 0, method: Any = "common") -> Any:
    digits = number(precision, "round")
    if not isinstance(digits, int) or abs(digits) > MAX_PRECISION:
        raise TemplateInvalid(f"round takes a precision from -{MAX_PRECISION} to {MAX_PRECISION}")
    rounded = number(value, "round")
    if method == "common":
        return checked_number(round(rounded, digits))
    if method not in ("ceil", "floor"):
        raise TemplateInvalid("round's method is common, ceil or floor")
    towards = math.ceil if method == "ceil" else math.floor
    return checked_number(towards(rounded * 10**digits) / 10**digits)


def _int(budget: Budget, value: Any, default: Any = 0, base: Any = 10) -> Any:
    given = _readable(value, "int")
    try:
        return checked_number(int(given, number(base, "int")) if isinstance(given, str) else int(given))
    except (TypeError, ValueError, OverflowError):
        try:
            return checked_number(int(float(given)))
        except (TypeError, ValueError, OverflowError):
            return default


def _float(budget: Budget, value: Any, default: Any = 0.0) -> Any:
    try:
        return float(_readable(value, "float"))
    except (TypeError, ValueError, OverflowError):
        return default


def _readable(value: Any, name: str) -> Any:
    """Return what a number is read from: a number, a text that is not too long, None for the rest."""
    if isinstance(defined(value), str) and len(value) > MAX_DIGITS:
        raise TemplateInvalid(f"{name} reads texts of {MAX_DIGITS} characters at most")
    return value if isinstance(value, str) or is_number(value) else None


def _sort(
    budget: Budget, value: Any, reverse: Any = False, case_sensitive: Any = False, attribute: Any = None
) -> list[Any]:
    items = budget.items(value, "sort is for lists")
    budget.spend(len(items) * len(items).bit_length())
    names = attribute.split(",") if isinstance(attribute, str) else [attribute]
    keyed = [(tuple(_key(budget, item, name, case_sensitive) for name in names), item) for item in items]
    for column in zip(*(key for key, _ in keyed), strict=True):
        if len({isinstance(part, str) for part in column}) > 1:
            raise TemplateInvalid("sort is for numbers, or for texts")
    return [item for _, item in sorted(keyed, key=lambda pair: pair[0], reverse=truth(reverse))]


def _unique(budget: Budget, value: Any, case_sensitive: Any = False, attribute: Any = None) -> list[Any]:
    found: dict[Any, Any] = {}
    for item in budget.items(value, "unique is for lists"):
        found.setdefault(_key(budget, item, attribute, case_sensitive), item)
    return list(found.values())


def _key(budget: Budget, item: Any, attribute: Any, case_sensitive: Any) -> Any:
    """Return what an item is ordered and told apart by: a text or a number."""
    key = defined(item if attribute is None else _at(item, attribute))
    if isinstance(key, str):
        return budget.made(key if truth(case_sensitive) else key.lower())
    if not is_number(key):
        raise TemplateInvalid("only texts and numbers are ordered and told apart")
    return key


def _at(item: Any, path: Any) -> Any:
    """Follow a path of attributes, ``a.b``, ``0.text``; `Undefined` where it ends early."""
    for name in path.split(".") if isinstance(path, str) else [path]:
        if isinstance(item, Undefined):
            break
        item = attribute(item, int(name) if isinstance(name, str) and name.isdecimal() and len(name) < 9 else name)
    return item


def _map(budget: Budget, value: Any, *args: Any, **kwargs: Any) -> list[Any]:
    items = budget.items(value, "map is for lists")
    if not args and "attribute" in kwargs and kwargs.keys() <= {"attribute", "default"}:
        fallback = kwargs.get("default", _NOTHING)
        found = [_at(item, kwargs["attribute"]) for item in items]
        return [fallback if isinstance(one, Undefined) and fallback is not _NOTHING else one for one in found]
    if not args:
        raise TemplateInvalid("map takes the name of a filter, or an attribute")
    return [applied(FILTERS, budget, args[0], item, args[1:], kwargs) for item in items]


def _selecting(name: str, *, wanted: bool, by_attribute: bool) -> Callable[..., list[Any]]:
    def select(budget: Budget, value: Any, *args: Any, **kwargs: Any) -> list[Any]:
        if by_attribute and not args:
            raise TemplateInvalid(f"{name} takes an attribute")
        test, more = args[by_attribute : by_attribute + 1], args[by_attribute + 1 :]

        def holds(item: Any) -> bool:
            one = _at(item, args[0]) if by_attribute else item
            return truth(applied(TESTS, budget, test[0], one, more, kwargs) if test else one)

        return [item for item in budget.items(value, f"{name} is for lists") if holds(item) is wanted]

    return select


_NOTHING = object()


def applied(
    table: Mapping[str, Callable[..., Any]],
    budget: Budget,
    name: Any,
    value: Any,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
) -> Any:
    """Return what a filter or a test of the table makes of a value; raises `TemplateInvalid`."""
    what = "filter" if table is FILTERS else "test"
    function = table.get(name) if isinstance(name, str) else None
    if function is None:
        raise TemplateInvalid(f"No {what} named {text_of(name, what)[:50]!r}.")
    budget.spend()
    try:
        return function(budget, value, *args, **kwargs)
    except TypeError:
        raise TemplateInvalid(f"the {what} {name} does not take this value with these arguments") from None


def _divisible(budget: Budget, value: Any, num: Any) -> bool:
    return bool(number(value, "divisibleby") % number(num, "divisibleby") == 0)


def _remainder(name: str, wanted: int) -> Callable[[Budget, Any], bool]:
    return lambda budget, value: bool(number(value, name) % 2 == wanted)


FILTERS: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        "capitalize": _texts("capitalize", str.capitalize),
        "count": _length,
        "d": _default,
        "default": _default,
        "first": _first,
        "float": _float,
        "int": _int,
        "join": _join,
        "last": _last,
        "length": _length,
        "list": _list,
        "lower": _texts("lower", str.lower),
        "map": _map,
        "reject": _selecting("reject", wanted=False, by_attribute=False),
        "rejectattr": _selecting("rejectattr", wanted=False, by_attribute=True),
        "reverse": _reverse,
        "round": _round,
        "select": _selecting("select", wanted=True, by_attribute=False),
        "selectattr": _selecting("selectattr", wanted=True, by_attribute=True),
        "sort": _sort,
        "title": _texts("title", _titled),
        "trim": _trim,
        "truncate": _truncate,
        "unique": _unique,
        "upper": _texts("upper", str.upper),
    }
)

_ORDER: Mapping[str, Callable[[Budget, Any, Any], bool]] = {
    "lt": less,
    "gt": lambda budget, value, other: less(budget, other, value),
    "le": lambda budget, value, other: not less(budget, other, value),
    "ge": lambda budget, value, other: not less(budget, value, other),
    "eq": equal,
    "ne": lambda budget, value, other: not equal(budget, value, other),
}
TESTS: Mapping[str, Callable[..., bool]] = MappingProxyType(
    {
        **_ORDER,
        **{sign: _ORDER[name] for sign, name in zip(("<", ">", "<=", ">=", "==", "!="), _ORDER, strict=True)},
        "equalto": equal,
        "defined": lambda budget, value: not isinstance(value, Undefined),
        "divisibleby": _divisible,
        "even": _remainder("even", 0),
        "false": lambda budget, value: value is False,
        "in": lambda budget, value, seq: contains(budget, seq, value),
        "none": lambda budget, value: value is None,
        "number": lambda budget, value: is_number(value),
        "odd": _remainder("odd", 1),
        "string": lambda budget, value: isinstance(value, str),
        "true": lambda budget, value: value is True,
        "undefined": lambda budget, value: isinstance(value, Undefined),
    }
)
