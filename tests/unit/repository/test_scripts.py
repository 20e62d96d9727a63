"""The list of developer commands."""

import os
import re
from pathlib import Path

SCRIPTS = Path(__file__).parents[3] / "scripts"


def test_every_command_is_listed_once() -> None:
    """``scripts/README.md`` has a line for each command and none for what is gone."""
    listed = re.findall(r"^\| `([^`]+)` \|", (SCRIPTS / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    found = [path for path in SCRIPTS.rglob("*") if path.is_file() and os.access(path, os.X_OK)]
    assert sorted(listed) == sorted(str(path.relative_to(SCRIPTS)) for path in found)


def test_the_training_goes_by_the_versions_of_the_product() -> None:
    """Its requirements are those of the repository's ``pyproject.toml``, word by word."""
    requirement = re.compile(r'^ *"([^"]+)",', re.MULTILINE)
    ours, theirs = (
        set(requirement.findall((folder / "pyproject.toml").read_text(encoding="utf-8")))
        for folder in (SCRIPTS.parent, SCRIPTS / "mini_model")
    )
    assert theirs
    assert theirs <= ours
