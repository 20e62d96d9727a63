"""What gets a second try: few failures, of tests that start processes; what fails again fails the run."""

import json
from pathlib import Path

import pytest

from scripts import second_try


def test_only_few_tests_of_whole_processes():
    """A failed unit is a fault at once, and so are many failures."""
    browser = "tests/acceptance/console/test_page.py::test_it"
    assert second_try.refusal([browser, "tests/integration/test_it.py::test_it"]) == ""
    assert "starts no processes" in second_try.refusal([browser, "tests/unit/test_it.py::test_it"])
    assert "more than" in second_try.refusal([browser] * 4)
    assert second_try.refusal([])


@pytest.mark.parametrize(("body", "status"), [("pass", 0), ("raise AssertionError", 1)])
def test_it_decides(
    body: str, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    """Who passes alone is named as flaky; who fails again fails the run."""
    test = "tests/acceptance/test_it.py::test_it"
    monkeypatch.chdir(tmp_path)
    Path("tests/acceptance").mkdir(parents=True)
    Path("tests/acceptance/test_it.py").write_text(f"def test_it():\n    {body}\n")
    second_try.LAST_FAILED.parent.mkdir(parents=True)
    second_try.LAST_FAILED.write_text(json.dumps({test: True}))
    assert second_try.main() == status
    assert (f"FLAKY {test}" in capfd.readouterr().out) == (status == 0)


def test_without_failed_tests_it_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A run that failed before any test did is no success."""
    monkeypatch.chdir(tmp_path)
    assert second_try.main() == 1
