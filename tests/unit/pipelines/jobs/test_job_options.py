"""The one list of a job's options: a field that is added to it is everywhere, without another edit."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipelines.jobs.options import JobOptions, encode_asked


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Where the option of `tests.fixtures.another_option` appears."""
    root = Path(__file__).parents[4]
    done = subprocess.run(
        [sys.executable, "-m", "tests.fixtures.another_option", str(tmp_path_factory.mktemp("option"))],
        capture_output=True,
        text=True,
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


@pytest.mark.parametrize("place", ["query", "form", "json in a form", "json"])
def test_the_api_takes_it(found: dict[str, Any], place: str) -> None:
    """It may be given in each form of a submission, and the job shows it."""
    assert found[place] == "lively"


def test_the_api_checks_it(found: dict[str, Any]) -> None:
    """A value that is none of its choices is refused by its name."""
    assert found["refused"] == [{"field": "mood", "message": "must be calm or lively"}]


def test_uploads_batches_and_manifests_take_it(found: dict[str, Any]) -> None:
    """It may stand in the metadata of a resumable upload, in an entry of a batch, in a line of a manifest."""
    assert (found["tus"], found["batch"], found["manifest"]) == (201, 202, ["lively"])


def test_it_is_documented(found: dict[str, Any]) -> None:
    """As a parameter, as a field of the form, in the schema of options, in that of minutes written anew."""
    assert found["documented"] == [True, True, True, True]


@pytest.mark.parametrize("command", ["transcribe", "watch", "batch submit", "minutes rewrite"])
def test_the_command_line_has_a_flag(found: dict[str, Any], command: str) -> None:
    """It has the option's name, choices and description."""
    assert found[command] == [["--mood"], "calm|lively", "How the meeting sounds."]


def test_the_console_is_told(found: dict[str, Any]) -> None:
    """The form is made of this answer."""
    told = found["form of the console"]
    assert (told["enum"], told["default"], told["concern"]) == (["calm", "lively"], "calm", "minutes")


def test_later_options_count_in_requests_only_where_they_are_given() -> None:
    """A request that an earlier version stored under its key is known again; with such an option it is another one."""
    options = JobOptions(model="mini-en")
    assert not {"track", "translate"} & json.loads(encode_asked(options)).keys()
    assert json.loads(encode_asked(replace(options, track="2")))["track"] == "2"
