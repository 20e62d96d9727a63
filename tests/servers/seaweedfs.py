"""SeaweedFS, all its parts in one process, started as configs/docker/compose.yaml starts it."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.servers import free_port

START_TIMEOUT_S = 90.0
KEY_ID, SECRET, BUCKET = "meetmemo", "meetmemo-store", "meetmemo"
_PARTS = ("master", "volume", "filer", "s3", "admin")


@contextmanager
def seaweedfs_server(arguments: list[str]) -> Iterator[int]:
    """Run ``weed`` with ``arguments`` and an empty folder; yields the port on 127.0.0.1 where it speaks S3.

    Addresses, ports and the folder are replaced by ones of this machine. The bucket `BUCKET` is there. Raises
    `RuntimeError` with what it said when it does not start.
    """
    with tempfile.TemporaryDirectory(prefix="meetmemo-seaweedfs-") as folder, open(f"{folder}/log", "wb") as log:
        ports = {f"{part}.port{kind}": free_port() for part in _PARTS for kind in ("", ".grpc")}
        own = {"dir": f"{folder}/data", "ip": "127.0.0.1", "ip.bind": "127.0.0.1", "s3.port.lance": 0} | ports
        kept = [argument for argument in arguments if argument.lstrip("-").partition("=")[0] not in own]
        process = subprocess.Popen(
            [Path(sys.executable).with_name("weed"), *kept, *(f"-{name}={value}" for name, value in own.items())],
            cwd=folder,
            env={
                "PATH": os.environ["PATH"],
                "HOME": folder,
                "AWS_ACCESS_KEY_ID": KEY_ID,
                "AWS_SECRET_ACCESS_KEY": SECRET,
                "S3_BUCKET": BUCKET,
            },
            stdout=log,
            stderr=log,
        )
        try:
            _await_bucket(process, ports["s3.port"], Path(folder) / "log")
            yield ports["s3.port"]
        finally:
            process.kill()
            process.wait()


def _await_bucket(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    """Wait until the bucket is there: without a signature it answers 403, and 404 before."""
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            if httpx.get(f"http://127.0.0.1:{port}/{BUCKET}", timeout=10).status_code == 403:
                return
        except httpx.TransportError:
            pass
        if time.monotonic() > deadline_s or process.poll() is not None:
            raise RuntimeError(f"SeaweedFS does not start: {log.read_text()[-4000:]}")
        time.sleep(0.1)
