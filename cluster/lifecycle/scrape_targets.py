"""Lists for Prometheus of what to scrape: the endpoint and Ray's agent on each node, current with the cluster.

Ray writes such a list itself only where its dashboard runs, and not with the endpoint in it.
"""

import contextlib
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from pipelines.storage.atomic_write import write_atomic

REFRESH_S = 15.0


def write_targets(folder: Path, url: str, agents: Sequence[str]) -> None:
    """Write ``endpoint.json`` and ``ray.json`` in the form that Prometheus' ``file_sd_configs`` reads."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write(folder / "endpoint.json", [urlsplit(url).netloc])
    _write(folder / "ray.json", agents)


def _write(path: Path, targets: Sequence[str]) -> None:
    text = json.dumps([{"targets": list(targets), "labels": {}}])
    if not path.exists() or path.read_text() != text:
        # Prometheus may read at any moment, as may everybody who may list the folder.
        write_atomic(path, text, mode=path.parent.stat().st_mode & 0o644)


@contextlib.contextmanager
def keeping_targets(folder: Path, url: str, agents: Callable[[], Sequence[str]]) -> Iterator[None]:
    """Keep the lists current for the duration of the block; ``agents`` finds Ray's, as host:port."""
    stop = threading.Event()

    def keep() -> None:
        while True:
            with contextlib.suppress(Exception):  # a full disk or an unreachable head: the next round writes
                write_targets(folder, url, agents())
            if stop.wait(REFRESH_S):
                return

    keeper = threading.Thread(target=keep, name="scrape targets", daemon=True)
    keeper.start()
    try:
        yield
    finally:
        stop.set()
        keeper.join(timeout=REFRESH_S)


def ray_agents() -> list[str]:
    """Return where the agents of the connected cluster's living nodes serve their metrics."""
    import ray

    return sorted(
        f"{node['NodeManagerAddress']}:{node['MetricsExportPort']}"
        for node in ray.nodes()  # type: ignore[no-untyped-call]  # Ray leaves it untyped
        if node["Alive"]
    )
