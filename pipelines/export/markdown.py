"""``minutes.md``: CommonMark with GitHub tables; text from the recording can never become markup."""

import re
from collections.abc import Iterator

from pipelines.core import Minutes, Transcript
from pipelines.export.content import Content, Heading, Line, Paragraph, Run, SpokenTurn, Table, minutes_content

_SPECIAL = re.compile(r"([\\`*_{}\[\]#|~$])")
_LIST_START = re.compile(r"^(\s*)([-+=]|\d+[.)])(?=\s|$|[-=])")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_LINE_BREAK = {"body": "  \n", "bullet": "  \n  ", "note": "  \n> ", "warning": "  \n> "}
_PREFIX = {"body": "", "bullet": "- ", "note": "> ", "warning": "> **⚠** "}


def minutes_md(transcript: Transcript, minutes: Minutes, title: str) -> bytes:
    """Render the minutes with the transcript as an appendix."""
    return ("\n".join(_document(minutes_content(transcript, minutes, title))).rstrip() + "\n").encode()


def _document(content: Content) -> Iterator[str]:
    yield from (f"# {escape(content.title)}", "")
    labels = content.labels
    for name, value in content.facts:
        yield f"- **{name}{labels.colon.rstrip()}** {escape(value)}"
    yield ""
    in_list = False
    for block in content.blocks:
        is_bullet = isinstance(block, Paragraph) and block.kind == "bullet"
        if in_list and not is_bullet:
            yield ""
        in_list = is_bullet
        match block:
            case Heading():
                yield from (f"## {escape(block.text)}", "")
            case Paragraph():
                yield _PREFIX[block.kind] + _LINE_BREAK[block.kind].join(_line(line) for line in block.lines)
                if not is_bullet:
                    yield ""
            case Table():
                yield from _table(block)
            case SpokenTurn():
                speaker = f"**{escape(block.speaker)}{labels.colon.rstrip()}** " if block.speaker else ""
                yield from (f"`{block.time}` {speaker}{_line(block.text)}", "")


def _table(table: Table) -> Iterator[str]:
    yield _row(table.header)
    yield _row(["---"] * len(table.header), raw=True)
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


def escape(text: str) -> str:
    """Escape everything that CommonMark, GitHub's tables or HTML could take for markup."""
    text = re.sub("[&<>]", lambda match: _ENTITIES[match[0]], text)
    text = _SPECIAL.sub(r"\\\1", text)
    return _LIST_START.sub(lambda match: f"{match[1]}{_escaped_list_mark(match[2])}", text)


def _escaped_list_mark(mark: str) -> str:
    return f"{mark[:-1]}\\{mark[-1]}"
