"""Look up commands that documents show: programs, sub-commands and options exist."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scripts.documentation.code_index import CodeIndex
from scripts.documentation.texts import Document, Line

ENDS = {"|", "||", "&&", ";", ">", ">>", "<", "&", "2>&1"}
SHELL = {"sh", "bash", "console", ""}
BEGINNING = re.compile(r"^(?:meetmemo |scripts/|python -m )")


class Commands:
    """Says of a command line what is wrong with it."""

    def __init__(self, index: CodeIndex, meetmemo: Any) -> None:
        self._index = index
        self._meetmemo = meetmemo
        self._texts: dict[str, str] = {}

    def of_document(self, document: Document) -> Iterator[Line]:
        """Yield the complaints about the commands in shell blocks, indented blocks, and inline code."""
        for line in (*shell_lines(document), *indented(document)):
            yield from self._judged(line, line.text)
        for span in document.spans:
            if BEGINNING.match(span.text):
                yield from self._judged(span, span.text)

    def _judged(self, line: Line, text: str) -> Iterator[Line]:
        for command in simple_commands(text):
            if complaint := self.complaint(command):
                yield Line(path=line.path, number=line.number, text=f"{shlex.join(command)}: {complaint}")

    def complaint(self, words: list[str]) -> str:
        """Say why a command cannot be run as written; nothing for one that can, and for programs of others."""
        program, arguments = words[0].removeprefix(".venv/bin/"), words[1:]
        if program == "meetmemo":
            return self._of_meetmemo(arguments)
        if program.startswith("scripts/"):
            return self._of_script(program, arguments)
        if Path(program).name.startswith("python") and arguments[:1] == ["-m"] and len(arguments) > 1:
            return self._of_module(arguments[1], arguments[2:])
        return ""

    def _of_meetmemo(self, arguments: list[str]) -> str:
        command = self._meetmemo
        options = _options(command)
        for word in arguments:
            if word.startswith("-"):
                if (name := word.partition("=")[0]) not in options:
                    return f"{command.name} has no option {name}"
            elif subcommands := getattr(command, "commands", None):
                if word not in subcommands:
                    return "" if _is_placeholder(word) else f"{command.name} has no command {word}"
                command = subcommands[word]
                options = _options(command)
        return ""

    def _of_script(self, path: str, arguments: list[str]) -> str:
        if path not in self._index.files:
            return "there is no such script"
        return self._unknown_option(self._sources(path), arguments)

    def _of_module(self, dotted: str, arguments: list[str]) -> str:
        path = dotted.replace(".", "/")
        if path.split("/")[0] not in {name.split("/")[0] for name in self._index.files}:
            return ""
        if f"{path}.py" not in self._index.files and path not in self._index.folders:
            return "there is no such module"
        return self._unknown_option(self._of_package(path), arguments)

    def _sources(self, path: str) -> str:
        """Return the text of a script, of what it runs from ``scripts`` and ``tests``, and of what that imports."""
        if path not in self._texts:
            text = (self._index.root / path).read_text(encoding="utf-8")
            run = self._named_in(text)
            self._texts[path] = text + run + self._named_in(run)
        return self._texts[path]

    def _named_in(self, text: str) -> str:
        found = sorted(set(re.findall(r"\b((?:scripts|tests)(?:\.\w+)+)", text)))
        return "".join(self._of_package(name.replace(".", "/")) for name in found)

    def _of_package(self, path: str) -> str:
        """Return the text of a module, or of all beside it in its package."""
        folder = path if path in self._index.folders else str(Path(path).parent)
        if folder in ("scripts", "tests"):
            names = [f"{path}.py"] if f"{path}.py" in self._index.files else []
        else:
            names = [name for name in self._index.files if str(Path(name).parent) == folder]
        return "".join((self._index.root / name).read_text(encoding="utf-8") for name in names if name.endswith(".py"))

    def _unknown_option(self, sources: str, arguments: list[str]) -> str:
        if "pytest" in sources and '"$@"' in sources:
            return ""  # pytest's own, and those of the plugins
        for name in (word.partition("=")[0] for word in arguments):
            if not re.match(r"^--?[A-Za-z]", name) or name in ("-h", "--help"):
                continue
            quoted, case = rf"""["']{re.escape(name)}["']""", rf"^\s*(?:\S+ \| )?{re.escape(name)}(?: \| \S+)?\)"
            if not re.search(f"{quoted}|{case}", sources, re.MULTILINE):
                return f"there is no option {name}"
        return ""


def simple_commands(line: str) -> Iterator[list[str]]:
    """Yield the commands of a line, cut at pipes and redirections, without assignments before them."""
    try:
        words = shlex.split(line, comments=True)
    except ValueError:
        words = line.split()
    command: list[str] = []
    for word in [*words, ";"]:
        ends = word in ENDS or word.endswith(";")
        if not (ends and word in ENDS):
            command.append(word.rstrip(";"))
        if ends:
            while command and (re.match(r"^\w+=", command[0]) or command[0] in ("$", "nice", "exec", "export")):
                del command[0]
            if command:
                yield command
            command = []


def shell_lines(document: Document) -> Iterator[Line]:
    """Yield the lines of fenced shell blocks, those that end in a backslash joined with the next."""
    for block in document.blocks:
        if block.language not in SHELL:
            continue
        begun: Line | None = None
        for line in block.lines:
            joined = Line(path=line.path, number=begun.number, text=begun.text + line.text) if begun else line
            if joined.text.endswith("\\"):
                begun = Line(path=joined.path, number=joined.number, text=joined.text[:-1])
            else:
                begun = None
                yield joined


def indented(document: Document) -> Iterator[Line]:
    """Yield the lines of blocks by indentation that begin like a command."""
    for number, line in enumerate(document.prose.splitlines(), 1):
        if line.startswith("    ") and BEGINNING.match(line.strip()):
            yield Line(path=document.path, number=number, text=line.strip())


def _options(command: Any) -> set[str]:
    known = {"--help"}
    for parameter in command.params:
        if parameter.param_type_name == "option":
            known.update((*parameter.opts, *parameter.secondary_opts))
    if hasattr(command, "commands"):
        known.update(("--install-completion", "--show-completion"))
    return known


def _is_placeholder(word: str) -> bool:
    """Say whether a word is to be replaced by the reader: ``…`` or capitals."""
    return word == "…" or word.isupper()
