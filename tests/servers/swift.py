"""OpenStack Swift with its S3 API: four servers on one machine, one device, one replica."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import httpx

from tests.servers import free_port

START_TIMEOUT_S = 90.0
KEY_ID, SECRET = "test:tester", "testing"  # tempauth's account, user and key

_BACKEND = """
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
swift_dir = {home}
devices = {home}/devices
mount_check = false
disable_fallocate = true
fallocate_reserve = 0
log_name = {kind}
log_level = WARNING
log_address = {home}/no-syslog
[pipeline:main]
pipeline = {kind}-server
[app:{kind}-server]
use = egg:swift#{kind}
"""

_PROXY = """
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
swift_dir = {home}
log_name = proxy
log_level = WARNING
log_address = {home}/no-syslog
[pipeline:main]
pipeline = catch_errors healthcheck cache bulk s3api tempauth slo dlo proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:healthcheck]
use = egg:swift#healthcheck
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:{no_port}
connect_timeout = 0.01
[filter:bulk]
use = egg:swift#bulk
[filter:s3api]
use = egg:swift#s3api
location = us-east-1
s3_acl = false
min_segment_size = 5242880
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = {secret} .admin
[filter:slo]
use = egg:swift#slo
[filter:dlo]
use = egg:swift#dlo
"""


@contextlib.contextmanager
def swift_server() -> Iterator[int]:
    """Run Swift, empty; yields the port of its proxy, which speaks S3, on 127.0.0.1.

    Raises `RuntimeError` with what the servers said when they do not start. The folder for temporary files must be on
    a file system with extended attributes.
    """
    with tempfile.TemporaryDirectory(prefix="meetmemo-swift-") as folder, contextlib.ExitStack() as running:
        home = Path(folder)
        (home / "devices" / "one").mkdir(parents=True)
        (home / "swift.conf").write_text(
            "[swift-hash]\nswift_hash_path_suffix = tests\n[storage-policy:0]\nname = one\ndefault = yes\n"
        )
        ports = {kind: free_port() for kind in ("account", "container", "object", "proxy")}
        for kind in ("account", "container", "object"):
            (home / f"{kind}.conf").write_text(_BACKEND.format(kind=kind, port=ports[kind], home=home))
            _make_ring(home / f"{kind}.builder", ports[kind])
        (home / "proxy.conf").write_text(
            _PROXY.format(port=ports["proxy"], home=home, secret=SECRET, no_port=free_port())
        )
        servers = {kind: running.enter_context(_server(kind, home)) for kind in ports}
        _await_answers(ports.values(), servers, home)
        yield ports["proxy"]


def _make_ring(builder: Path, port: int) -> None:
    program = Path(sys.executable).with_name("swift-ring-builder")
    for arguments in (["create", "4", "1", "0"], ["add", f"r1z1-127.0.0.1:{port}/one", "1"], ["rebalance"]):
        done = subprocess.run([sys.executable, program, builder, *arguments], capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"no ring for Swift: {done.stdout}{done.stderr}")


@contextlib.contextmanager
def _server(kind: str, home: Path) -> Iterator[subprocess.Popen[bytes]]:
    program = Path(sys.executable).with_name(f"swift-{kind}-server")
    with open(home / f"{kind}.log", "wb") as log:
        process = subprocess.Popen(
            [sys.executable, program, home / f"{kind}.conf", "--verbose"], stdout=log, stderr=log, env=_environment()
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def _await_answers(ports: Iterable[int], servers: dict[str, "subprocess.Popen[bytes]"], home: Path) -> None:
    """Wait until all four servers answer; whatever they answer."""
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while True:
        with contextlib.suppress(httpx.TransportError):
            for port in ports:
                httpx.get(f"http://127.0.0.1:{port}/healthcheck", timeout=10)
            return
        if time.monotonic() > deadline_s or any(server.poll() is not None for server in servers.values()):
            said = {kind: (home / f"{kind}.log").read_text()[-2000:] for kind in servers}
            raise RuntimeError(f"Swift does not start: {said}")
        time.sleep(0.05)


def _environment() -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
