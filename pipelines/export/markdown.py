"""``minutes.md``: CommonMark with GitHub tables; text from the recording can never become markup."""

from collections.abc import Iterator

from pipelines.export.blocks import Content, Heading, Line, Paragraph, Run, SpokenTurn, Table
from pipelines.export.escaping import escape

_LINE_BREAK = {"body": "  \n", "bullet": "  \n  ", "note": "  \n> ", "warning": "  \n> "}
_PREFIX = {"body": "", "bullet": "- ", "note": "> ", "warning": "> **⚠** "}


def minutes_md(content: Content) -> bytes:
    """Render a document of minutes."""
    return ("\n".join(_document(content)).rstrip() + "\n").encode()


def _document(content: Content) -> Iterator[str]:
    yield from (f"# {escape(content.title)}", "")
    labels = content.labels
    for name, value in content.facts:
        yield f"- **{name}{labels.colon.rstrip()}** {escape(value)}"
    if content.facts:
        yield ""
    in_list = False
    for block in content.blocks:
        is_bullet = isinstance(block, Paragraph) and block.kind in ("bullet", "item")
        if in_list and not is_bullet:
            yield ""
        in_list = is_bullet
        match block:
            case Heading():
                yield from (f"#{'#' * block.level} {escape(block.text)}", "")
            case Paragraph(kind="item"):
                yield _item(block)
            case Paragraph():
                yield _PREFIX[block.kind] + _LINE_BREAK[block.kind].join(_line(line) for line in block.lines)
                if not is_bullet:
                    yield ""
            case Table():
                yield from _table(block)
            case SpokenTurn():
                speaker = f"**{escape(block.speaker)}{labels.colon.rstrip()}** " if block.speaker else ""
                yield from (f"`{block.time}` {speaker}{_line(block.text)}", "")


def _item(entry: Paragraph) -> str:
    """Return an entry of a list. Numbers of nested lists are kept as text: Markdown would count them anew."""
    mark = "" if not entry.mark else "- " if entry.mark == "•" else f"{entry.mark} "
    if mark.count(".") > 1:
        mark = f"- {mark}"
    indent = "   " * entry.depth
    gap = f"  \n{indent}  "
    return indent + mark + gap.join(_line(line) for line in entry.lines)


def _table(table: Table) -> Iterator[str]:
    yield _row(table.header or [""] * len(table.shares))
    yield _row(["---"] * len(table.shares), raw=True)
    for row in table.rows:
        yield _row(["<br>".join(_line(line) for line in cell) for cell in row], raw=True)
    yield ""


def _row(cells: list[str] | tuple[str, ...], *, raw: bool = False) -> str:
    return "| " + " | ".join(cell if raw else escape(cell) for cell in cells) + " |"


def _line(line: Line) -> str:
    return "".join(_run(run) for run in line)


def _run(run: Run) -> str:
    text = escape(run.text)
    return f"**{text}**" if run.look == "strong" and text.strip() else text
