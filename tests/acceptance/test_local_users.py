"""What other users of the machine reach of a running cluster: its endpoint, and nothing else."""

import os
import re
import stat
import subprocess
from pathlib import Path

from cluster.lifecycle.listeners import listeners
from tests.acceptance.conftest import RunningMeetMemo
from tests.chaos.processes import in_sessions
from tests.support.recordings import RECORDINGS

NOBODY = 65534


def pids(meetmemo: RunningMeetMemo) -> dict[int, str]:
    """All processes of the cluster, with their command lines."""
    assert meetmemo.process is not None
    return {process.pid: process.title for process in in_sessions({meetmemo.process.pid})}


def closed(path: Path) -> bool:
    """Whether another user cannot get at this: by a folder above it, and, where that can be tried, in fact."""
    folders = [path, *path.parents]
    if not any(folder.is_dir() and not stat.S_IMODE(folder.stat().st_mode) & stat.S_IXOTH for folder in folders):
        return False
    if os.geteuid() != 0:
        return True
    tried = subprocess.run(
        ["/bin/ls", str(path)], user=NOBODY, group=NOBODY, extra_groups=[], capture_output=True, text=True, check=False
    )
    return tried.returncode != 0 and "Permission denied" in tried.stderr


def test_only_the_endpoint_is_reached_from_elsewhere(meetmemo: RunningMeetMemo) -> None:
    """Ray, its metrics, the replicas and HAProxy listen on the loopback interface; here the endpoint does as well."""
    found = listeners(pids(meetmemo))
    assert len(found) > 10
    assert [listener.name for listener in found if listener.port == meetmemo.port] == ["haproxy"]
    assert [str(listener) for listener in found if not listener.on_loopback] == []


def test_haproxy_has_no_other_listeners(meetmemo: RunningMeetMemo) -> None:
    """Pages of statistics and metrics are off, also on the loopback interface."""
    assert {listener.port for listener in listeners(pids(meetmemo)) if listener.name == "haproxy"} == {meetmemo.port}


def test_sockets_are_closed(meetmemo: RunningMeetMemo) -> None:
    """Of HAProxy, which anybody who reaches it may tell to send requests elsewhere, and of Ray."""
    ids, inodes = pids(meetmemo), {}
    for line in Path("/proc/net/unix").read_text().splitlines()[1:]:
        fields = line.split()
        if len(fields) == 8 and not fields[7].startswith("@"):
            inodes[f"socket:[{fields[6]}]"] = Path(fields[7])
    links = {os.readlink(entry.path) for pid in ids for entry in os.scandir(f"/proc/{pid}/fd") if entry.is_symlink()}
    paths = [path for inode, path in inodes.items() if inode in links]
    names = {path.name.partition(".")[0] for path in paths}
    assert {"admin", "metrics", "plasma_store", "raylet"} <= names
    assert [path for path in paths if not closed(path.parent)] == []


def test_haproxys_files_are_closed(meetmemo: RunningMeetMemo) -> None:
    """Configuration and state: they name the replicas behind it."""
    files = [Path(match[1]) for title in pids(meetmemo).values() if (match := re.search(r"haproxy .*-f (\S+)", title))]
    assert len(files) >= 1
    for path in files:
        assert path.is_relative_to(meetmemo.home / "run")
        assert "mode 666" not in path.read_text()
        assert closed(path)
        assert {entry.name for entry in path.parent.iterdir()} >= {"haproxy.cfg", "server-state", "500.http"}


def test_files_of_the_home_are_its_users_alone(meetmemo: RunningMeetMemo) -> None:
    """Ledger, log, spool, blobs, state: whatever a job, a key and a look at the cluster leave there."""
    meetmemo.finished(meetmemo.submit("short.mp3", keep_audio="true")["id"])
    assert meetmemo.cli("keys", "create", "--tenant", "acme", "--scope", "jobs:read").returncode == 0
    doctor = meetmemo.cli("doctor")
    for subject in ("files", "HAProxy", "listeners"):
        assert re.search(rf"^ok\t{subject}\t", doctor.stdout, re.MULTILINE), doctor.stdout
    walked = [meetmemo.home, *(path for path in meetmemo.home.rglob("*") if not path.is_symlink())]
    assert {"ledger.sqlite3", "lock", "spool", "cluster.json", "ray-token"} <= {path.name for path in walked}
    models = meetmemo.home / "models"
    found = [path for path in walked if models not in path.parents and _mode(path) & 0o077]
    assert [f"{_mode(path):o} {path}" for path in found] == []


def test_what_a_command_writes_for_its_user_keeps_the_users_mode(meetmemo: RunningMeetMemo, tmp_path: Path) -> None:
    """Results are the user's to share: only the cluster's own files are closed."""
    before = os.umask(0o022)
    try:
        done = meetmemo.cli("transcribe", str(RECORDINGS / "short.mp3"), "--out", str(tmp_path))
    finally:
        os.umask(before)
    assert done.returncode == 0, done.stderr
    written = list(tmp_path.rglob("*.txt"))
    assert written
    assert {_mode(path) for path in written} == {0o644}


def _mode(path: Path) -> int:
    try:
        return stat.S_IMODE(path.lstat().st_mode)
    except FileNotFoundError:  # spooled files and those of SQLite come and go
        return 0
