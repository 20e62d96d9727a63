"""A cluster in a process of its own: what is told of a start that failed."""

import sys
from pathlib import Path

import pytest

from cluster.lifecycle.detached import start_detached
from cluster.settings.settings import Settings
from pipelines.errors import ConfigurationError


def test_only_this_start_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log is appended to; errors of earlier starts are not this one's."""
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\necho 'the port is taken' >&2\nexit 2\n")
    program.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(program))
    settings = Settings(home=tmp_path / "home")
    settings.run_dir.mkdir(parents=True)
    log = settings.run_dir / "cluster.log"
    log.write_text("an error of an earlier start\n")
    with pytest.raises(ConfigurationError) as failed:
        start_detached(settings, ["up"])
    assert "the port is taken" in str(failed.value)
    assert "earlier start" not in str(failed.value)
    assert "earlier start" in log.read_text()
