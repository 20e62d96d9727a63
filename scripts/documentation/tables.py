"""Write Markdown tables, and collect what lacks a description."""

from collections.abc import Iterable, Sequence


class Undocumented(Exception):
    """Things without a description in the code; ``args`` name them."""


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Format a table; ``|`` and line breaks within a cell are escaped."""
    lines = [titles, ["---"] * len(titles), *rows]
    return "".join(f"| {' | '.join(_cell(cell) for cell in line)} |\n" for line in lines)


def described(pairs: Iterable[tuple[str, str]]) -> None:
    """Raise `Undocumented` for the names in ``pairs`` whose text is empty."""
    if missing := [name for name, text in pairs if not text.strip()]:
        raise Undocumented(*missing)


def sentence(text: str) -> str:
    """Format a description as a cell: one line, double backticks made single, no full stop at its end."""
    return " ".join(text.replace("``", "`").split()).rstrip(".")


def code(text: str) -> str:
    """Inline code; empty for an empty text."""
    return f"`{text}`" if text else ""


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
