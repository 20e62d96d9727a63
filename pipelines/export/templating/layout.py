"""Reads what a template made of minutes, in blocks, before any format prints it."""

from collections.abc import Iterator

from pipelines.errors import TemplateInvalid
from pipelines.export.blocks import Heading, Layout, Paragraph, Table
from pipelines.export.markdown_blocks import blocks_of
from pipelines.text.cleaning import clean_text

MAX_PIECES = 5_000  # lines, headings and cells; a Word document takes a millisecond for each
MAX_COLUMNS = 20


def layout_of(markdown: str) -> Layout:
    """Read what a template wrote; raises `TemplateInvalid` for more than documents hold."""
    title, blocks = blocks_of(clean_text(markdown))
    kept = tuple(block for block in blocks if isinstance(block, Heading | Paragraph | Table))
    n_pieces = 0
    for n_more in _pieces(kept):
        n_pieces += n_more
        if n_pieces > MAX_PIECES:
            raise TemplateInvalid(f"it lays out more than {MAX_PIECES} lines and cells")
    return Layout(title=title, blocks=kept)


def _pieces(blocks: tuple[Heading | Paragraph | Table, ...]) -> Iterator[int]:
    for block in blocks:
        match block:
            case Heading():
                yield 1
            case Paragraph():
                yield sum(max(1, len(line)) for line in block.lines)
            case Table():
                if len(block.shares) > MAX_COLUMNS:
                    raise TemplateInvalid(f"a table has {MAX_COLUMNS} columns at most")
                yield len(block.shares)
                yield from (max(1, sum(map(len, cell))) for row in block.rows for cell in row)
