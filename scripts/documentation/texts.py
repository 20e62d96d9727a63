"""Read documents: code spans, links, headings and fenced blocks, each with the line where it stands."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

CODE_SPAN = re.compile(r"(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.DOTALL)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^ {0,3}```+ *([\w-]*)")
HEADING = re.compile(r"^#{1,6} +(.+?) *#*$")
COMMENT = re.compile(r"(?:^|\s)#[:!]? (.*)")


@dataclass(frozen=True, kw_only=True)
class Line:
    """Something found in a file; ``number`` counts from 1."""

    path: str
    number: int
    text: str


@dataclass(frozen=True, kw_only=True)
class Block:
    """A fenced block: its language as written, and its lines."""

    language: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, kw_only=True)
class Document:
    """A Markdown file, taken apart. ``prose`` has the lines outside fenced blocks, others are empty there."""

    path: str
    prose: str
    blocks: tuple[Block, ...]

    @property
    def spans(self) -> Iterator[Line]:
        """The inline code."""
        return code_spans(self.path, 1, self.prose)

    @property
    def links(self) -> Iterator[Line]:
        """The targets of links and images, outside inline code."""
        text = CODE_SPAN.sub(lambda span: " " * len(span[0]) if "\n" not in span[0] else span[0], self.prose)
        for match in LINK.finditer(text):
            yield Line(path=self.path, number=1 + text.count("\n", 0, match.start()), text=match[1])

    @property
    def anchors(self) -> set[str]:
        """The anchors of this document, as GitHub makes them from headings."""
        found: set[str] = set()
        for line in self.prose.splitlines():
            if heading := HEADING.match(line):
                anchor = slug(heading[1])
                n_same = 1
                while anchor in found:
                    anchor = f"{slug(heading[1])}-{n_same}"
                    n_same += 1
                found.add(anchor)
        return found


def read_document(path: str, text: str) -> Document:
    """Take a Markdown text apart."""
    prose: list[str] = []
    blocks: list[Block] = []
    language: str | None = None
    inside: list[Line] = []
    for number, line in enumerate(text.splitlines(), 1):
        fence = FENCE.match(line)
        if fence and language is None:
            language, inside = fence[1], []
        elif fence and language is not None:
            blocks.append(Block(language=language, lines=tuple(inside)))
            language = None
        elif language is not None:
            inside.append(Line(path=path, number=number, text=line))
        prose.append("" if fence or language is not None else line)
    return Document(path=path, prose="\n".join(prose), blocks=tuple(blocks))


def code_spans(path: str, first_line: int, text: str) -> Iterator[Line]:
    """Yield the inline code of a text, with each run of blanks and line breaks made one blank."""
    for paragraph in re.finditer(r"(?:[^\n]+\n?)+", text):
        for match in CODE_SPAN.finditer(paragraph[0]):
            number = first_line + text.count("\n", 0, paragraph.start() + match.start())
            yield Line(path=path, number=number, text=" ".join(match[2].split()))


def comments(path: str, text: str) -> Iterator[Line]:
    """Yield the comments of a source that have inline code in them."""
    for number, line in enumerate(text.splitlines(), 1):
        if "`" in line and (match := COMMENT.search(line)):
            yield Line(path=path, number=number, text=match[1])


def slug(heading: str) -> str:
    """Return the anchor that GitHub makes from a heading."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
