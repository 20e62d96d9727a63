"""Start a cluster, wait until it is ready, stop it.

A cluster started here belongs to the process that started it: ``meetmemo up`` in the foreground, or the process
``--detach`` leaves behind. `cluster.lifecycle.running_cluster` finds it again.
"""

import contextlib
import logging
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import SimpleQueue
from types import FrameType

import httpx

from cluster.lifecycle.haproxy import INNER_HOST, proxy_environment
from cluster.lifecycle.home_lock import owning
from cluster.lifecycle.reload import answer_request, is_asked, with_generation
from cluster.lifecycle.running_cluster import RunningCluster, find_running, remove_state, write_state
from cluster.lifecycle.scrape_targets import keeping_targets, ray_agents
from cluster.settings.private_files import OTHERS, keep_private, private_folder, private_umask
from cluster.settings.settings import Settings
from cluster.settings.sources import KEY, SERVER_SECRETS, process_environment, read_secret
from cluster.wiring.authentication import complaints_about_keys
from cluster.wiring.notifications import check_outgoing, pass_on_secrets
from cluster.wiring.twilio import twilio_accounts
from pipelines.errors import ConfigurationError, LedgerUnavailable, StoreUnavailable
from pipelines.ledger.open import connect_keys, connect_ledger
from pipelines.ledger.protocol import DrainMode
from pipelines.models.catalogue import resolve
from pipelines.models.devices import usable_cores
from pipelines.storage.open import open_store
from pipelines.storage.protocol import BlobStore

READY_TIMEOUT_S = 300.0
ONE_MACHINE = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
"""Set to 0 it makes Ray bind its ports to the loopback interface; on Linux as on the systems it is named after."""

USE_HAPROXY = "RAY_SERVE_ENABLE_HA_PROXY"
FALLBACK_PORT = "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT"
REPLICA_PORTS = ("RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT", "RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT")
N_REPLICA_PORTS = 100
_RAY_ATTEMPTS = 3
STORAGE_RETRY_S = 2.0
NODES_SETTLE_S = 5.0


def run_until_stopped(settings: Settings, announce: Callable[[str], None], reread: Callable[[], Settings]) -> None:
    """Start a cluster, ``announce`` its URL once it is ready, serve until SIGTERM or SIGINT, stop it.

    ``reread`` gives the settings anew: SIGHUP deploys them; see `cluster.lifecycle.reload`. In a terminal SIGHUP
    without a request is its end, and stops the cluster.

    Raises `ConfigurationError` when this home's cluster runs already or the port is taken.
    """
    os.umask(OTHERS)  # nothing that this process writes is for others
    _stop_on_signals()
    hung_up: SimpleQueue[None] = SimpleQueue()  # its `put` may interrupt its `get`, which an event's may not
    in_terminal = sys.stdin is not None and sys.stdin.isatty()

    def hang_up(number: int, frame: FrameType | None) -> None:
        if in_terminal and not is_asked(settings):
            raise KeyboardInterrupt
        hung_up.put(None)

    signal.signal(signal.SIGHUP, hang_up)
    settings = with_generation(settings)
    try:
        # Ray puts handlers of its own in place when it starts; they abort the process.
        with serving(settings, connected=_stop_on_signals):
            announce(settings.url)
            while True:
                hung_up.get()
                settings = answer_request(settings, reread)
    except KeyboardInterrupt:
        pass


def _stop_on_signals() -> None:
    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, interrupt)


def _to_stderr(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


@contextlib.contextmanager
def serving(
    settings: Settings,
    *,
    connected: Callable[[], None] = lambda: None,
    quiet: bool = False,
    say: Callable[[str], None] = _to_stderr,
) -> Iterator[None]:
    """A cluster for the duration of the block. Waits for a ledger or a store that is away, and says so.

    ``connected`` is called once Ray runs. ``quiet`` keeps the replicas' logs off this terminal; Ray writes them to
    files all the same. The files of the cluster are its user's alone; what this process writes meanwhile need not be.
    Raises `ConfigurationError`, and `ModelError` for a configured model that is not there.
    """
    running = find_running(settings)
    if running is not None:
        raise ConfigurationError(f"A cluster of {settings.home} runs already (process {running.pid}, {running.url}).")
    for model in settings.models:
        resolve(model.path or model.name, settings.models_dir)
    _prepare_home(settings)
    with owning(settings.home):
        remove_state(settings)  # of a cluster that was killed
        if not settings.ray.address:  # there the port may be that of the application that is taken over
            _check_port(settings)
        with private_umask():
            keep_private(settings, say)
            wait_for_storage(settings, say)
            _end_drain(settings)
            _prepare_environment(settings)
            _check_door(settings, say)
        with _deployed(settings, connected=connected, quiet=quiet):
            write_state(settings)
            try:
                with keeping_targets(settings.targets_dir, settings.url, ray_agents):
                    yield
            finally:
                remove_state(settings)


@contextlib.contextmanager
def _deployed(settings: Settings, *, connected: Callable[[], None], quiet: bool) -> Iterator[None]:
    """Ray and the application, ready, for the duration of the block."""
    # Ray reads its environment when it is imported, so it comes after that was prepared.
    import ray
    from ray import serve

    from cluster.app import deploy
    from cluster.serve.config_file import APP_NAME
    from cluster.serve.replicas import stop_coordinator

    with private_umask():  # for Ray's processes, of which all others are children
        _connect(settings, quiet=quiet)
    connected()
    try:
        serve.start(
            http_options={"host": _serve_host(settings), "port": settings.http.port}, proxy_location="EveryNode"
        )
        if settings.ray.address:
            _await_nodes()
        deploy(settings)
        wait_until_ready(settings.url)
        yield
    finally:
        with contextlib.suppress(Exception):  # whatever fails here, the cluster must still go down
            stop_coordinator(settings.coordinator.drain_s)
        if settings.ray.address:
            serve.delete(APP_NAME)
        ray.shutdown()


def _serve_host(settings: Settings) -> str:
    """Return the address that Serve's own servers listen on.

    On one machine they are behind HAProxy, which alone listens on ``http.host``: see
    `cluster.lifecycle.haproxy_launcher`.
    """
    behind = not settings.ray.address and os.environ[USE_HAPROXY] == "1"
    return INNER_HOST if behind else settings.http.host


def _await_nodes() -> None:
    """Wait until no node has joined for a while: shares of a cluster that is half there would not be its own.

    After a restart of the head all nodes come back, one by one.
    """
    import ray

    seen, since = -1.0, time.monotonic()
    while time.monotonic() - since < NODES_SETTLE_S:
        n_cpus = ray.cluster_resources().get("CPU", 0.0)  # type: ignore[no-untyped-call]  # Ray leaves it untyped
        if n_cpus != seen:
            seen, since = n_cpus, time.monotonic()
        time.sleep(0.2)


def start_detached(settings: Settings, arguments: list[str]) -> RunningCluster:
    """Start ``meetmemo up`` with these arguments in a process of its own; return once it is ready.

    Raises `ConfigurationError` with the end of its log when it does not get ready.
    """
    _prepare_home(settings)
    log = settings.run_dir / "cluster.log"
    with private_umask(), log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603 - our own program with our own arguments
            [sys.executable, "-m", "cluster.cli.main", *arguments],
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
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
    raise ConfigurationError(f"The cluster did not start; the end of {log}:\n{tail}")


def wait_until_ready(url: str, timeout_s: float = READY_TIMEOUT_S) -> None:
    """Wait until ``/readyz`` says 200; raises `ConfigurationError` with its last answer when it does not in time."""
    deadline = time.monotonic() + timeout_s
    last = "no answer"
    while time.monotonic() < deadline:
        try:
            answer = httpx.get(f"{url}/readyz", timeout=10.0)
        except httpx.HTTPError as error:
            last = str(error)
        else:
            if answer.status_code == httpx.codes.OK:
                return
            last = answer.text
        time.sleep(0.2)
    raise ConfigurationError(f"{url} did not get ready in {timeout_s:.0f} s: {last}")


def wait_for_storage(settings: Settings, say: Callable[[str], None], pause_s: float = STORAGE_RETRY_S) -> None:
    """Bring the ledger up to date and check the store, again and again until both answer; ``say`` what is missing.

    Raises `ConfigurationError` for what waiting does not mend.
    """
    said = ""
    while True:
        try:
            ledger = connect_ledger(settings.ledger_url)
            try:
                ledger.migrate()
                ledger.check()
                store = open_store(settings.store_url)
                store.check()
                _claim(store, ledger.identity(), say)
            finally:
                ledger.close()
        except (LedgerUnavailable, StoreUnavailable) as error:
            if str(error) != said:
                said = str(error)
                say(f"Waiting for storage: {said}")
            time.sleep(pause_s)
        else:
            return


def _claim(store: BlobStore, identity: str, say: Callable[[str], None]) -> None:
    """Make the store the ledger's; say what limits that."""
    if not store.conditional_writes():
        say("The blob store ignores conditional writes: do not start two clusters at once that share it.")
    if store.claim(identity) != identity:
        say(
            "The blob store belongs to another ledger. What jobs leave that this ledger does not know stays there; "
            f"if that other ledger is gone for good, remove {store.owner_mark()} and start again."
        )


def _check_door(settings: Settings, say: Callable[[str], None]) -> None:
    """Raise `ConfigurationError` for a door that cannot be built; say so when nobody has a key to it."""
    from cluster.wiring.authentication import build_doorkeeper  # not for every command: it takes the web framework

    keys = connect_keys(settings.ledger_url)
    build_doorkeeper(settings, keys)
    known = keys.list()
    if settings.auth.mode == "keys" and not known:
        say("There is no API key yet: make one with `meetmemo keys create`.")
    for complaint in complaints_about_keys(known):
        say(complaint)


def _end_drain(settings: Settings) -> None:
    """A cluster that is started begins jobs, whatever the one before was told."""
    ledger = connect_ledger(settings.ledger_url)
    try:
        ledger.set_drain_mode(DrainMode.OFF)
    finally:
        ledger.close()


def _check_port(settings: Settings) -> None:
    """Raise `ConfigurationError` when the port is taken."""
    if fault := _port_fault(settings):
        raise ConfigurationError(
            f"Cannot listen on {settings.http.host}:{settings.http.port}: {fault}. "
            "Choose another port with --port or MEETMEMO_HTTP__PORT."
        )


def _port_fault(settings: Settings) -> str:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.http.host, settings.http.port))
        except OSError as error:
            return error.strerror or str(error)
    return ""


def _prepare_home(settings: Settings) -> None:
    try:
        with private_umask():
            for folder in (settings.home, settings.run_dir, settings.spool_dir, settings.models_dir):
                folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"The home {settings.home} cannot be written: {error.strerror}.") from None


def _prepare_environment(settings: Settings) -> None:
    """Ray's own switches; what the operator set wins."""
    if settings.deepseek_api_key is not None:
        # From .env as well: Ray's workers on this machine inherit it; see `cluster.settings.sources.read_key`.
        os.environ.setdefault(KEY, settings.deepseek_api_key.get_secret_value())
    for name in SERVER_SECRETS:
        if read_secret(name, os.environ) is None and (secret := read_secret(name, process_environment())):
            os.environ[name] = secret
    pass_on_secrets()
    check_outgoing(settings, os.environ)
    twilio_accounts(settings)
    os.environ.setdefault("RAY_AUTH_MODE", "token")
    os.environ.setdefault("RAY_AUTH_TOKEN_PATH", str(_ray_token(settings)))
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_SERVE_CONTROL_LOOP_INTERVAL_S", "0.5")
    # A replica that fails its health check hangs or is fenced: waiting for its grace period would only hold its place.
    os.environ.setdefault("RAY_SERVE_FORCE_STOP_UNHEALTHY_REPLICAS", "1")
    os.environ.setdefault(USE_HAPROXY, "1" if settings.http.haproxy else "0")
    # At Ray's fixed port a second cluster on the same machine would get requests of the first: what stands in while no
    # replica is known shares its port with that of every other cluster.
    os.environ.setdefault(FALLBACK_PORT, str(_free_port()))
    if not settings.ray.address:
        _prepare_own_ray(settings)


def _prepare_own_ray(settings: Settings) -> None:
    """Where a cluster on this machine alone keeps its sockets, and what it listens on."""
    private = private_folder(settings)
    os.environ.setdefault("RAY_TMPDIR", str(private))
    os.environ.setdefault(ONE_MACHINE, "0")
    if os.environ[USE_HAPROXY] == "1":
        os.environ.update(proxy_environment(settings, private, os.environ))
    if REPLICA_PORTS[0] not in os.environ:
        # Where the endpoint's replicas listen. A port is announced before it is found to be another cluster's.
        first = _free_port()
        os.environ.update(zip(REPLICA_PORTS, (str(first), str(first + N_REPLICA_PORTS)), strict=True))


def _free_port() -> int:
    """A port below those that systems hand out to outgoing connections.

    HAProxy binds it only seconds later: a port that the system may give to the next outgoing connection, or that every
    cluster would like best, could be gone by then.
    """
    for port in random.sample(range(20_000, 30_000), 200):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("", port))
            return port
    raise ConfigurationError("This machine has no free port between 20000 and 30000.")


def _ray_token(settings: Settings) -> Path:
    """A token of our own: only processes of this home may talk to this cluster's Ray."""
    path = settings.run_dir / "ray-token"
    if not path.exists():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(os.urandom(32).hex())
    return path


def _connect(settings: Settings, *, quiet: bool) -> None:
    import ray

    if settings.ray.address:
        ray.init(address=settings.ray.address, namespace="meetmemo", log_to_driver=not quiet)
        return
    for attempts_left in range(_RAY_ATTEMPTS - 1, -1, -1):
        try:
            ray.init(
                num_cpus=settings.ray.num_cpus or usable_cores(),
                namespace="meetmemo",
                include_dashboard=False,
                log_to_driver=not quiet,
                logging_level=logging.ERROR if quiet else logging.INFO,
            )
        except Exception as error:  # Ray raises a bare one when its 30 s were not enough for a busy machine
            ray.shutdown()
            if "timed out during startup" not in str(error) or not attempts_left:
                raise
        else:
            return
