"""Prepare what a cluster starts in: its home, its ports, and the environment that Ray reads when it is imported."""

import contextlib
import os
import random
import socket
from pathlib import Path

from cluster.lifecycle.haproxy import proxy_environment
from cluster.lifecycle.ray_logs import quieten_components
from cluster.settings.private_files import private_folder, private_umask
from cluster.settings.settings import Settings
from cluster.settings.sources import DOTENV, process_environment
from cluster.wiring.minutes_writers import check_language_model
from cluster.wiring.notifications import check_outgoing
from cluster.wiring.receipts import receipt_key
from cluster.wiring.twilio import twilio_accounts
from cluster.wiring.voices import voice_cipher
from pipelines.errors import ConfigurationError

ONE_MACHINE = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
"""Set to 0 it makes Ray bind its ports to the loopback interface; on Linux as on the systems it is named after."""

NICENESS = "RAY_worker_niceness"
"""Priority of Ray's workers among the machine's processes; Ray's own default is 15."""

USE_HAPROXY = "RAY_SERVE_ENABLE_HA_PROXY"
PROXY_CALLBACK = "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH"
PROXY_MIDDLEWARES = "cluster.lifecycle.proxy_middleware:middlewares"  # a path: the command line need not load it
FALLBACK_PORT = "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT"
REPLICA_PORTS = ("RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT", "RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT")
N_REPLICA_PORTS = 100
PROXY_READY_TIMEOUT = "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S"
PROXY_READY_TIMEOUT_S = 60.0
"""How long a proxy may take to start: as long as Serve waits for it at its start, instead of Ray's 5 s.

Ray kills a proxy that takes longer, and the start of Serve, which waits for that very one, fails.
"""


METRICS_INTERVAL = "RAY_SERVE_METRICS_EXPORT_INTERVAL_MS"
METRICS_INTERVAL_MS = "1000"
"""How often each router and replica hands Serve's counts to Ray, which takes them to its agent every 10 s.

By default they do ten times a second, also where nothing happens.
"""


def check_port(settings: Settings) -> None:
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


def prepare_home(settings: Settings) -> None:
    try:
        with private_umask():
            for folder in (settings.home, settings.run_dir, settings.spool_dir, settings.models_dir):
                folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"The home {settings.home} cannot be written: {error.strerror}.") from None


def prepare_environment(settings: Settings) -> None:
    """Set Ray's environment variables, and tell its workers where ``.env`` is; a variable that is already set wins.

    What ``.env`` holds stays there: the environment of a process is that of its start, and secrets change.
    """
    os.environ.setdefault(DOTENV, str(Path(".env").absolute()))
    check_secrets(settings)
    check_language_model(settings)
    os.environ.setdefault("RAY_AUTH_MODE", "token")
    os.environ.setdefault("RAY_AUTH_TOKEN_PATH", str(_ray_token(settings)))
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    quieten_components()
    os.environ.setdefault(NICENESS, str(settings.ray.niceness))
    os.environ.setdefault("RAY_SERVE_CONTROL_LOOP_INTERVAL_S", "0.5")
    os.environ.setdefault(METRICS_INTERVAL, METRICS_INTERVAL_MS)
    # A replica that fails its health check hangs or is fenced: waiting for its grace period would only hold its place.
    os.environ.setdefault("RAY_SERVE_FORCE_STOP_UNHEALTHY_REPLICAS", "1")
    os.environ.setdefault(PROXY_READY_TIMEOUT, str(PROXY_READY_TIMEOUT_S))
    os.environ.setdefault(USE_HAPROXY, "1" if settings.http.haproxy else "0")
    if os.environ[USE_HAPROXY] != "1":
        os.environ.setdefault(PROXY_CALLBACK, PROXY_MIDDLEWARES)
    # At Ray's fixed port a second cluster on the same machine would get requests of the first: what stands in while no
    # replica is known shares its port with that of every other cluster.
    os.environ.setdefault(FALLBACK_PORT, str(_free_port()))
    if not settings.ray.address:
        _prepare_own_ray(settings)


def check_secrets(settings: Settings) -> None:
    """Raise `ConfigurationError` for a secret of the environment that is damaged or missing."""
    check_outgoing(settings, process_environment())
    twilio_accounts(settings)
    voice_cipher(process_environment())
    receipt_key(process_environment())


def _prepare_own_ray(settings: Settings) -> None:
    """Set the folder for sockets, and the ports, of a Ray cluster on this machine alone."""
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
    """Return a port below those that systems hand out to outgoing connections.

    HAProxy binds it only seconds later: a port that the system may give to the next outgoing connection, or that every
    cluster would like best, could be gone by then.
    """
    for port in random.sample(range(20_000, 30_000), 200):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("", port))
            return port
    raise ConfigurationError("This machine has no free port between 20000 and 30000.")


def _ray_token(settings: Settings) -> Path:
    """Return a token of our own: only processes of this home may talk to this cluster's Ray."""
    path = settings.run_dir / "ray-token"
    if not path.exists():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(os.urandom(32).hex())
    return path
