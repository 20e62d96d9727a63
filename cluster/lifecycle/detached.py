"""Start a cluster in a process of its own."""

import subprocess
import sys
import time
from pathlib import Path

from cluster.lifecycle.application import READY_TIMEOUT_S
from cluster.lifecycle.environment import prepare_home
from cluster.lifecycle.running_cluster import RunningCluster, find_running
from cluster.settings.private_files import private_umask
from cluster.settings.settings import Settings
from pipelines.errors import ConfigurationError

MAX_LINES = 15
"""Lines of the log that are told of a start that failed."""


def start_detached(settings: Settings, arguments: list[str]) -> RunningCluster:
    """Start ``meetmemo up`` with these arguments in a process of its own; return once it is ready.

    Raises `ConfigurationError` with the end of its log when it does not get ready.
    """
    prepare_home(settings)
    log = settings.run_dir / "cluster.log"
    with private_umask(), log.open("ab") as output:
        begins = output.tell()
        process = subprocess.Popen(  # noqa: S603 - our own program with our own arguments
            [sys.executable, "-m", "cluster.cli", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    deadline = time.monotonic() + READY_TIMEOUT_S
    while time.monotonic() < deadline:
        running = find_running(settings)
        if running is not None and running.pid == process.pid:
            return running
        if process.poll() is not None:
            break
        time.sleep(0.2)
    process.terminate()
    raise ConfigurationError(f"The cluster did not start; the end of {log}:\n{_written_since(log, begins)}")


def _written_since(log: Path, begins: int) -> str:
    """Return the last lines of a log that were written after that many bytes: by this start, not by earlier ones."""
    with log.open("rb") as file:
        file.seek(begins)
        return "\n".join(file.read().decode(errors="replace").splitlines()[-MAX_LINES:])
