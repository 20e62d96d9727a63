"""The developer commands: each is listed, answers ``--help``, and names only what the code has."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.documentation.code_index import CodeIndex
from scripts.documentation.reference_pages import metric_names, setting_names
from scripts.documentation.references import KnownNames, References
from tests.support.python_commands import is_python_command

ROOT = Path(__file__).parents[3]
SCRIPTS = ROOT / "scripts"
COMMANDS = sorted(path for path in SCRIPTS.rglob("*") if path.is_file() and os.access(path, os.X_OK))
SETS_UP = ". scripts/setup-venv"
PACKAGES = {"mini_model": "scripts/mini_model/"} | dict.fromkeys(
    ("cluster", "deployments", "pipelines", "scripts", "tests"), ""
)
"""Packages of this repository, and the folder in which each lies."""

DOTTED = re.compile(rf"^(?:{'|'.join(PACKAGES)})(?:\.\w+)+(?::\w+)?$")
SETTING_OR_METRIC = re.compile(r"\bMEETMEMO_[A-Z0-9_]*[A-Z]\b|\bmeetmemo_\w+_(?:total|seconds|ratio|up|jobs|bytes)\b")
DATA_FILE = re.compile(r"\.(?:json|log|toml|ya?ml)$")
CHECK = "tests/unit/repository/"
"""Its tests of the checks name what does not exist."""


@pytest.fixture(scope="module")
def index() -> CodeIndex:
    """The sources of this repository."""
    return CodeIndex(ROOT)


def test_every_command_is_listed_once() -> None:
    """``scripts/README.md`` has a line for each command and none for what is gone."""
    listed = re.findall(r"^\| `([^`]+)` \|", (SCRIPTS / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(listed) == [str(path.relative_to(SCRIPTS)) for path in COMMANDS]


@pytest.mark.parametrize(
    "command",
    [path for path in COMMANDS if SETS_UP not in path.read_text(encoding="utf-8")],
    ids=lambda path: str(path.relative_to(SCRIPTS)),
)
def test_a_command_says_what_it_does(command: Path) -> None:
    """``--help`` needs no active environment, no optional package, and changes nothing.

    Commands that install first are left out.
    """
    environment = {"HOME": os.environ.get("HOME", "/"), "MEETMEMO_VENV": sys.prefix, "PATH": os.defpath}
    answer = subprocess.run([command, "--help"], env=environment, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.startswith("usage: ")
    assert answer.stderr == ""


def test_commands_run_by_the_one_python() -> None:
    """``scripts/python`` alone knows where the environment is; what is no shell script is begun by it."""
    for path in COMMANDS:
        if is_python_command(path):
            continue
        text = path.read_text(encoding="utf-8")
        assert text.startswith(("#!/bin/sh\n", "#!/usr/bin/env bash\n")), path
        if path.parent == SCRIPTS and path.name != "python":
            assert "/bin/python" not in text, path


def test_tools_and_tests_import_what_exists(index: CodeIndex) -> None:
    """Imports, also within functions, and names of modules in texts (``-m``, patches) lead to something."""
    named = [(path, line, name) for path in _sources(index) for line, name in _names(ROOT / path)]
    assert len(named) > 1000
    assert [f"{path}:{line}: {name}" for path, line, name in named if not _exists(index, name)] == []


def test_tools_and_tests_name_settings_and_metrics_that_exist(index: CodeIndex) -> None:
    """A variable of the environment is read, and a metric that only full runs look at is counted."""
    known = KnownNames(settings=setting_names(), metrics=metric_names(), routes=frozenset(), fields=frozenset())
    references = References(index, known)
    texts = {path: (ROOT / path).read_text(encoding="utf-8") for path in _sources(index)}
    named = {(path, name) for path, text in texts.items() for name in SETTING_OR_METRIC.findall(text)}
    assert len(named) > 50
    assert sorted(f"{path}: {name}" for path, name in named if references.complaint(name)) == []


def test_the_training_goes_by_the_versions_of_the_product() -> None:
    """Its requirements are those of the repository's ``pyproject.toml``, word by word."""
    requirement = re.compile(r'^ *"([^"]+)",', re.MULTILINE)
    ours, theirs = (
        set(requirement.findall((folder / "pyproject.toml").read_text(encoding="utf-8")))
        for folder in (SCRIPTS.parent, SCRIPTS / "mini_model")
    )
    assert theirs
    assert theirs <= ours


def _sources(index: CodeIndex) -> Iterator[str]:
    """The Python sources of tools and tests, by their path from the root."""
    for path in index.files:
        if not path.startswith(("scripts/", "tests/")) or path.startswith(CHECK):
            continue
        if path.endswith(".py") or is_python_command(ROOT / path):
            yield path


def _names(source: Path) -> Iterator[tuple[int, str]]:
    """The dotted names of this repository that a source imports or has in texts, with their lines."""
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        names: list[str] = []
        lineno = getattr(node, "lineno", 0)
        if isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and not DATA_FILE.search(node.value):
            names = [node.value.replace(":", ".")] if DOTTED.match(node.value) else []
        for name in names:
            if name.split(".")[0] in PACKAGES:
                yield lineno, name


def _exists(index: CodeIndex, name: str) -> bool:
    """Whether a dotted name is a package, a module, or a name that a module binds."""
    parts = name.split(".")
    for n_parts in range(len(parts), 0, -1):
        path = PACKAGES[parts[0]] + "/".join(parts[:n_parts])
        for module in (f"{path}.py", f"{path}/__init__.py"):
            if module in index.files:
                return index.defines(module, parts[n_parts:])
        if path in index.folders:
            return n_parts == len(parts)
    return False
