"""Clusters that can be broken: one machine by ``meetmemo up``, or several nodes by ``ray start`` that it joins."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import httpx

from tests.chaos.plan import TITLES, Victim
from tests.chaos.processes import Process, in_sessions, kill, kill_sessions
from tests.chaos.receiver import Receiver
from tests.servers import free_port

START_TIMEOUT_S = 420.0  # a machine that is busy with other things
NODE_ATTEMPTS = 3
NODE_TIMEOUT_S = 150.0
LEASE_S = 5.0
HEALTH_TIMEOUT_S = 5.0
WEBHOOK_TIMEOUT_S = 5.0
_AGENT_PORTS = (
    "--metrics-export-port",
    "--dashboard-agent-grpc-port",
    "--dashboard-agent-listen-port",
    "--runtime-env-agent-port",
)
_STARTED = "Ray runtime started"


class Cluster:
    """A home that outlives its cluster, and the sessions of the processes that run now.

    ``nodes`` 0: ``meetmemo up`` starts Ray itself. Else a head without CPUs and this many nodes with ``cpus`` each,
    on this machine, that ``meetmemo up --address`` joins. ``shards`` Coordinators divide the jobs. ``more`` goes into
    its environment. `remove` deletes it. ``home`` and ``receiver`` may be those of an earlier cluster; ``program`` is
    the module that is ``meetmemo``.
    """

    def __init__(
        self,
        *,
        nodes: int = 0,
        cpus: int = 2,
        ledger_url: str = "",
        shards: int = 1,
        more: Mapping[str, str] = MappingProxyType({}),
        home: Path | None = None,
        receiver: Receiver | None = None,
        program: str = "cluster.cli",
    ) -> None:
        # Short: the paths of Ray's sockets lie below and may have 107 bytes.
        self.home = home or Path(tempfile.mkdtemp(prefix="chaos-"))
        self._program = program
        self.ledger_url = ledger_url or f"sqlite:///{self.home / 'ledger.sqlite3'}"
        self.store_url = f"file://{self.home / 'store'}"
        self.shards = shards
        self.receiver = receiver or Receiver()
        self._http_port = free_port()
        self._n_nodes = nodes
        self._more = more
        self._cpus = cpus
        self._ray_port = 0
        self._head: subprocess.Popen[bytes] | None = None
        self._up: subprocess.Popen[bytes] | None = None
        self._nodes: list[subprocess.Popen[bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http_port}"

    @property
    def has_nodes(self) -> bool:
        return self._n_nodes > 0

    def describe(self) -> str:
        """Where the jobs run, in words."""
        database = "SQLite" if self.ledger_url.startswith("sqlite") else "PostgreSQL"
        machine = f"a head and {self._n_nodes} nodes" if self.has_nodes else "one machine"
        coordinators = f", {self.shards} shards" if self.shards > 1 else ""
        return f"{machine}, {database}{coordinators}"

    def remove(self) -> None:
        """Delete all files, and receive no more webhooks."""
        self.receiver.close()
        shutil.rmtree(self.home, ignore_errors=True)

    # Start and end

    def start(self) -> None:
        """Start everything and wait until ``/readyz`` says 200; raises ``RuntimeError`` with the log's end."""
        address = self._start_nodes() if self.has_nodes else ""
        self._up = self._spawn(
            "up", [sys.executable, "-m", self._program, "up", *(["--address", address] * bool(address))]
        )
        deadline = time.monotonic() + START_TIMEOUT_S
        while not (self.ready() and (self.home / "run" / "cluster.json").exists()):
            if self._up.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"meetmemo up did not get ready:\n{self._end_of('up')}")
            time.sleep(0.2)

    def end_earlier(self) -> None:
        """End a cluster that runs in this home, whoever started it."""
        if (self.home / "run" / "cluster.json").exists():
            with contextlib.suppress(RuntimeError):  # it has ended by itself
                self.cli("down")

    def stop(self) -> None:
        """SIGTERM to ``meetmemo up``, then the end of whatever is left."""
        if self._up is not None and self._up.poll() is None:
            self._up.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._up.wait(timeout=60)
        self.kill()

    def kill(self) -> int:
        """SIGKILL to every process of every node, as a power cut; return how many there were."""
        n_killed = kill_sessions(self._sessions())
        for process in (self._up, self._head, *self._nodes):
            if process is not None:
                process.wait(timeout=30)
        self._up = self._head = None
        self._nodes = []
        return n_killed

    def cli(self, *arguments: str, timeout_s: float = 600.0) -> str:
        """Run ``meetmemo`` against this home; return what it says. Raises ``RuntimeError`` where it fails."""
        command = [sys.executable, "-m", "cluster.cli", *arguments]
        done = subprocess.run(
            command, env=self._environment, capture_output=True, text=True, timeout=timeout_s, check=False
        )
        if done.returncode:
            raise RuntimeError(f"meetmemo {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done.stdout

    def ready(self) -> bool:
        """Say whether ``/readyz`` answers 200 now."""
        try:
            return httpx.get(f"{self.url}/readyz", timeout=5).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    # What can be killed

    def processes(self) -> list[Process]:
        """Return all processes of this cluster."""
        return in_sessions(self._sessions())

    def find(self, victim: Victim) -> list[Process]:
        """The processes that are this victim now."""
        return [process for process in self.processes() if process.title.startswith(TITLES[victim])]

    def kill_one(self, victim: Victim, wait_s: float = 300.0) -> str:
        """Kill (or stop) the victim's first process, once there is one; return its id. Raises ``TimeoutError``."""
        deadline = time.monotonic() + wait_s
        while not (found := self.find(victim)):
            if time.monotonic() > deadline:
                raise TimeoutError(f"no process of {victim} in {wait_s:.0f} s")
            time.sleep(0.1)
        kill(found[0].pid, signal.SIGSTOP if victim is Victim.HANG else signal.SIGKILL)
        return f"process {found[0].pid}"

    def kill_node(self) -> str:
        """Kill every process of a node that runs a Transcriber, start another node; return what ran on the dead one."""
        self._nodes = [node for node in self._nodes if node.poll() is None]
        while len(self._nodes) < self._n_nodes:  # an earlier replacement did not come up
            self._nodes.append(self._ray_start(*self._join))
        held = {process.session for process in self.find(Victim.TRANSCRIBER)}
        node = next((node for node in self._nodes if node.pid in held), self._nodes[0])
        actors = [process.title for process in in_sessions({node.pid}) if "ServeReplica" in process.title]
        kill_sessions({node.pid})
        node.wait(timeout=30)
        self._nodes.remove(node)
        self._nodes.append(self._spawn("node", _ray_command(*self._join)))  # comes up while the others work
        names = sorted(title.split()[0].split(":meetmemo:")[-1].split(".")[0] for title in actors)
        return f"with {', '.join(names) or 'no replica'}"

    def logs(self) -> list[Path]:
        """The error streams of all Ray workers of all starts."""
        return sorted((self.home / "tmp").glob("ray/session_2*/logs/worker-*.err"))

    # Small parts

    @property
    def _environment(self) -> dict[str, str]:
        (self.home / "tmp").mkdir(exist_ok=True)
        ours = {
            "MEETMEMO_HOME": str(self.home),
            "MEETMEMO_HTTP__PORT": str(self._http_port),
            "MEETMEMO_REUSE": "false",  # the same samples are submitted again and again, to be transcribed
            "MEETMEMO_LEDGER_URL": self.ledger_url,
            "MEETMEMO_COORDINATOR__SHARDS": str(self.shards),
            "MEETMEMO_COORDINATOR__LEASE_S": str(LEASE_S),
            "MEETMEMO_COORDINATOR__HEALTH_TIMEOUT_S": str(HEALTH_TIMEOUT_S),
            "MEETMEMO_WEBHOOKS__URL": self.receiver.url,
            "MEETMEMO_WEBHOOKS__PRIVATE_TARGETS": "true",
            "MEETMEMO_WEBHOOKS__TIMEOUT_S": str(WEBHOOK_TIMEOUT_S),
            "WEBHOOK_SECRETS": self.receiver.secret,
            "MEETMEMO_LOG__LEVEL": "debug",
            "MEETMEMO_LOG__FORMAT": "json",
            "RAY_TMPDIR": str(self.home / "tmp"),
            "RAY_USAGE_STATS_ENABLED": "0",
        }
        if self.has_nodes:
            # The nodes' daemons are started outside of `meetmemo up` and know nothing of its settings.
            ours |= {"RAY_AUTH_MODE": "disabled", "RAY_SERVE_ENABLE_HA_PROXY": "0"}
        return {**os.environ, **ours, **self._more}

    def _sessions(self) -> set[int]:
        return {process.pid for process in (self._up, self._head, *self._nodes) if process is not None}

    def _spawn(self, log: str, command: list[str]) -> subprocess.Popen[bytes]:
        with (self.home / f"{log}.log").open("ab") as output:
            return subprocess.Popen(
                command, env=self._environment, stdout=output, stderr=output, start_new_session=True
            )

    def _end_of(self, log: str) -> str:
        return "\n".join((self.home / f"{log}.log").read_text(errors="replace").splitlines()[-30:])

    def _start_nodes(self) -> str:
        self._ray_port = free_port()
        self._head = self._ray_start(
            "--head",
            *("--port", str(self._ray_port), "--num-cpus", "0"),
            *("--include-dashboard", "false", "--ray-client-server-port", str(free_port())),
        )
        self._nodes = [self._ray_start(*self._join) for _ in range(self._n_nodes)]
        return f"127.0.0.1:{self._ray_port}"

    @property
    def _join(self) -> tuple[str, ...]:
        return ("--address", f"127.0.0.1:{self._ray_port}", "--num-cpus", str(self._cpus))

    def _ray_start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Run ``ray start`` until it has started; on a busy machine it may give up, and is tried again."""
        for _ in range(NODE_ATTEMPTS):
            (self.home / "node.log").unlink(missing_ok=True)
            process = self._spawn("node", _ray_command(*arguments))
            deadline = time.monotonic() + NODE_TIMEOUT_S
            while process.poll() is None and time.monotonic() < deadline:
                if _STARTED in self._end_of("node"):
                    return process
                time.sleep(0.1)
            kill_sessions({process.pid})
            process.wait(timeout=30)
        raise RuntimeError(f"ray start failed:\n{self._end_of('node')}")


def _ray_command(*arguments: str) -> list[str]:
    return [
        *(sys.executable, "-m", "ray.scripts.scripts", "start", *arguments),
        # Ephemeral ports: the default range belongs to one node per machine.
        *("--node-ip-address", "127.0.0.1", "--min-worker-port", "0", "--max-worker-port", "0", "--block"),
        # Ports that are chosen here need not be waited for: raylet aborts when its agents are slow to name theirs.
        *(word for option in _AGENT_PORTS for word in (option, str(free_port()))),
    ]
