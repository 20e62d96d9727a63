"""Look up what documents and docstrings name: paths, modules, classes, members, settings, routes, links."""

import posixpath
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from scripts.documentation.code_index import CodeIndex
from scripts.documentation.foreign_names import FOREIGN
from scripts.documentation.texts import Document, Line

PATH_AND_NAME = re.compile(
    r"^(?P<path>[\w./-]*(?:/[\w-]+\.\w+|[\w-]\.py))(?:: |::)(?P<names>[A-Za-z_]\w*(?:(?:\.|::)\w+)*)(?:\(\))?$"
)
PATH = re.compile(r"^\.?[\w.-]+(?:/[\w.*-]+)+/?$|^\.?\w[\w.-]*/$")
SOURCE_FILE = re.compile(r"^[\w-]+\.py$")
DOTTED = re.compile(r"^[A-Za-z_]\w*(?:\[\])?(?:\.[A-Za-z_]\w*)+(?:\(\))?$")
COMPOUND_NAME = re.compile(r"^(?:[a-z]+\w*_\w+|[A-Z][a-z0-9]+[A-Z]\w*)(?:\(\))?$")
FILE_NAME = re.compile(
    r"^[\w-]+(?:\.\w+)*\.(?:json|jsonl|md|txt|srt|vtt|docx|pdf|png|wav|mp3|yaml|yml|toml|conf|cfg|sock)$"
)
PAGE = re.compile(r"\bdocs/[\w/-]+\.md(?:#[\w-]+)?")
METRIC = re.compile(r"^meetmemo_\w+$")
VARIABLE = re.compile(r"^MEETMEMO_[A-Z0-9_]+$")
ROUTE = re.compile(r"^(GET|HEAD|POST|PUT|PATCH|DELETE) (/[^\s?]*)")


@dataclass(frozen=True, kw_only=True)
class KnownNames:
    """Names that the code makes while it runs.

    ``settings`` are dotted, without ``[]``; ``metrics`` have their suffix; ``routes`` are a method and a path with
    ``{}`` for parameters; ``fields`` are those of the bodies that the API shows.
    """

    settings: frozenset[str]
    metrics: frozenset[str]
    routes: frozenset[tuple[str, str]]
    fields: frozenset[str]

    @property
    def sections(self) -> set[str]:
        """The first parts of the settings' names."""
        return {name.split(".")[0] for name in self.settings}


class References:
    """Says of a span of inline code or of a link what is wrong with it."""

    def __init__(self, index: CodeIndex, known: KnownNames) -> None:
        self._index = index
        self._known = known
        self._roots = {name.split("/")[0] for name in index.files if "/" in name}

    def of_spans(self, spans: Iterable[Line], *, whole_paths: bool = False) -> Iterator[Line]:
        """Yield the complaints about inline code; a text that is no reference brings none.

        ``whole_paths``: modules of the product are to be named by their whole path.
        """
        for span in spans:
            if complaint := self.complaint(span.text) or (whole_paths and self.abbreviation(span.text)):
                yield Line(path=span.path, number=span.number, text=f"`{span.text}`: {complaint}")

    def of_links(self, document: Document, documents: dict[str, Document]) -> Iterator[Line]:
        """Yield the complaints about a document's relative links."""
        for link in document.links:
            if re.match(r"^[a-z][a-z+.-]*:", link.text):
                continue
            target, _, anchor = link.text.partition("#")
            beside = posixpath.normpath(posixpath.join(posixpath.dirname(document.path), target))
            if wrong := self._page(beside if target else document.path, anchor, documents):
                yield Line(path=link.path, number=link.number, text=f"({link.text}): {wrong}")

    def of_pages(self, path: str, text: str, documents: dict[str, Document]) -> Iterator[Line]:
        """Yield the complaints about pages that a source names by their path from the root."""
        for match in PAGE.finditer(text):
            page, _, anchor = match[0].partition("#")
            if wrong := self._page(page, anchor, documents):
                yield Line(path=path, number=1 + text.count("\n", 0, match.start()), text=f"{match[0]}: {wrong}")

    def _page(self, path: str, anchor: str, documents: dict[str, Document]) -> str:
        if not self._index.has_path(path):
            return "there is no such file"
        known = not anchor or path not in documents or anchor in documents[path].anchors
        return "" if known else "no heading there has this anchor"

    def complaint(self, text: str) -> str:
        """Say why a reference leads nowhere; nothing for one that does, and for what is none."""
        if text in FOREIGN or ("." in text and text in self._index.identifiers):
            return ""
        if match := PATH_AND_NAME.match(text):
            return self._path_and_name(match["path"], re.split(r"\.|::", match["names"]))
        if match := ROUTE.match(text):
            return self._route(match[1], match[2])
        if PATH.match(text):
            if text.split("/")[0] not in self._roots or self._index.has_path(text):
                return (
                    ""
                    if not text.endswith(".py") or self._index.ending(text) or "*" in text
                    else "there is no such file"
                )
            return "there is no such path"
        if SOURCE_FILE.match(text):
            return "" if self._index.ending(text) else "no file has this name"
        if FILE_NAME.match(text):
            return ""
        if METRIC.match(text):
            metric = re.sub(r"_(bucket|sum|count)$", "", text)
            return "" if {text, metric} & self._known.metrics else "there is no such metric"
        if DOTTED.match(text):
            return self._dotted(text.removesuffix("()").replace("[]", "").split("."))
        if VARIABLE.match(text):
            setting = text.removeprefix("MEETMEMO_").lower().replace("__", ".")
            read = "__" not in text and text.removesuffix("_FILE") in self._index.identifiers
            return "" if read or setting in self._known.settings else "the code reads no such variable"
        if COMPOUND_NAME.match(text) and text.removesuffix("()") not in self._index.identifiers:
            return "" if text in self._known.fields else "the code has no such name"
        return ""

    def abbreviation(self, text: str) -> str:
        """Say which whole path a part of one stands for; nothing for whole paths, and for what is none."""
        if match := PATH_AND_NAME.match(text):
            text = match["path"]
        if SOURCE_FILE.match(text):
            found = [path for path in self._index.ending(text) if path.split("/")[0] in self._index.packages]
            return f"write {found[0]}" if found else ""
        parts = text.removesuffix("()").split(".")
        if not DOTTED.match(text) or parts[0] in self._index.packages or ".".join(parts) in self._known.settings:
            return ""
        found = [module.path for module in self._index.tails(parts[0]) if self._index.defines(module.path, parts[1:])]
        return f"write {found[0]}: {'.'.join(parts[1:])}" if found else ""

    def _path_and_name(self, path: str, names: list[str]) -> str:
        found = [path] if self._index.has_path(path) else self._index.ending(path)
        if not found:
            return "there is no such file"
        return "" if any(self._index.defines(file, names) for file in found) else f"{path} does not define it"

    def _route(self, method: str, path: str) -> str:
        plain = re.sub(r"\{[^}]*\}|(?<=/)(?:ID|NAME)(?:\.\w+)?(?=/|$)", "{}", path)
        routes = self._known.routes
        if (
            path.startswith("…")
            or (method, plain) in routes
            or ("GET" if method == "HEAD" else method, plain) in routes
        ):
            return ""
        return "the API has no such operation"

    def _dotted(self, parts: list[str]) -> str:
        first = parts[0]
        if first in self._index.packages:
            return "" if self._index.resolves(parts) else "the code has no such name"
        if ".".join(parts) in self._known.settings:
            return ""
        if first in self._index.classes:
            return "" if self._index.has_member(first, parts[1:]) else f"{first} has no such member"
        modules = self._index.tails(first)
        if first in self._known.sections or modules:
            if any(self._index.defines(module.path, parts[1:]) for module in modules):
                return ""
            return "" if set(parts) <= self._known.fields else "neither a setting nor a name of the code"
        return ""
