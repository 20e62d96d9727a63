"""`meetmemo config check`: every fault at once, with its line; the files to begin with have none."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.lifecycle.buildable import complaints_about
from cluster.settings.check import check_settings
from cluster.settings.settings import Settings
from cluster.settings.starters import STARTERS, Place

WRONG = """\
http:
  port: many
  hots: 0.0.0.0
models:
  - name: mini-en
    min_replicas: -1
  - nam: base
auth:
  mode: doors
colour: red
"""


def nothing(settings: Settings) -> Iterator[tuple[str, str]]:
    """Complain of nothing."""
    return iter(())


def told(tmp_path: Path, text: str, **env: str) -> list[tuple[int, str]]:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    found = check_settings(path, {"MEETMEMO_HOME": str(tmp_path), **env}, nothing)
    assert all(fault.told(path).startswith(f"{path}:{fault.line}: ") for fault in found if fault.line)
    return [(fault.line, fault.setting) for fault in found]


def test_each_fault_has_its_line(tmp_path: Path) -> None:
    """All of them at once: values, names that do not exist, entries of lists."""
    assert sorted(told(tmp_path, WRONG)) == [
        (2, "http.port"),
        (3, "http.hots"),
        (6, "models.0.min_replicas"),
        (7, "models.1.nam"),
        (9, "auth.mode"),
        (10, "colour"),
    ]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("http:\n  host: 0.0.0.0\n", [(2, "")]),  # together with auth.mode: the message names http.host
        ("default_model: none\n", [(1, "")]),
        ("coordinator:\n  lease_s: 9\n  shards: 2\n", [(3, "")]),  # together with SQLite: the message names it
        ("coordinator:\n  shards: 0\n", [(2, "coordinator.shards")]),
        ("http:\n  port: 1\nlog:\n  level: info\nhttp:\n  port: 2\n", [(5, "http"), (6, "http.port")]),
        ("deepseek_api_key: sk\n", [(1, "deepseek_api_key")]),
        ("- a\n- b\n", [(1, "")]),
        ("http:\n  port: [1\nlog: 2\n", [(3, "")]),
        ("", []),
        ("http:\n  port: 9000\n", []),
    ],
)
def test_faults_of_the_whole(tmp_path: Path, text: str, found: list[tuple[int, str]]) -> None:
    """Contradictions, names given twice, secrets, broken YAML; a right file has no faults."""
    assert told(tmp_path, text) == found


def test_a_variable_is_in_no_file(tmp_path: Path) -> None:
    """A fault of the environment has no line of the file, and is told all the same."""
    assert told(tmp_path, "log:\n  level: info\n", MEETMEMO_HTTP__PORT="many") == [(0, "http.port")]


def test_what_cannot_be_built_has_its_sections_line(tmp_path: Path) -> None:
    """Values that are right alone and do not go together are found too."""
    path = tmp_path / "config.yaml"
    path.write_text("log:\n  level: info\nmodels:\n  - name: large-v3\nauth:\n  mode: jwt\n")
    found = check_settings(path, {"MEETMEMO_HOME": str(tmp_path)}, complaints_about)
    assert [(fault.line, fault.setting) for fault in found] == [(3, "models"), (5, "auth")]
    assert "meetmemo models pull large-v3" in found[0].message


@pytest.mark.parametrize("place", STARTERS)
def test_files_to_begin_with(tmp_path: Path, place: Place) -> None:
    """Each has no fault, and what it says is what results."""
    path = tmp_path / "config.yaml"
    path.write_text(STARTERS[place], encoding="utf-8")
    found = check_settings(path, {}, complaints_about)
    assert {fault.setting for fault in found} <= {"models"}, "its weights are fetched, not shipped"
    assert f"meetmemo init {place}" in path.read_text(encoding="utf-8")
