"""Chinese sentences of another kind, from the help pages of Debian's `libreoffice-help-zh-cn` (MPL 2.0)."""

import html
import re
from collections.abc import Iterator
from pathlib import Path

from mini_model.open_text import MissingText

HELP = Path("/usr/share/libreoffice/help/zh-CN")
_SHORTEST, _LONGEST = 5, 32
_NO_TEXT = re.compile(r"<(script|style|pre)\b.*?</\1>", re.DOTALL)
_BLOCK = re.compile(r"</?(?:p|li|td|th|div|h\d|dt|dd|title|tr|br|body)\b[^>]*>")
_TAG = re.compile(r"<[^>]+>")
_SENTENCE = re.compile(r"[\u4e00-\u9fff][\u4e00-\u9fff，、]+[。？！]?")
_LEFT_OUT = re.compile(r"[“”‘’《》「」\s·]")
_PAUSE = re.compile(r"[；：;:…—（）()，、]*[；：;:…—（）()][；：;:…—（）()，、]*")


def chinese_sentences() -> list[str]:
    """Return all usable sentences, each once, in the order of the pages.

    Raises `MissingText` naming the package to install.
    """
    if not HELP.is_dir():
        raise MissingText("install the Debian package libreoffice-help-zh-cn")
    pages = sorted(HELP.rglob("*.html"))
    return list(dict.fromkeys(kept for page in pages for kept in _sentences(page.read_text("utf-8"))))


def _sentences(page: str) -> Iterator[str]:
    """Yield the sentences between two stops that hold nothing but characters and commas."""
    for block in _BLOCK.split(_NO_TEXT.sub("", page)):
        text = _PAUSE.sub("，", _LEFT_OUT.sub("", html.unescape(_TAG.sub("", block))))
        for sentence in re.split(r"(?<=[。？！])", text):
            if _SENTENCE.fullmatch(sentence) and _SHORTEST <= len(sentence) <= _LONGEST:
                stop = sentence[-1] if sentence[-1] in "。？！" else "。"
                yield sentence.rstrip("，、。？！") + stop
