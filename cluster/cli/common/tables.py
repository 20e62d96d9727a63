"""Lists on the command line: a table that fits a terminal, lines with tabs in a pipe, JSON where it is asked for.

Nothing is ever cut. Where a terminal is too narrow for whole ids, they are shortened to prefixes that are unique in the
list, which commands take; where it is too narrow for a table, each row becomes lines of its own.
"""

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

SHORTEST_ID = 14
"""Digits that an id keeps at least: those of its time, and two more."""
_GAP = 2
_LONGEST_WORD = 24  # longer ones are broken


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column: of ``words`` (folded where the table is too wide), a ``number`` (to the right) or an ``id``."""

    name: str
    kind: str = "words"


def words(*names: str) -> tuple[Column, ...]:
    """Return columns of words."""
    return tuple(Column(name=name) for name in names)


def numbers(*names: str) -> tuple[Column, ...]:
    """Return columns of numbers, which are never broken."""
    return tuple(Column(name=name, kind="number") for name in names)


def ids(*names: str) -> tuple[Column, ...]:
    """Return columns of ids, which are never broken."""
    return tuple(Column(name=name, kind="id") for name in names)


def show_table(console: Console, columns: Sequence[Column], rows: Sequence[Sequence[str]], title: str = "") -> None:
    """Print rows of plain text: tabs between columns unless the console is a terminal."""
    rows = [[_one_line(cell) for cell in row] for row in rows]
    if not console.is_terminal:
        for row in ([column.name for column in columns], *rows):
            print("\t".join(row), file=console.file)
        return
    if _width(columns, rows) + _GAP * (len(columns) - 1) > console.width:
        rows = _shortened(columns, rows)
    least = _least_width(columns, rows)
    gap = next((gap for gap in (_GAP, 1) if least + gap * (len(columns) - 1) <= console.width), 0)
    if not gap:
        _show_cards(console, columns, rows, title)
        return
    table = Table(title=title or None, box=None, pad_edge=False, padding=(0, gap, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(
            column.name,
            justify="right" if column.kind == "number" else "left",
            no_wrap=column.kind != "words",
            overflow="fold",
        )
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console.print(table)


def print_json(value: Any) -> None:
    """Print JSON, in one line and as it is."""
    print(json.dumps(value, ensure_ascii=False))


def minute(at: str | float | None) -> str:
    """Return a time (ISO 8601 or Unix seconds) to the minute, UTC; "" for None."""
    if at is None:
        return ""
    found = datetime.fromtimestamp(at, UTC) if isinstance(at, int | float) else datetime.fromisoformat(at)
    return f"{found.astimezone(UTC):%Y-%m-%d %H:%M}"


def _one_line(cell: str) -> str:
    return " ".join(cell.split())


def _show_cards(console: Console, columns: Sequence[Column], rows: Sequence[Sequence[str]], title: str) -> None:
    if title:
        console.print(Text(title))
    for row in rows:
        for column, cell in zip(columns, row, strict=True):
            console.print(Text(f"{column.name}: {cell}"), soft_wrap=True)
        console.print()


def _shortened(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> list[list[str]]:
    """Shorten ids to prefixes that no other id of the column has."""
    found = [list(row) for row in rows]
    for index, column in enumerate(columns):
        if column.kind != "id":
            continue
        different = sorted({row[index] for row in rows})
        shared = max(itertools.starmap(_n_shared, itertools.pairwise(different)), default=0)
        for row in found:
            row[index] = row[index][: max(SHORTEST_ID, shared + 1)]
    return found


def _n_shared(one: str, other: str) -> int:
    """Return how many characters two different texts begin with alike."""
    return next((n for n, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), len(one))


def _width(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> int:
    """Return the characters of a row with nothing folded, gaps aside."""
    return sum(max(map(_cells, (column.name, *cells))) for column, cells in _columns(columns, rows))


def _least_width(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> int:
    """Return the characters of a row with words folded, each column as wide as it must be to be read, gaps aside."""
    widths = []
    for column, cells in _columns(columns, rows):
        if column.kind == "words":
            each = (word for cell in (column.name, *cells) for word in cell.split())
            widths.append(min(_LONGEST_WORD, max(map(_cells, each), default=0)))
        else:
            widths.append(max(map(_cells, (column.name, *cells))))
    return sum(widths)


def _columns(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> list[tuple[Column, list[str]]]:
    return [(column, [row[index] for row in rows]) for index, column in enumerate(columns)]


def _cells(text: str) -> int:
    return Text(text).cell_len
