"""Puts what pydantic finds wrong into words that name the right form, for whoever gave the value.

Every door speaks through `faults`: JSON bodies, forms, queries, batches, sidecars, uploads, the command line, settings.
Values are not repeated: some are secrets.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

MAX_NAME_CHARS = 80

_PATTERNS: dict[str, str] = {}


def worded(pattern: str, words: str) -> str:
    """Return a regular expression for `pydantic.StringConstraints`, and keep the ``words`` that say what it asks for.

    Raises ``ValueError`` when it has other words already.
    """
    if _PATTERNS.setdefault(pattern, words) != words:
        raise ValueError(f"two wordings of {pattern}")
    return pattern


def wording_of(pattern: str) -> str | None:
    """Return the words for a regular expression."""
    return _PATTERNS.get(pattern)


class Fault(NamedTuple):
    """One thing that is wrong: the option (a path with dots, "" for the whole) and what is to be changed."""

    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.field else self.message


def faults(errors: Iterable[Mapping[str, Any]], *, called: str = "option", skip: int = 0) -> tuple[Fault, ...]:
    """Return the faults of pydantic's ``errors()``.

    Fields are ``called`` so; the first ``skip`` parts of a place say which part of a request it is, and are left out
    where others follow.
    """
    found = []
    for error in errors:
        place = error["loc"][skip:] or error["loc"]
        words = describe(error, called=called)
        if place and place[-1] == "[key]":
            place, words = place[:-2], f"the name {_shown(place[-2])} {words}"
        found.append(Fault(".".join(map(_shown, place)), words))
    return tuple(found)


def told(found: Sequence[Fault]) -> str:
    """Return faults in one line."""
    return "; ".join(map(str, found))


def describe(error: Mapping[str, Any], *, called: str = "option") -> str:
    """Return one of pydantic's errors in words that name the right form."""
    kind, context = str(error["type"]), error.get("ctx") or {}
    if kind == "extra_forbidden":
        return f"there is no such {called}"
    if kind in _WORDS:
        return _WORDS[kind]
    if kind in _FILLED:
        return _FILLED[kind](context)
    return next((words for family, words in _FAMILIES.items() if kind.startswith(family)), "is in no accepted form")


def _shown(part: object) -> str:
    """Return a name that somebody gave as one short line."""
    text = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in str(part))
    return text if len(text) <= MAX_NAME_CHARS else f"{text[: MAX_NAME_CHARS - 1]}…"


def _at_least(length: int, unit: str) -> str:
    return "must not be empty" if length == 1 else f"must have at least {length} {unit}"


def _at_most(length: int, unit: str) -> str:
    return f"may have {length} {unit[:-1] if length == 1 and unit != 'entries' else unit} at most"


_TEXT = "must be text"
_NUMBER = "must be a number"
_WHOLE = "must be a whole number"
_LIST = "must be a list"
_OBJECT = "must be an object of names and values"
_DAY = "must be a day such as 2026-11-30"
_TIME = "must be a time with its zone, such as 2026-11-30T14:30:00Z"

_WORDS: Mapping[str, str] = {
    "missing": "is missing",
    "string_unicode": "must be text in UTF-8, without half a surrogate pair",
    "string_not_ascii": "may hold only characters of ASCII",
    "int_parsing_size": "has too many digits",
    "finite_number": "must be a finite number",
    "invalid_key": "must have names that are text",
    "none_required": "must be null",
    "bytes_invalid_encoding": "must be text in UTF-8",
    "timezone_naive": "must be a time without a zone",
    "date_from_datetime_inexact": f"{_DAY}, without a time",
    "date_past": "must be a day in the past",
    "date_future": "must be a day in the future",
    "datetime_past": "must be a time in the past",
    "datetime_future": "must be a time in the future",
    "recursion_loop": "is nested too deeply",
    "recursion_depth_exceeded": "is nested too deeply",
}
_FILLED: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "value_error": lambda context: str(context["error"]),
    "assertion_error": lambda context: str(context["error"]),
    "json_invalid": lambda context: f"is not JSON: {context['error']}",
    "greater_than": lambda context: f"must be more than {context['gt']}",
    "greater_than_equal": lambda context: f"must be {context['ge']} or more",
    "less_than": lambda context: f"must be less than {context['lt']}",
    "less_than_equal": lambda context: f"must be {context['le']} or less",
    "multiple_of": lambda context: f"must be a multiple of {context['multiple_of']}",
    "too_short": lambda context: _at_least(context["min_length"], "entries"),
    "too_long": lambda context: _at_most(context["max_length"], "entries"),
    "string_too_short": lambda context: _at_least(context["min_length"], "characters"),
    "string_too_long": lambda context: _at_most(context["max_length"], "characters"),
    "bytes_too_short": lambda context: _at_least(context["min_length"], "bytes"),
    "bytes_too_long": lambda context: _at_most(context["max_length"], "bytes"),
    "string_pattern_mismatch": lambda context: _PATTERNS.get(context["pattern"], "is in no accepted form"),
    "literal_error": lambda context: f"must be {str(context['expected']).replace(chr(39), '')}",
    "enum": lambda context: f"must be {str(context['expected']).replace(chr(39), '')}",
    "url_too_long": lambda context: _at_most(context["max_length"], "characters"),
}
_FAMILIES: Mapping[str, str] = {  # by the beginning of their names
    "string_": _TEXT,
    "bytes_": _TEXT,
    "int_": _WHOLE,
    "float_": _NUMBER,
    "decimal_": _NUMBER,
    "fraction_": _NUMBER,
    "complex_": _NUMBER,
    "bool_": "must be true or false",
    "date_": _DAY,
    "datetime_": _TIME,
    "timezone_": _TIME,
    "time_delta_": "must be a length of time, such as PT90S",
    "time_": "must be a time of day, such as 14:30",
    "url_": "must be a URL, such as https://example.com/",
    "uuid_": "must be a UUID",
    "json_": "must be JSON",
    "path_": "must be a path",
    "list_": _LIST,
    "tuple_": _LIST,
    "set_": _LIST,
    "frozen_set_": _LIST,
    "deque_": _LIST,
    "iterable_": _LIST,
    "named_tuple_": _LIST,
    "dict_": _OBJECT,
    "mapping_": _OBJECT,
    "model_": _OBJECT,
    "dataclass_": _OBJECT,
}
