"""How values of options are read, before anybody checks them."""

from typing import Any

import pytest

from deployments.intake.submission import list_name, merge_options
from deployments.schemas.option_values import decimal, given, listed
from pipelines.errors import InvalidOptions


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("A,B", ["A", "B"]),
        ("A, ,B,", ["A", "B"]),
        ('["A", "B"]', ["A", "B"]),
        ("['A', \"B\"]", ["A", "B"]),
        ("[A]", ["A"]),
        (["['A']"], ["A"]),
        (["Smith, John"], ["Smith, John"]),
        (["A", "", None, " B "], ["A", "B"]),
        ("[]", []),
        (7, 7),
        ([0], [0]),
        ({"a": 1}, {"a": 1}),
    ],
)
def test_lists(value: Any, expected: Any) -> None:
    """Texts with commas, JSON and quoted lists are lists; what is none is left to the type."""
    assert listed(value) == expected


@pytest.mark.parametrize(("value", "expected"), [("0,2", "0.2"), ("1,000,000", "1,000,000"), ("0.2", "0.2"), (1, 1)])
def test_decimals(value: Any, expected: Any) -> None:
    """One comma between digits is a point."""
    assert decimal(value) == expected


def test_what_says_nothing() -> None:
    """Null and empty texts are left out; zero, false and an empty list say something."""
    values: dict[str, Any] = {"a": None, "b": "", "c": " ", "d": 0, "e": False, "f": []}
    assert given(values) == {"d": 0, "e": False, "f": []}


@pytest.mark.parametrize(
    ("name", "expected"), [("mask[]", "mask"), ("mask[0]", "mask"), ("mask[a]", "mask[a]"), ("mask", "mask")]
)
def test_names_of_lists(name: str, expected: str) -> None:
    """Brackets behind a name, empty or with a number."""
    assert list_name(name) == expected


def test_places_are_brought_together() -> None:
    """An empty value in one place leaves room for another; two that say something are refused."""
    fields = {"mask[]": ["email"], "mask[1]": ["cards"], "beam_size": ["", "2"]}
    assert merge_options({"mask": [""]}, fields, {"beam_size": None}) == {"mask": ["email", "cards"], "beam_size": "2"}
    with pytest.raises(InvalidOptions, match="beam_size: given more than once"):
        merge_options({"beam_size": ["3"]}, {"beam_size": ["2"]})
