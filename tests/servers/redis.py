"""A Redis server that keeps what Ray's head knows."""

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.servers import free_port

START_TIMEOUT_S = 30.0


def find_redis() -> str | None:
    """Return the program, None where it is not installed."""
    return shutil.which("redis-server")


@contextmanager
def redis_server(program: str, host: str) -> Iterator[str]:
    """Run a Redis server, empty; yields ``host:port``."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="redis-") as folder:
        process = subprocess.Popen(
            [program, "--bind", host, "--port", str(port), "--protected-mode", "no", "--dir", folder, "--save", ""],
            stdout=subprocess.DEVNULL,
        )
        try:
            _wait(process, host, port)
            yield f"{host}:{port}"
        finally:
            process.terminate()
            process.wait(timeout=30)


def _wait(process: "subprocess.Popen[bytes]", host: str, port: int) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            socket.create_connection((host, port), timeout=1).close()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("redis-server does not start") from None
            time.sleep(0.05)
