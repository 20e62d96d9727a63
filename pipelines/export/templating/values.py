"""Defines the values of templates and what may be done with them, each act paid for out of one budget.

A value is a text, a number, true, false, none, a list of values, or a mapping that was handed in. A template can
neither reach Python's attributes nor make a value whose size was not paid for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipelines.errors import TemplateInvalid

MAX_STEPS = 1_000_000  # of one filling: expressions, rounds, items, tens of characters
MAX_ROUNDS = 100_000  # of all loops together, and of the items that filters go over
MAX_TEXT_CHARACTERS = 100_000  # of a text that a filter makes
MAX_LITERAL_ITEMS = 10_000  # of a list that is written down, with all that is in it
MAX_VALUE_NESTING = 20  # of lists within lists that are compared or written down
MAX_NUMBER = 10**15
_CHARACTERS_A_STEP = 10

Number = int | float
SEQUENCES = (list, tuple)


class Markup(str):
    """Marks text that is markup already, made by ourselves."""

    __slots__ = ()


@dataclass(frozen=True, kw_only=True)
class Undefined:
    """Stands for what is not there: using it is an error, asking whether it is there is not."""

    about: str


@dataclass(frozen=True, kw_only=True)
class Loop:
    """Says where a loop is: what ``loop`` stands for within one."""

    items: Sequence[Any]
    index0: int

    def attribute(self, name: str) -> Any:
        """Return what Jinja calls by this name; `Undefined` for others."""
        n_items, index0 = len(self.items), self.index0
        match name:
            case "index":
                return index0 + 1
            case "index0":
                return index0
            case "revindex":
                return n_items - index0
            case "revindex0":
                return n_items - index0 - 1
            case "first":
                return index0 == 0
            case "last":
                return index0 == n_items - 1
            case "length":
                return n_items
            case "depth":
                return 1
            case "depth0":
                return 0
            case "previtem" if index0 > 0:
                return self.items[index0 - 1]
            case "nextitem" if index0 < n_items - 1:
                return self.items[index0 + 1]
        return Undefined(about=f"the loop has no {name!r} here")


class Budget:
    """Counts what one filling takes; raises `TemplateInvalid` when there is nothing left."""

    def __init__(self, max_steps: int = MAX_STEPS) -> None:
        self._n_steps_left = max_steps
        self._n_rounds_left = MAX_ROUNDS

    def spend(self, n_steps: int = 1) -> None:
        self._n_steps_left -= n_steps
        if self._n_steps_left < 0:
            raise TemplateInvalid("it takes too long")

    def spend_rounds(self, n_rounds: int) -> None:
        """Pay for going over so many items."""
        self._n_rounds_left -= n_rounds
        if self._n_rounds_left < 0:
            raise TemplateInvalid(f"its loops take more than {MAX_ROUNDS} rounds")
        self.spend(n_rounds)

    def spend_characters(self, n_characters: int) -> None:
        self.spend(1 + n_characters // _CHARACTERS_A_STEP)

    def made(self, text: str) -> str:
        """Pay for a text that was made, and return it."""
        if len(text) > MAX_TEXT_CHARACTERS:
            raise TemplateInvalid(f"it makes a text of more than {MAX_TEXT_CHARACTERS} characters")
        self.spend_characters(len(text))
        return text

    def items(self, value: Any, what: str = "loops go over lists") -> Sequence[Any]:
        """Pay for the items of a list or the names in a mapping, and return them."""
        defined(value)
        if not isinstance(value, (*SEQUENCES, Mapping)):
            raise TemplateInvalid(what)
        self.spend_rounds(len(value))
        return value if isinstance(value, SEQUENCES) else list(value)

    def weigh(self, value: Any, max_items: int = MAX_STEPS) -> None:
        """Pay for everything in a value, as often as it is in there; raises for too much and for too deep."""
        n_items, level = 0, [value]
        for _ in range(MAX_VALUE_NESTING):
            inner: list[Any] = []
            for item in level:
                n_items += 1
                if isinstance(item, str):
                    self.spend_characters(len(item))
                    continue
                self.spend()
                inner += item if isinstance(item, SEQUENCES) else item.values() if isinstance(item, Mapping) else ()
                if n_items + len(inner) > max_items:
                    raise TemplateInvalid(f"it makes a list of more than {max_items} items")
            if not inner:
                return
            level = inner
        raise TemplateInvalid(f"its lists are nested more than {MAX_VALUE_NESTING} levels deep")


def defined(value: Any) -> Any:
    """Return the value; raises for what is not there."""
    if isinstance(value, Undefined):
        raise TemplateInvalid(value.about)
    return value


def is_number(value: Any) -> bool:
    return isinstance(value, int | float)


def number(value: Any, what: str) -> Any:
    """Return a number; raises, naming who wants one, for everything else."""
    defined(value)
    if not is_number(value):
        raise TemplateInvalid(f"{what} is for numbers only")
    return value


def checked_number(value: Number) -> Number:
    """Return a number; raises for one that is too large."""
    if isinstance(value, int) and abs(value) > MAX_NUMBER:
        raise TemplateInvalid(f"whole numbers go to {MAX_NUMBER:,}")
    return value


def text_of(value: Any, what: str) -> str:
    """Return the text of a text, a number, true, false or none; raises for lists and whatever else has parts."""
    defined(value)
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if not is_number(value):
        raise TemplateInvalid(f"{what} is for texts and numbers, not for lists")
    return str(value)


def truth(value: Any) -> bool:
    """Say whether a condition holds, by Python's rules."""
    return bool(defined(value))


def attribute(value: Any, name: Any) -> Any:
    """Return a mapping's value, a list's or text's item, where a loop is; `Undefined` where there is none."""
    defined(value)
    if isinstance(name, str):
        if isinstance(value, Mapping):
            return value.get(name, Undefined(about=f"there is no attribute {name!r}"))
        if isinstance(value, Loop):
            return value.attribute(name)
    elif isinstance(name, int) and isinstance(value, (str, *SEQUENCES)) and -len(value) <= name < len(value):
        return value[name]
    defined(name)
    if not (isinstance(name, str) or is_number(name)):
        raise TemplateInvalid("attributes are named by texts and numbers")
    return Undefined(about=f"there is no attribute or item {name!r}")


def equal(budget: Budget, left: Any, right: Any) -> bool:
    """Say whether two values are equal; both count towards the budget."""
    for value in (left, right):
        budget.weigh(defined(value))
    return bool(left == right)


def less(budget: Budget, left: Any, right: Any) -> bool:
    """Say whether a number or a text comes before another of its kind."""
    for value in (left, right):
        defined(value)
    if isinstance(left, str) and isinstance(right, str):
        budget.spend_characters(min(len(left), len(right)))
    elif not (is_number(left) and is_number(right)):
        raise TemplateInvalid("only two numbers or two texts come one before the other")
    return bool(left < right)


def contains(budget: Budget, where: Any, what: Any) -> bool:
    """Say whether a text, a list or a mapping's names contain something."""
    defined(what)
    if isinstance(defined(where), str):
        if not isinstance(what, str):
            raise TemplateInvalid("only a text can be in a text")
        budget.spend_characters(len(where) + len(what))
        return what in where
    return any(equal(budget, item, what) for item in budget.items(where, "in is for lists and texts"))
