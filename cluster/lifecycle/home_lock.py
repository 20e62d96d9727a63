"""One cluster per home: a lock says that it lives, a mark in its processes' environment finds what it left behind.

When the process that started a cluster is killed, Ray's own processes end within seconds, but HAProxy, for one, stays
and keeps the port. The start of the home's next cluster ends such leftovers first.
"""

import contextlib
import fcntl
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from cluster.lifecycle.processes import send_signal, started_at
from cluster.settings.sources import MARK
from pipelines.errors import ConfigurationError

"""Environment variable that every process of a cluster inherits; its value is the home."""

_LOOKS = 10
_LOOK_PAUSE_S = 0.05
_END_TIMEOUT_S = 10.0


@contextlib.contextmanager
def owning(home: Path) -> Iterator[None]:
    """Hold the home's lock and mark all processes started within; first end what an earlier owner left behind.

    Raises `ConfigurationError` when another process holds the home. The lock ends with the process, however it ends.
    """
    with _lock_file(home, os.O_RDWR | os.O_CREAT) as lock:
        for left in range(_LOOKS - 1, -1, -1):
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if not left:
                    raise ConfigurationError(f"Another process is starting or running a cluster of {home}.") from None
                time.sleep(_LOOK_PAUSE_S)  # `is_owned` holds it for an instant
        end_leftovers(home)
        os.environ[MARK] = str(home)
        try:
            yield
        finally:
            del os.environ[MARK]


def is_owned(home: Path) -> bool:
    """Return whether a process holds the home's lock. Raises ``PermissionError`` when this user may not look."""
    try:
        with _lock_file(home, os.O_RDONLY) as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False


def end_leftovers(home: Path) -> list[int]:
    """Kill this user's processes with the home's mark, this one excepted; return their ids once they are gone."""
    ended = [
        (pid, started)
        for pid, started in _marked(home)
        if pid != os.getpid() and send_signal(pid, started, signal.SIGKILL)
    ]
    deadline = time.monotonic() + _END_TIMEOUT_S
    while time.monotonic() < deadline and any(started_at(pid) == started for pid, started in ended):
        time.sleep(_LOOK_PAUSE_S)  # until then their ports are taken
    return [pid for pid, _ in ended]


def members(home: Path) -> list[int]:
    """List this user's processes with the home's mark."""
    return [pid for pid, _ in _marked(home)]


def _marked(home: Path) -> Iterator[tuple[int, str]]:
    """Find marked processes and when they started. Finds none without /proc.

    Another user's process is not the cluster's, whatever its environment says: root would end it, too.
    """
    wanted = f"{MARK}={home}".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it ended meanwhile, or is somebody else's
            started = started_at(int(folder.name))
            if folder.stat().st_uid == os.geteuid() and wanted in (folder / "environ").read_bytes().split(b"\0"):
                yield int(folder.name), started


@contextlib.contextmanager
def _lock_file(home: Path, flags: int) -> Iterator[int]:
    descriptor = os.open(home / "lock", flags, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
