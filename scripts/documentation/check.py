"""Check the documentation against the code; print what is wrong, exit code 1 if anything is."""

import sys
from collections.abc import Iterator
from pathlib import Path

import typer

from cluster.cli.main import app
from scripts.documentation.api import openapi
from scripts.documentation.code_index import CodeIndex
from scripts.documentation.commands import Commands
from scripts.documentation.generated import ARCHITECTURE, REFERENCE, reference, rooms
from scripts.documentation.reference_pages import fields_of, metric_names, operations_of, setting_names
from scripts.documentation.references import KnownNames, References
from scripts.documentation.tables import Undocumented
from scripts.documentation.texts import Document, Line, code_spans, comments, read_document

ROOT = Path(__file__).resolve().parents[2]
HISTORY = "CHANGELOG.md"
"""Names what there was at the time."""

INDEX = "docs/README.md"
NAMES_PAGES = ("cluster/", "configs/", "deployments/", "pipelines/", "scripts/")
"""Folders whose sources name pages of the documentation by their path."""


def main() -> int:
    """Print each complaint as FILE:LINE: TEXT."""
    complaints = sorted(complaints_about(ROOT), key=lambda line: (line.path, line.number))
    for line in complaints:
        print(f"{line.path}:{line.number}: {line.text}", file=sys.stderr)
    return 1 if complaints else 0


def complaints_about(root: Path) -> Iterator[Line]:
    """Yield all faults: of generated pages, references, links and commands, and pages that the index does not name."""
    index = CodeIndex(root)
    documents = documents_of(index)
    document = openapi()
    known = KnownNames(
        settings=setting_names(),
        metrics=metric_names(),
        routes=operations_of(document),
        fields=fields_of(document),
    )
    references = References(index, known)
    commands = Commands(index, typer.main.get_command(app))
    yield from outdated(root)
    yield from unlisted(documents)
    for each in documents.values():
        yield from references.of_links(each, documents)
        if each.path != HISTORY and not each.path.startswith(REFERENCE):
            yield from references.of_spans(each.spans, whole_paths=True)
            yield from commands.of_document(each)
    for name in index.files:
        if name.startswith(NAMES_PAGES) and Path(name).suffix in ("", ".py", ".yaml", ".yml"):
            yield from references.of_pages(name, (root / name).read_text(encoding="utf-8"), documents)
    for module in index.product.values():
        text = (root / module.path).read_text(encoding="utf-8")
        for number, docstring in module.docstrings:
            yield from references.of_spans(code_spans(module.path, number, docstring))
        for comment in comments(module.path, text):
            yield from references.of_spans(code_spans(comment.path, comment.number, comment.text))


def documents_of(index: CodeIndex) -> dict[str, Document]:
    """Read the Markdown files of the repository that are documentation, by path."""
    names = [name for name in index.files if name.endswith(".md") and (name.startswith("docs/") or "/" not in name)]
    return {name: read_document(name, (index.root / name).read_text(encoding="utf-8")) for name in names}


def outdated(root: Path) -> Iterator[Line]:
    """Yield generated pages that differ from those the code makes now, and things without a description."""
    for path, make in reference().items():
        try:
            if not (root / path).is_file() or make() != (root / path).read_text(encoding="utf-8"):
                yield Line(path=path, number=1, text="not what the code says: run scripts/make-reference")
        except Undocumented as error:
            yield from (Line(path=path, number=1, text=f"{name} has no description in the code") for name in error.args)
    if rooms(root) != (root / ARCHITECTURE).read_text(encoding="utf-8"):
        yield Line(
            path=ARCHITECTURE, number=1, text="the rooms are not those of pyproject.toml: run scripts/draw-rooms"
        )


def unlisted(documents: dict[str, Document]) -> Iterator[Line]:
    """Yield pages below docs/ that the index does not link to."""
    listed = {f"docs/{link.text.partition('#')[0]}" for link in documents[INDEX].links}
    for path in documents:
        if path.startswith("docs/") and path not in listed | {INDEX}:
            yield Line(path=INDEX, number=1, text=f"does not link to {path}")


if __name__ == "__main__":
    sys.exit(main())
