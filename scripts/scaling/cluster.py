"""A cluster to plan: how much of each resource it has, what that can carry, and what a job asks of it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from pipelines.core import SAMPLE_RATE
from pipelines.scheduling.shards import MAX_SHARDS
from scripts.scaling.costs import RAY, Costs, Shape

SAMPLE_BYTES = 2
STORE_NODE_CORES = 8
FULL = 0.8
"""So full may processes get on average when a cluster is planned: queues get long beyond."""


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Numbers of processes (each with a core), and speeds.

    ``speed``: audio seconds per second of one device, which decodes ``rows`` chunks at once and needs
    ``batch_overhead_s`` for each batch. ``segmenters`` count the cores that cut recordings. ``ledger_cores`` are
    PostgreSQL's, whose commit takes ``commit_s``; ``node_bytes_s`` and ``node_calls_s`` are what one node of the
    store takes, ``store_s`` one call's time. ``source_bytes_s`` are bytes of a second of recording.
    """

    devices: int
    speed: float
    shards: int = 1
    segmenters: int = 1
    ingestion: int = 1
    minutes_writers: int = 1
    rows: int = 64
    batch_overhead_s: float = 0.05
    ledger_cores: int = 16
    commit_s: float = 0.002
    store_nodes: int = 1
    node_bytes_s: float = 2.5e9
    node_calls_s: float = 5_000.0
    store_s: float = 0.01
    source_bytes_s: float = 16_000.0

    def __post_init__(self) -> None:
        if not 1 <= self.shards <= MAX_SHARDS:
            raise ValueError(f"there may be 1 to {MAX_SHARDS} shards, not {self.shards}")

    @property
    def processes(self) -> Mapping[str, int]:
        """The cores of each part that takes processor time."""
        return {
            "coordinator": self.shards,
            "segmenter": self.segmenters,
            "ingestion": self.ingestion,
            "minutes writers": self.minutes_writers,
            "ledger": self.ledger_cores,
        }

    @property
    def live_jobs(self) -> int:
        """Jobs in hand of all shards: as many as fill every batch, were each recording a single row."""
        return max(32, 2 * self.devices * self.rows)

    @property
    def n_cores(self) -> int:
        """Cores beside those of the devices' hosts."""
        return sum(self.processes.values()) + STORE_NODE_CORES * self.store_nodes


def device_speed(cluster: Cluster, shape: Shape) -> float:
    """Return the audio seconds per second of a device whose batches are full."""
    batch_s = cluster.rows * shape.audio_s / shape.n_chunks
    return batch_s / (cluster.batch_overhead_s + batch_s / cluster.speed)


def stored_bytes(cluster: Cluster, shape: Shape) -> float:
    """Return the bytes that a job moves into and out of the store: its source and its samples, both ways."""
    return 2 * shape.audio_s * (cluster.source_bytes_s + SAMPLE_RATE * SAMPLE_BYTES)


def store_s(cluster: Cluster, costs: Costs, shape: Shape) -> float:
    """Return the seconds of one of its nodes that the store takes for a job: for its bytes or for its calls."""
    calls_s = costs.store_calls.of(shape) / cluster.node_calls_s
    return max(stored_bytes(cluster, shape) / cluster.node_bytes_s, calls_s)


def bounds(cluster: Cluster, costs: Costs, shape: Shape) -> dict[str, float]:
    """Return the audio seconds per second that each resource can carry at most (utilisation law)."""
    found = {"devices": cluster.devices * device_speed(cluster, shape)}
    for part, n in cluster.processes.items():
        job_s = costs.job_s(part, shape)
        found[part] = n * costs.share_left(part) / job_s * shape.audio_s if job_s else math.inf
    job_s = store_s(cluster, costs, shape)
    return found | {"store": cluster.store_nodes / job_s * shape.audio_s if job_s else math.inf}


def sized(cluster: Cluster, costs: Costs, shape: Shape, *, load: float, full: float = FULL) -> Cluster:
    """Return the cluster with as many processes of each part as its devices' load needs, none more than ``full``.

    What no number raises stays: shards beyond `MAX_SHARDS`, and the ledger.
    """
    jobs_s = load * cluster.devices * device_speed(cluster, shape) / shape.audio_s

    def needed(part: str) -> int:
        left = max(0.01, full - 1 + costs.share_left(part))
        return max(1, math.ceil(jobs_s * costs.job_s(part, shape) / left))

    return replace(
        cluster,
        shards=min(MAX_SHARDS, needed("coordinator")),
        segmenters=needed("segmenter"),
        ingestion=needed("ingestion"),
        minutes_writers=needed("minutes writers"),
        store_nodes=max(1, math.ceil(jobs_s * store_s(cluster, costs, shape) / full)),
    )


def walls(cluster: Cluster, costs: Costs, shape: Shape) -> dict[str, float]:
    """Return the audio seconds per second beyond which no number of processes helps, by resource, lowest first."""
    most = bounds(replace(cluster, shards=MAX_SHARDS), costs, shape)
    return dict(sorted(((name, most[name]) for name in ("coordinator", "ledger")), key=_second))


def usd_per_audio_hour(
    cluster: Cluster, costs: Costs, *, audio_s_per_s: float, device_usd: float, core_usd: float
) -> float:
    """Return the price of an audio hour at hourly prices of a device with its host, and of every other core."""
    n_cores = cluster.n_cores + costs.idle_ms.get(RAY, 0.0) / 1000
    paid_usd = cluster.devices * device_usd + n_cores * core_usd
    return paid_usd / audio_s_per_s if audio_s_per_s else math.inf


def _second(pair: tuple[str, float]) -> float:
    return pair[1]
