"""Which process is a home's cluster, and that signals reach no other."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from cluster.lifecycle.home_lock import owning
from cluster.lifecycle.processes import send_signal, started_at
from cluster.lifecycle.running_cluster import RunningCluster, find_running, remove_state, stop_running, write_state
from cluster.settings.settings import Settings
from pipelines.errors import ConfigurationError

OWNER = """
import sys, time
from pathlib import Path
from cluster.lifecycle.home_lock import owning
from cluster.lifecycle.running_cluster import write_state
from cluster.settings.settings import Settings
settings = Settings(home=Path(sys.argv[1]))
with owning(settings.home):
    write_state(settings)
    print("up", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "run").mkdir()
    return Settings(home=tmp_path)


@pytest.fixture
def stranger() -> Iterator["subprocess.Popen[bytes]"]:
    """A living process that is no cluster."""
    process = subprocess.Popen(["sleep", "600"], start_new_session=True)
    yield process
    process.kill()
    process.wait()


@pytest.fixture
def owner(settings: Settings) -> Iterator["subprocess.Popen[bytes]"]:
    """A process that holds the home and named itself."""
    process = subprocess.Popen([sys.executable, "-c", OWNER, str(settings.home)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"up\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def named(settings: Settings, **values: object) -> None:
    (settings.run_dir / "cluster.json").write_text(json.dumps({"url": settings.url, "log": "", **values}))


def test_the_owner_of_the_home_is_its_cluster(settings: Settings, owner: "subprocess.Popen[bytes]") -> None:
    """It is found while it lives, also by its id alone as earlier versions wrote it, and not once it was killed."""
    found = find_running(settings)
    assert found is not None
    assert (found.pid, found.url) == (owner.pid, settings.url)
    named(settings, pid=owner.pid)
    assert find_running(settings) == found.__class__(**{**asdict(found), "log": ""})
    owner.kill()
    owner.wait()
    assert find_running(settings) is None
    assert not found.signal(signal.SIGTERM)


def test_a_process_that_has_the_id_by_chance_is_no_cluster(
    settings: Settings, stranger: "subprocess.Popen[bytes]"
) -> None:
    """After a reboot the id in the file may be anybody's: no cluster runs, whoever lives under that id."""
    named(settings, pid=stranger.pid)
    assert find_running(settings) is None
    (settings.home / "lock").touch()
    assert find_running(settings) is None


def test_an_id_that_went_to_another_process_is_no_cluster(
    settings: Settings, stranger: "subprocess.Popen[bytes]"
) -> None:
    """Not even while another process starts the home's next cluster, which then forgets the old one."""
    named(settings, pid=stranger.pid, started="another boot/7")
    with owning(settings.home):
        assert find_running(settings) is None
        remove_state(settings)
        assert not (settings.run_dir / "cluster.json").exists()
        write_state(settings)
        assert (settings.run_dir / "cluster.json").stat().st_mode & 0o777 == 0o600
        found = find_running(settings)
    assert found is not None
    assert found.pid == os.getpid()


def test_down_and_reload_leave_strangers_alone(settings: Settings, stranger: "subprocess.Popen[bytes]") -> None:
    """Both commands say that no cluster runs, and the process with the id in the file lives on."""
    named(settings, pid=stranger.pid)
    for command, code in (("down", 0), ("reload", 2)):
        done = subprocess.run(
            [sys.executable, "-m", "cluster.cli", command, "--home", str(settings.home)],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == code, done.stderr
        assert "No cluster of this home runs." in done.stdout + done.stderr
        assert stranger.poll() is None


def test_a_stop_that_comes_too_late_kills_nobody(settings: Settings, stranger: "subprocess.Popen[bytes]") -> None:
    """The cluster ended between the look and the signal, and its id went on: nothing is sent."""
    gone = RunningCluster(pid=stranger.pid, url="", log="", started="earlier")
    assert stop_running(gone)
    assert not send_signal(stranger.pid, "earlier", signal.SIGKILL)
    assert not send_signal(stranger.pid, "", signal.SIGKILL)
    assert stranger.poll() is None
    assert send_signal(stranger.pid, started_at(stranger.pid), signal.SIGKILL)
    assert stranger.wait(timeout=30) == -signal.SIGKILL
    assert not send_signal(stranger.pid, "", signal.SIGKILL)
    assert started_at(stranger.pid) == ""


def test_a_cluster_stops_when_asked(settings: Settings, owner: "subprocess.Popen[bytes]") -> None:
    """SIGTERM ends it, and a process that has ended but is not waited for yet counts as gone."""
    running = find_running(settings)
    assert running is not None
    assert stop_running(running)
    assert owner.wait(timeout=30) == -signal.SIGTERM


@pytest.mark.parametrize("text", ["", "7", "[]", '{"pid": 7}', '{"pid": "x", "url": "", "log": ""}'])
def test_a_broken_file_names_no_cluster(settings: Settings, text: str) -> None:
    """A file that another program wrote over is no reason to fail."""
    with owning(settings.home):
        (settings.run_dir / "cluster.json").write_text(text)
        assert find_running(settings) is None


def test_the_home_of_another_user_is_said_to_be_one(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not: no cluster runs."""

    def refuse(path: Path, *_: object, **__: object) -> str:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(ConfigurationError, match="belongs to another user"):
        find_running(settings)
