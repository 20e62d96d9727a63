"""Shares: which part of a node each replica gets, by one rule."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any

from cluster.settings.sections import ModelSettings
from cluster.settings.settings import Settings
from pipelines.models.devices import DeviceKind, choose_compute_type

if TYPE_CHECKING:
    from pipelines.whisper.engine import EngineOptions

# Cores per batch that is decoded. One each is best on few cores: threads of one batch wait for one another in every
# layer. With many cores so many batches at once would only share the memory's bandwidth.
MANY_CORES = 16
THREADS_OF_MANY = 4
FEWEST_LIVE_JOBS = 32
# Rows per batch where the settings choose none: a GPU wants many, and finds out how many while it works; a CPU's
# decoder gains little beyond sixteen.
GPU_BATCH, LARGEST_GPU_BATCH = 64, 256
CPU_BATCH = 16


@dataclass(frozen=True, kw_only=True)
class EngineShare:
    """The devices of one Transcriber replica: a GPU, a part of one, or some CPU cores.

    It decodes ``decode_slots`` batches at once, with ``threads / decode_slots`` threads each. They begin with
    ``batch_size`` rows and may grow up to ``most_rows``.
    """

    num_gpus: float
    num_cpus: float
    threads: int
    decode_slots: int
    max_replicas: int
    batch_size: int
    most_rows: int = 0
    accelerator_type: str = ""

    @property
    def actor_options(self) -> dict[str, Any]:
        """Ray's resources for a replica, which is placed only where all of them are free on one node."""
        kind = {"accelerator_type": self.accelerator_type} if self.accelerator_type else {}
        return {"num_cpus": self.num_cpus, "num_gpus": self.num_gpus, **kind}

    @property
    def batches_at_once(self) -> int:
        """Batches of one replica: one in each slot, and one whose samples are read or whose results are stored."""
        return self.decode_slots + 1

    @property
    def max_pulls(self) -> int:
        """Open calls that keep every replica's slots busy."""
        return self.max_replicas * self.batches_at_once

    @property
    def rows_at_once(self) -> int:
        """Rows that all replicas decode and read ahead."""
        return self.max_pulls * self.batch_size

    def engine_options(self, model: ModelSettings) -> "EngineOptions":
        """Return the engine options of a replica; Ray shows a replica only its own GPU, as number 0."""
        from pipelines.whisper.engine import EngineOptions  # with torch: only where there is a model

        kind: DeviceKind = "cuda" if self.num_gpus else "cpu"
        return EngineOptions(
            device=kind,
            device_index=0,
            compute_type=choose_compute_type(kind, 0, model.compute_type),
            encoder=model.encoder,
            pooling=model.encoder_pooling,
            windows=model.encoder_windows,
            batch_size=self.batch_size,
            intra_threads=max(1, self.threads // self.decode_slots),
            inter_threads=self.decode_slots,
        )


def live_jobs(shares: Iterable[EngineShare]) -> int:
    """Return how many live jobs fill every batch even if each recording is one row; at least `FEWEST_LIVE_JOBS`."""
    return max(FEWEST_LIVE_JOBS, sum(share.rows_at_once for share in shares))


def share_of(
    settings: Settings, model: ModelSettings, *, n_gpus: float, n_cpus: float, node_cpus: float
) -> EngineShare:
    """Divide the cluster among the models: with GPUs a replica owns one (or its fraction), without, CPU cores.

    ``node_cpus``: cores of the largest node; a replica must fit into one, so several nodes take several replicas.
    One core of a node is left to decoding, voice activity and everything else; it is shared, not reserved, so on the
    CPU a replica still starts a thread for every core it may use.
    """
    if model.device == "cuda" or (n_gpus and model.device == "auto"):
        fits = max(1, int(n_gpus / model.gpus_per_replica / len(settings.models)))
        return EngineShare(
            num_gpus=model.gpus_per_replica,
            num_cpus=0.5,
            threads=max(1, int(n_cpus / max(1, n_gpus / model.gpus_per_replica))),
            decode_slots=1,
            max_replicas=max(1, model.min_replicas, model.max_replicas or fits),
            batch_size=model.batch_size or GPU_BATCH,
            most_rows=model.batch_size or LARGEST_GPU_BATCH,
            accelerator_type=model.accelerator_type,
        )
    n_nodes = max(1, int(n_cpus / node_cpus))
    n_replicas = max(1, model.min_replicas, model.max_replicas or n_nodes)
    per_node = ceil(n_replicas / n_nodes)
    threads = max(1, int(node_cpus / per_node))
    return EngineShare(
        num_gpus=0,
        num_cpus=max(0.5, node_cpus - 1) / len(settings.models) / per_node,
        threads=threads,
        decode_slots=threads if threads < MANY_CORES else threads // THREADS_OF_MANY,
        max_replicas=n_replicas,
        batch_size=model.batch_size or CPU_BATCH,
    )
