"""Markdown, as templates write it, as the blocks of a document.

CommonMark with tables, by markdown-it: headings, paragraphs, nested lists, tables, strong text, and links to turns of
the transcript. Everything else (HTML, images, code, links that lead outside) is printed as the text it is.
"""

from collections.abc import Iterator, Sequence

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

from pipelines.export.blocks import Block, Heading, Line, Paragraph, Run, Table
from pipelines.text.typography import is_wide

_PARSER = MarkdownIt("commonmark", {"html": False}).enable("table").disable(["html_block", "html_inline", "image"])
MIN_COLUMN, MAX_COLUMN = 3, 60  # characters
MIN_SHARE = 0.04  # of the width, for one column: less has no room beside its padding
MAX_DEPTH = 6  # of lists; deeper ones are printed as if they were no deeper


def blocks_of(markdown: str) -> tuple[str, tuple[Block, ...]]:
    """Return the title (the first heading of the first level, "" where there is none) and the blocks after it."""
    title = ""
    blocks: list[Block] = []
    for node in SyntaxTreeNode(_PARSER.parse(markdown)).children:
        if node.type == "heading" and node.tag == "h1" and not title:
            title = "".join(run.text for run in _runs(node))
        else:
            blocks += _blocks(node)
    return title, tuple(blocks)


def _blocks(node: SyntaxTreeNode, depth: int = 0) -> Iterator[Block]:
    match node.type:
        case "heading":
            yield Heading(text="".join(run.text for run in _runs(node)), level=max(1, int(node.tag[1:]) - 1))
        case "paragraph":
            lines = _lines(node)
            if lines:
                yield Paragraph(lines=lines)
        case "bullet_list" | "ordered_list":
            yield from _list(node, depth=0, above="")
        case "table":
            yield _table(node)
        case "blockquote":
            yield from (
                Paragraph(lines=block.lines, kind="note") if isinstance(block, Paragraph) else block
                for child in node.children
                for block in _blocks(child)
            )
        case "fence" | "code_block" | "html_block":
            yield Paragraph(lines=tuple((Run(text=line),) for line in node.content.splitlines() if line.strip()))
        case _:
            yield from (block for child in node.children for block in _blocks(child))


def _list(node: SyntaxTreeNode, *, depth: int, above: str) -> Iterator[Paragraph]:
    """Yield entries with their marks; a numbered list within a numbered list carries both numbers: 2.1."""
    first = int(node.attrs.get("start", 1))
    for number, entry in enumerate(node.children, start=first):
        numbered = node.type == "ordered_list"
        mark = f"{above}{number}." if numbered else "•"
        *_, last = entry.children or [entry]
        for child in entry.children:
            if child.type in ("bullet_list", "ordered_list"):
                below = f"{above}{number}." if numbered else ""
                yield from _list(child, depth=min(depth + 1, MAX_DEPTH), above=below)
            elif lines := _lines(child):
                yield Paragraph(lines=lines, kind="item", mark=mark, depth=depth, leads=child is not last)
                mark = ""


def _table(node: SyntaxTreeNode) -> Table:
    rows = [
        [_lines(cell) or ((Run(text=""),),) for cell in row.children] for part in node.children for row in part.children
    ]
    header, *body = rows
    names = tuple("".join(run.text for line in cell for run in line) for cell in header)
    n_columns = len(names)
    body = [[*row, *[((Run(text=""),),)] * n_columns][:n_columns] for row in body]
    return Table(header=names if any(names) else (), rows=tuple(map(tuple, body)), shares=_shares(names, body))


def _shares(names: Sequence[str], rows: Sequence[Sequence[tuple[Line, ...]]]) -> tuple[float, ...]:
    """Return columns as wide as what stands in them, from a number's width to that of a line."""
    widths = [_width(name) for name in names]
    for row in rows:
        cells = ("".join(run.text for line in cell for run in line) for cell in row)
        widths = [max(width, _width(text)) for width, text in zip(widths, cells, strict=True)]
    bounded = [min(max(width, MIN_COLUMN), MAX_COLUMN) for width in widths]
    shares = [width / sum(bounded) for width in bounded]
    if min(shares) < MIN_SHARE:
        left = 1 - MIN_SHARE * len(shares)
        shares = [MIN_SHARE + left * share for share in shares]
    return tuple(shares)


def _width(text: str) -> int:
    """Return columns of a fixed-width display, of which an ideograph takes two."""
    return sum(2 if is_wide(character) else 1 for character in text)


def _lines(node: SyntaxTreeNode) -> tuple[Line, ...]:
    """Return the runs of a block by lines: only hard breaks begin a new one."""
    lines: list[list[Run]] = [[]]
    for run in _runs(node):
        if run.text == "\n":
            lines.append([])
        else:
            lines[-1].append(run)
    return tuple(tuple(line) for line in lines if any(run.text.strip() for run in line))


def _runs(node: SyntaxTreeNode, *, strong: bool = False, link: str = "") -> Iterator[Run]:
    match node.type:
        case "text" | "code_inline":
            if node.content:
                yield Run(text=node.content, look="strong" if strong else "faint" if link else "plain", link=link)
        case "softbreak":
            yield Run(text=" ")
        case "hardbreak":
            yield Run(text="\n")
        case "link":
            target = str(node.attrs.get("href", ""))
            inner = target[1:] if target.startswith("#turn_") else ""
            for child in node.children:
                yield from _runs(child, strong=strong, link=inner)
        case _:
            for child in node.children:
                yield from _runs(child, strong=strong or node.type == "strong", link=link)
