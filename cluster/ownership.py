"""One cluster per home: a lock says that it lives, a mark in its processes' environment finds what it left behind.

When the process that started a cluster is killed, Ray's own processes end within seconds, but HAProxy, for one, stays
and keeps the port. Whoever starts the next cluster of the home ends such leftovers first.
"""

import contextlib
import fcntl
import os
import signal
from collections.abc import Iterator
from pathlib import Path

from pipelines.errors import ConfigurationError

MARK = "MEETMEMO_CLUSTER_OF"
"""Environment variable that every process of a cluster inherits; its value is the home."""


@contextlib.contextmanager
def owning(home: Path) -> Iterator[None]:
    """Hold the home's lock and mark all processes started within; first end what an earlier owner left behind.

    Raises `ConfigurationError` when another process holds the home. The lock ends with the process, however it ends.
    """
    with (home / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ConfigurationError(f"Another process is starting or running a cluster of {home}.") from None
        end_leftovers(home)
        os.environ[MARK] = str(home)
        try:
            yield
        finally:
            del os.environ[MARK]


def end_leftovers(home: Path) -> list[int]:
    """Kill the processes that carry the home's mark, this one excepted; return their ids. Finds none without /proc."""
    wanted = f"{MARK}={home}".encode()
    ended = []
    for folder in Path("/proc").glob("[0-9]*"):
        pid = int(folder.name)
        with contextlib.suppress(OSError):  # it ended meanwhile, or is somebody else's
            if pid != os.getpid() and wanted in (folder / "environ").read_bytes().split(b"\0"):
                os.kill(pid, signal.SIGKILL)
                ended.append(pid)
    return ended
