"""One cluster per home, and what a dead one left behind."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cluster.lifecycle.home_lock import end_leftovers, is_owned, members, owning
from cluster.lifecycle.processes import started_at
from cluster.settings.sources import MARK
from pipelines.errors import ConfigurationError

SLEEPER = [sys.executable, "-c", "print('up', flush=True); import time; time.sleep(600)"]


def sleeper(**environment: str) -> "subprocess.Popen[bytes]":
    process = subprocess.Popen(
        SLEEPER, stdout=subprocess.PIPE, env={**os.environ, **environment}, start_new_session=True
    )
    assert process.stdout is not None
    process.stdout.readline()
    return process


def test_a_home_has_one_owner(tmp_path: Path) -> None:
    """While one process owns a home, another is refused; afterwards it may."""
    assert not is_owned(tmp_path)
    with owning(tmp_path), pytest.raises(ConfigurationError, match="Another process"), owning(tmp_path):
        pass
    with owning(tmp_path):
        assert os.environ[MARK] == str(tmp_path)
        assert is_owned(tmp_path)
    assert not is_owned(tmp_path)
    assert (tmp_path / "lock").stat().st_mode & 0o777 == 0o600
    assert MARK not in os.environ


def test_only_leftovers_of_the_same_home_are_ended(tmp_path: Path) -> None:
    """A process that an earlier cluster of this home started is killed; those of other homes live on."""
    mine, other = sleeper(**{MARK: str(tmp_path)}), sleeper(**{MARK: f"{tmp_path}-2"})
    try:
        assert members(tmp_path) == [mine.pid]
        assert end_leftovers(tmp_path) == [mine.pid]
        assert started_at(mine.pid) == ""
        assert mine.wait(timeout=30) == -9
        assert other.poll() is None
    finally:
        for process in (mine, other):
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts processes of other users")
def test_another_users_process_is_no_leftover(tmp_path: Path) -> None:
    """Whatever its environment says: root's clusters end none of it."""
    stranger = subprocess.Popen(["/bin/sleep", "600"], env={MARK: str(tmp_path)}, user=65534, group=65534)
    try:
        assert end_leftovers(tmp_path) == []
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()
