"""``meetmemo up`` with a home and a port of its own, for measurements."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import httpx

_READY_S = 300.0
_END_S = 120.0


class OwnCluster:
    """A cluster with one model, listening at ``url`` from construction until `close`.

    ``start_s`` is what that took. Raises ``RuntimeError`` with the end of its log when it does not get ready.
    """

    def __init__(
        self,
        model: Path,
        threads: int,
        *,
        program: str = "cluster.cli",
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> None:
        """Run ``program``, a module, in ``folder`` with ``environment`` beside this process's own and the usual."""
        self._home = tempfile.TemporaryDirectory(prefix="meetmemo-bench-")
        self.home = Path(self._home.name)
        self.url = f"http://127.0.0.1:{_free_port()}"
        settings = {
            **os.environ,
            "MEETMEMO_HOME": self._home.name,
            "MEETMEMO_HTTP__PORT": self.url.rpartition(":")[2],
            "MEETMEMO_MODELS": f'[{{"name": "bench", "path": "{model}"}}]',
            "MEETMEMO_RAY__NUM_CPUS": str(threads),
            "MEETMEMO_MINUTES__WRITER": "extractive",
            "MEETMEMO_REUSE": "false",
            **(environment or {}),
        }
        settings.pop("DEEPSEEK_API_KEY", None)
        started_s = time.monotonic()
        with Path(self._home.name, "up.log").open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", program, "up"], env=settings, stdout=log, stderr=log, cwd=folder
            )
        while not self._ready():
            if self._process.poll() is not None or time.monotonic() - started_s > _READY_S:
                why = Path(self._home.name, "up.log").read_text()[-2000:]
                self.close()
                raise RuntimeError(why)
            time.sleep(0.1)
        self.start_s = time.monotonic() - started_s

    def close(self) -> None:
        """Stop the cluster."""
        self._process.terminate()
        self._process.wait(timeout=_END_S)
        self._home.cleanup()

    def _ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz", timeout=2).status_code == 200
        except httpx.HTTPError:
            return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
