"""`Fleet`: a head and worker hosts that share nothing but a network, PostgreSQL, a bucket and Redis.

Each host has its own address and its own disk: the same path shows every host another folder. A supervisor starts Ray
again on a host where it ended, as systemd or a kubelet would.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import boto3
import httpx

from tests.chaos.plan import TITLES, Victim
from tests.chaos.processes import Process, in_sessions, kill_sessions
from tests.servers.network import Host, network
from tests.servers.postgres import PostgresServer, find_binaries
from tests.servers.redis import find_redis, redis_server
from tests.servers.s3 import s3_server

START_TIMEOUT_S = 420.0  # a machine that is busy with other things
GCS_PORT = 6379
HTTP_PORT = 8000
BUCKET = "fleet"
SUPERVISOR_PAUSE_S = 1.0
# A host is declared dead after about this many seconds without an answer; Ray's own values make it a minute.
HEALTH = {
    "RAY_health_check_initial_delay_ms": "3000",
    "RAY_health_check_period_ms": "2000",
    "RAY_health_check_timeout_ms": "5000",
    "RAY_health_check_failure_threshold": "4",
}
# Workers wait so long for a head that is away: Ray's minute is too short for a slow machine to start one.
RECONNECT = {"RAY_gcs_rpc_server_reconnect_timeout_s": "300"}
DEAD_AFTER_S = 30.0


@dataclass
class Machine:
    """A host, its disk, and the sessions of everything that runs on it; while ``held`` nothing is started there."""

    host: Host
    disk: Path
    head: bool
    sessions: set[int]
    ray: "subprocess.Popen[bytes] | None" = None
    held: bool = False

    @property
    def url(self) -> str:
        return f"http://{self.host.address}:{HTTP_PORT}"


class Fleet:
    """Starts when entered, with ``meetmemo up`` on the head; ends and is deleted when left. ``more``: environment."""

    def __init__(self, *, workers: int = 2, more: Mapping[str, str] = MappingProxyType({})) -> None:
        self._n_workers = workers
        self._more = more
        self._stack = ExitStack()
        self._stopping = threading.Event()
        self._up: subprocess.Popen[bytes] | None = None
        self.n_restarts = 0
        self.machines: list[Machine] = []

    def __enter__(self) -> "Fleet":
        try:
            self._start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stack.close()

    @property
    def head(self) -> Machine:
        return self.machines[0]

    @property
    def workers(self) -> list[Machine]:
        return self.machines[1:]

    def ready(self, machine: Machine) -> bool:
        """Say whether the endpoint on this host says that everything works."""
        try:
            return httpx.get(f"{machine.url}/readyz", timeout=5).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    def find(self, victim: Victim, machine: Machine | None = None) -> list[Process]:
        """The processes of one kind, on one host or on all."""
        sessions = machine.sessions if machine else {pid for each in self.machines for pid in each.sessions}
        return [process for process in in_sessions(sessions) if process.title.startswith(TITLES[victim])]

    def holder(self, victim: Victim) -> Machine:
        """The worker host on which the first process of this kind runs. Raises ``LookupError`` for none."""
        for machine in self.workers:
            if self.find(victim, machine):
                return machine
        raise LookupError(f"no worker runs a {victim}")

    def kill_head(self) -> None:
        """A power cut of the head: Ray's and MeetMemo's processes there are gone until it is `Machine.held` no more."""
        self.head.held = True
        kill_sessions(self.head.sessions)
        # `ray start` takes any process of this machine that names the head's address for one of the head's own; on a
        # host of its own it would see none.
        (self.head.disk / "t" / "ray" / "ray_current_cluster").unlink(missing_ok=True)

    def logs(self) -> str:
        """The end of every log, for the message of a test that fails."""
        parts = []
        for path in sorted(self._folder.glob("*.log")):
            parts += [f"--- {path.name}", *path.read_text(errors="replace").splitlines()[-15:]]
        return "\n".join(parts)

    def wait_for(self, what: str, predicate: Callable[[], bool], timeout_s: float = START_TIMEOUT_S) -> None:
        """Wait until the predicate holds; raises ``AssertionError``, with the ends of the logs, when it does not."""
        deadline = time.monotonic() + timeout_s
        while not predicate():
            assert time.monotonic() < deadline, f"not in {timeout_s:.0f} s: {what}\n{self.logs()}"
            time.sleep(0.5)

    # Start and end

    def _start(self) -> None:
        enter = self._stack.enter_context
        # Short: the paths of Ray's sockets lie below and may have 107 bytes.
        self._folder = Path(tempfile.mkdtemp(prefix="fleet-"))
        self._stack.callback(shutil.rmtree, self._folder, ignore_errors=True)
        self._home = self._folder / "home"
        self._home.mkdir()
        net = enter(network())
        binaries, redis = find_binaries(), find_redis()
        assert binaries, "the tests ask for PostgreSQL first"
        assert redis, "the tests ask for Redis first"
        ledger = enter(PostgresServer(binaries, host=net.gateway, network=net.subnet))
        self.ledger_url = ledger.url("fleet")
        self._redis = enter(redis_server(redis, net.gateway))
        self._credentials = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
        endpoint = f"http://{net.gateway}:{enter(s3_server(net.gateway))}"
        self.store_url = f"s3://{BUCKET}?endpoint={endpoint}&region=us-east-1"
        client = boto3.client(
            "s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test"
        )
        client.create_bucket(Bucket=BUCKET)
        client.close()
        for number in range(1, self._n_workers + 2):
            disk = self._folder / f"disk{number}"
            disk.mkdir()
            self.machines.append(Machine(host=enter(net.host(number)), disk=disk, head=number == 1, sessions=set()))
        self._stack.callback(self._kill_all)
        for machine in self.machines:
            self._start_ray(machine)
        self._start_up()
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self.ready(self.head):
            if self._up is None or self._up.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the fleet did not get ready:\n{self.logs()}")
            time.sleep(0.5)
        supervisor = threading.Thread(target=self._supervise, name="supervisor", daemon=True)
        supervisor.start()
        self._stack.callback(supervisor.join, 60)
        self._stack.callback(self._stopping.set)

    def _kill_all(self) -> None:
        for machine in self.machines:
            kill_sessions(machine.sessions)
            for process in (machine.ray, self._up):
                if process is not None:
                    process.wait(timeout=30)

    def _supervise(self) -> None:
        """Start what has ended; first Ray, then, on the head, MeetMemo."""
        while not self._stopping.wait(SUPERVISOR_PAUSE_S):
            for machine in self.machines:
                if machine.held or machine.ray is None or machine.ray.poll() is None:
                    continue
                kill_sessions(machine.sessions)
                machine.sessions.clear()
                self.n_restarts += 1
                self._start_ray(machine)
            if not self.head.held and self._up is not None and self._up.poll() is not None and self._answers():
                self._start_up()

    def _answers(self) -> bool:
        """Whether the head's Ray takes connections."""
        probe = [sys.executable, "-c", f"import socket; socket.create_connection(('127.0.0.1', {GCS_PORT}), 2)"]
        return subprocess.run(self.head.host.command(probe, mounts={}), capture_output=True).returncode == 0

    def _start_ray(self, machine: Machine) -> None:
        place = ("--head", "--port", str(GCS_PORT), "--num-cpus", "0", "--include-dashboard", "false")
        if not machine.head:
            place = ("--address", f"{self.head.host.address}:{GCS_PORT}", "--num-cpus", "2")
        label = "head" if machine.head else "cpu"
        machine.ray = self._spawn(
            machine,
            f"ray-{machine.host.name}",
            [
                *(sys.executable, "-m", "ray.scripts.scripts", "start", *place, "--labels", f"meetmemo-node={label}"),
                *("--node-ip-address", machine.host.address, "--block"),
            ],
        )
        if machine.head:  # the others give up when nobody is there
            deadline = time.monotonic() + START_TIMEOUT_S
            while not self._answers() and time.monotonic() < deadline:
                time.sleep(0.5)

    def _start_up(self) -> None:
        command = [sys.executable, "-m", "cluster.cli", "up", "--address", f"{self.head.host.address}:{GCS_PORT}"]
        self._up = self._spawn(self.head, "up", command)

    def _spawn(self, machine: Machine, log: str, command: list[str]) -> "subprocess.Popen[bytes]":
        with (self._folder / f"{log}.log").open("ab") as output:
            process = subprocess.Popen(
                machine.host.command(command, mounts={self._home: machine.disk}),
                env=self._environment(machine),
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        machine.sessions.add(process.pid)
        return process

    def _environment(self, machine: Machine) -> dict[str, str]:
        (machine.disk / "t").mkdir(exist_ok=True)
        ours = {
            "MEETMEMO_HOME": str(self._home),
            "MEETMEMO_HTTP__HOST": "0.0.0.0",
            "MEETMEMO_HTTP__PORT": str(HTTP_PORT),
            "MEETMEMO_AUTH__ALLOW_OFF_ANYWHERE": "true",
            "MEETMEMO_LEDGER_URL": self.ledger_url,
            "MEETMEMO_STORE_URL": self.store_url,
            "MEETMEMO_MODELS": '[{"name": "mini-en", "min_replicas": 2}]',
            "MEETMEMO_RAY__CPU_LABELS": '{"meetmemo-node": "cpu"}',
            "MEETMEMO_COORDINATOR__LEASE_S": "5",
            "MEETMEMO_LOG__FORMAT": "json",
            "MEETMEMO_REUSE": "false",  # the same samples are submitted again and again, to be transcribed
            "RAY_TMPDIR": str(self._home / "t"),
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": "0123456789abcdef" * 4,
            "RAY_SERVE_ENABLE_HA_PROXY": "0",
            "RAY_USAGE_STATS_ENABLED": "0",
            **HEALTH,
            **RECONNECT,
            **self._credentials,
            **self._more,
        }
        if machine.head:
            ours |= {"RAY_REDIS_ADDRESS": self._redis, "RAY_external_storage_namespace": "fleet"}
        return {**os.environ, **ours}
