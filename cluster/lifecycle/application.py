"""Start Ray, deploy the application on it, and wait until it is ready."""

import contextlib
import os
import time
from collections.abc import Callable, Iterator

import httpx

from cluster.lifecycle.environment import USE_HAPROXY
from cluster.lifecycle.haproxy import INNER_HOST
from cluster.lifecycle.ray_logs import divert_driver_logs
from cluster.settings.private_files import private_umask
from cluster.settings.settings import Settings
from pipelines.errors import ConfigurationError
from pipelines.models.devices import usable_cores

READY_TIMEOUT_S = 300.0
NODES_SETTLE_S = 5.0
_RAY_ATTEMPTS = 3


@contextlib.contextmanager
def deployed(
    settings: Settings, *, connected: Callable[[], None], quiet: bool, n_gpus: int | None = None
) -> Iterator[None]:
    """Run Ray and the application for the duration of the block, which is entered once all replicas are ready.

    ``n_gpus``: see `gpus_to_count`.
    """
    # Ray reads its environment when it is imported, so it comes after that was prepared.
    import ray
    from ray import serve

    from cluster.app import deploy
    from cluster.serve.config_file import APP_NAME
    from cluster.serve.coordinator import stop_coordinators

    divert_driver_logs(settings.run_dir / "ray.log")
    with private_umask():  # for Ray's processes, of which all others are children
        _connect(settings, quiet=quiet, n_gpus=n_gpus)
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
            stop_coordinators(settings.coordinator.drain_s)
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


def _connect(settings: Settings, *, quiet: bool, n_gpus: int | None) -> None:
    import ray

    if settings.ray.address:
        ray.init(address=settings.ray.address, namespace="meetmemo", log_to_driver=not quiet)
        return
    for attempts_left in range(_RAY_ATTEMPTS - 1, -1, -1):
        try:
            ray.init(
                num_cpus=settings.ray.num_cpus or usable_cores(),
                num_gpus=n_gpus,
                namespace="meetmemo",
                include_dashboard=False,
                log_to_driver=not quiet,
            )
        except Exception as error:  # Ray raises a bare one when its 30 s were not enough for a busy machine
            ray.shutdown()
            if "timed out during startup" not in str(error) or not attempts_left:
                raise
        else:
            return
