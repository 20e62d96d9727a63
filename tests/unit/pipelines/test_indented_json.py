"""JSON with one item a line is what the standard encoder writes, of any values that results hold."""

import json
from dataclasses import asdict, dataclass, is_dataclass
from enum import IntEnum, StrEnum
from math import isfinite
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.indented_json import indented_json


class Word(StrEnum):
    GOOD = 'go"od'


class Number(IntEnum):
    ONE = 1


@dataclass(frozen=True, kw_only=True)
class Node:
    start_s: float
    score: float
    name: str
    inner: Any
    tags: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Nothing:
    pass


def rounded(value: Any, name: str = "") -> Any:
    """Return a value as the encoder is to have it: plain, with numbers as they are documented."""
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, float):
        return round(value, 3 if name.endswith("_s") else 6) if isfinite(value) else 0.0
    if isinstance(value, dict):
        return {key: rounded(item, key) for key, item in value.items()}
    return [rounded(item, name) for item in value] if isinstance(value, list | tuple) else value


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(
    ['"', "\\", "\n\x00\x1f\x7f", "é字"]
)
PLAIN = TEXT | st.floats() | st.integers() | st.booleans() | st.none() | st.sampled_from([Word.GOOD, Number.ONE])
VALUES = st.recursive(
    PLAIN | st.just(Nothing()),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.sampled_from(["at_s", "at", 'a "b"']) | TEXT, inner, max_size=3)
        | st.builds(Node, start_s=st.floats(), score=st.floats(), name=TEXT, inner=inner, tags=st.tuples(inner))
    ),
    max_leaves=12,
)


@given(VALUES)
def test_bytes_are_those_of_the_standard_encoder(value: Any) -> None:
    """Text, numbers, lists, mappings and dataclasses, in each other; of every kind also none."""
    expected = json.dumps(rounded(value), ensure_ascii=False, indent=1, allow_nan=False)
    assert indented_json(value) == f"{expected}\n".encode()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.00000149, "1e-06"),
        (-0.0000001, "-0.0"),
        (1e22, "1e+22"),
        (float("nan"), "0.0"),
        (float("-inf"), "0.0"),
        ({"at_s": [0.12345, 2]}, '{\n "at_s": [\n  0.123,\n  2\n ]\n}'),
    ],
)
def test_numbers(value: Any, text: str) -> None:
    """They are written as Python writes them, in seconds to the millisecond; what is not finite is 0."""
    assert indented_json(value) == f"{text}\n".encode()


@pytest.mark.parametrize("value", [b"", {1}, object(), Nothing])
def test_what_is_no_json(value: object) -> None:
    """Other values are refused."""
    with pytest.raises(TypeError):
        indented_json(value)
