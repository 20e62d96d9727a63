"""Defines what a document is made of: headings, paragraphs, tables and spoken turns, of runs of text.

Every format prints the same blocks in the same order, so they cannot come to disagree.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from pipelines.export.labels import Labels

Look = Literal["plain", "strong", "faint"]
Kind = Literal["body", "bullet", "item", "note", "warning"]


@dataclass(frozen=True, kw_only=True)
class Run:
    """Text of one look; ``link`` names the transcript turn it leads to."""

    text: str
    look: Look = "plain"
    link: str = ""


Line = tuple[Run, ...]
Cell = tuple[Line, ...]


@dataclass(frozen=True, kw_only=True)
class Heading:
    """A section's heading, 1 the highest level; ``new_page`` starts the details of long minutes, and the appendices:
    quality notes, if any, and the transcript."""

    text: str
    level: int = 1
    new_page: bool = False


@dataclass(frozen=True, kw_only=True)
class Paragraph:
    """One or more lines kept together; a ``note`` is set apart from the text.

    An ``item`` belongs to a list: ``mark`` is its number or bullet, "" where it goes on; ``depth`` counts from 0;
    ``leads`` keeps it on the page of what comes next.
    """

    lines: tuple[Line, ...]
    kind: Kind = "body"
    mark: str = ""
    depth: int = 0
    leads: bool = False


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows of cells of lines, the ``header`` empty where there is none; ``shares`` of the width add up to 1."""

    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    shares: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Holds the title, "" where the template writes none, and the blocks below it."""

    title: str
    blocks: tuple[Heading | Paragraph | Table, ...]


@dataclass(frozen=True, kw_only=True)
class SpokenTurn:
    """A line of the transcript; ``anchor`` is where links to it lead."""

    anchor: str
    time: str
    speaker: str
    text: Line


Block = Heading | Paragraph | Table | SpokenTurn


@dataclass(frozen=True, kw_only=True)
class Content:
    """A document: title, facts about it, and its blocks."""

    title: str
    language: str
    labels: Labels
    facts: tuple[tuple[str, str], ...]
    blocks: tuple[Block, ...]


def cell(text: str, look: Look = "plain") -> Cell:
    """Return one line of one run, as cells of tables and short paragraphs have it."""
    return ((Run(text=text, look=look),),)


def paragraph(text: str, kind: Kind = "body") -> Paragraph:
    """Return a paragraph of one line."""
    return Paragraph(lines=cell(text), kind=kind)


def faint(text: str) -> Paragraph:
    """Say that a section has nothing, or nothing more, to say."""
    return Paragraph(lines=cell(text, "faint"))


def numbered(header: tuple[str, ...], rows: Iterable[tuple[Cell, ...]], shares: tuple[float, ...]) -> Table:
    """Build a table with the numbers of its rows in a column before the others."""
    counted = tuple((cell(str(n), "faint"), *row) for n, row in enumerate(rows, start=1))
    return Table(header=("#", *header), rows=counted, shares=shares)
