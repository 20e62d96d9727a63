"""Files and launcher of the HAProxy in front of the endpoint; see docs/decisions/haproxy.md."""

import os
import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from cluster.lifecycle import haproxy_launcher
from cluster.settings.settings import Settings
from pipelines.errors import ConfigurationError
from pipelines.storage.atomic_write import write_atomic

BINARY = "RAY_SERVE_HAPROXY_BINARY_PATH"
SOCKET = "RAY_SERVE_HAPROXY_SOCKET_PATH"
RAYS_FOLDER = Path("/tmp/haproxy-serve")  # noqa: S108 - where Ray puts everything unless it is told otherwise
INNER_HOST = "127.0.0.1"
"""Where the servers behind the HAProxy of a cluster on one machine listen."""


def proxy_environment(settings: Settings, sockets: Path, env: Mapping[str, str]) -> dict[str, str]:
    """Return Ray's variables for an HAProxy whose files are this user's alone; write the program that starts it.

    Configuration and state lie in the home, the sockets below ``sockets``, whose path is short. What an earlier
    cluster left in these folders is removed: each start has folders of its own in them.
    Raises `ConfigurationError` when there is no HAProxy or the home's disk runs no programs.
    """
    folder = settings.proxy_dir
    for left in (folder, sockets / "proxy"):
        shutil.rmtree(left, ignore_errors=True)
        left.mkdir(mode=0o700, exist_ok=True)
    launchers = (folder / "launch", sockets / "proxy" / "launch")
    named = env.get(BINARY, "")
    haproxy = named if named and Path(named) not in launchers else haproxy_launcher.find_haproxy()
    if not haproxy:
        raise ConfigurationError("HAProxy is not installed; without it set http.haproxy to false.")
    command = [sys.executable, "-I", haproxy_launcher.__file__, haproxy, settings.http.host]
    launcher = next((path for path in launchers if _write(path, command)), None)
    if launcher is None:
        raise ConfigurationError(f"No program may run in {folder} nor in {sockets}: set MEETMEMO_HOME or TMPDIR.")
    return {
        BINARY: str(launcher),
        SOCKET: str(sockets / "proxy" / "admin.sock"),
        "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": str(sockets / "proxy" / "metrics.sock"),
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(folder / "haproxy.cfg"),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(folder),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(folder / "server-state"),
    }


def remove_proxy_files(settings: Settings) -> None:
    """Remove what Ray and HAProxy made in the folders of `proxy_environment`, once neither runs."""
    link = settings.private_link
    sockets = link.readlink() if link.is_symlink() else None
    for folder in (settings.proxy_dir, *([sockets / "proxy"] if sockets else [])):
        shutil.rmtree(folder, ignore_errors=True)


def _write(launcher: Path, command: list[str]) -> bool:
    """Write a program that runs the command; False on a disk that is mounted so that none runs."""
    write_atomic(launcher, f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n', mode=0o700)
    return os.access(launcher, os.X_OK)
