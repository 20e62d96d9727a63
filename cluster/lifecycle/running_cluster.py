"""The cluster of a home that runs: its process, its endpoint, and signals that reach no other process.

A process id alone says little: after a reboot, or in a restarted container, it belongs to another process. A cluster
runs while its home's lock is held (`cluster.lifecycle.home_lock`) and the process that ``<home>/run/cluster.json``
names was started when the file says.
"""

import json
import os
import signal
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from cluster.lifecycle.home_lock import is_owned
from cluster.lifecycle.processes import send_signal, started_at
from cluster.settings.settings import Settings
from pipelines.errors import ConfigurationError
from pipelines.storage.atomic_write import write_atomic

STOP_TIMEOUT_S = 60.0


@dataclass(frozen=True, kw_only=True)
class RunningCluster:
    """A cluster that was started from this home: its process, when that was started, and where it listens."""

    pid: int
    url: str
    log: str
    started: str

    def signal(self, number: signal.Signals) -> bool:
        """Send a signal to the cluster's process; False when it has ended."""
        return send_signal(self.pid, self.started, number)


def find_running(settings: Settings) -> RunningCluster | None:
    """Return the cluster of this home whose process lives, else None.

    Raises `ConfigurationError` when this user may not look into the home.
    """
    try:
        values = json.loads(_state_file(settings).read_text())
        # A version of MeetMemo that knew no start times held the lock just as well.
        found = RunningCluster(**{"started": started_at(int(values["pid"])), **values})
        lives = is_owned(settings.home) and found.started == started_at(found.pid)
    except PermissionError:
        raise ConfigurationError(
            f"The home {settings.home} belongs to another user: name its endpoint with --url."
        ) from None
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return found if lives else None


def write_state(settings: Settings) -> None:
    """Name this process as the home's cluster."""
    state = RunningCluster(
        pid=os.getpid(), url=settings.url, log=str(settings.run_dir / "cluster.log"), started=started_at(os.getpid())
    )
    write_atomic(_state_file(settings), json.dumps(asdict(state)))


def remove_state(settings: Settings) -> None:
    """Forget the home's cluster: it has stopped, or it was killed and left its file behind. Needs the home's lock."""
    _state_file(settings).unlink(missing_ok=True)


def stop_running(running: RunningCluster, drain_s: float = 0.0) -> bool:
    """Ask a cluster to stop and wait, ``drain_s`` seconds of draining included; False when it had to be killed."""
    running.signal(signal.SIGTERM)
    deadline = time.monotonic() + drain_s + STOP_TIMEOUT_S
    while time.monotonic() < deadline:
        if started_at(running.pid) != running.started:
            return True
        time.sleep(0.1)
    return not running.signal(signal.SIGKILL)


def _state_file(settings: Settings) -> Path:
    return settings.run_dir / "cluster.json"
