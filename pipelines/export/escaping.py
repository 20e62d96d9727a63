"""Text that can never become markup: what was spoken, escaped for Markdown."""

import re

_SPECIAL = re.compile(r"([\\`*_{}\[\]#|~$])")
_LIST_START = re.compile(r"^(\s*)([-+=]|\d+[.)])(?=\s|$|[-=])")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def escape(text: str) -> str:
    """Escape everything that CommonMark, GitHub's tables or HTML could take for markup."""
    text = re.sub("[&<>]", lambda match: _ENTITIES[match[0]], text)
    text = _SPECIAL.sub(r"\\\1", text)
    return _LIST_START.sub(lambda match: f"{match[1]}{_escaped_list_mark(match[2])}", text)


def _escaped_list_mark(mark: str) -> str:
    return f"{mark[:-1]}\\{mark[-1]}"
