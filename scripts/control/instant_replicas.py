"""The replicas of an `instant_cluster`, by the names of those whose place they take.

Ray's workers import them from here, as they import `cluster.serve` in a cluster of users.
"""

from typing import Any

from instant_cluster import InstantEngine, Tally, TimedSource

from cluster.serve import coordinator, ingestion, minutes_writer, segmenter, transcriber
from cluster.serve.engine_share import EngineShare
from cluster.serve.replica_process import begin_process, coordinator_handle
from cluster.settings.sections import ModelSettings
from cluster.settings.settings import Settings
from deployments.workers.transcriber import Transcriber
from pipelines.storage.open import open_store


def counted(settings: Settings, part: str) -> Tally:
    """Count what this process does from now on."""
    tally = Tally(settings.home, part)
    tally.count_storage()
    tally.count_calls()
    return tally


class CoordinatorReplica(coordinator.CoordinatorReplica):
    """Counts."""

    def __init__(self, settings: Settings, *others: Any) -> None:
        counted(settings, "Coordinator")
        super().__init__(settings, *others)


class SegmenterReplica(segmenter.SegmenterReplica):
    """Counts."""

    def __init__(self, settings: Settings, *others: Any) -> None:
        counted(settings, "Segmenter")
        super().__init__(settings, *others)


class MinutesWriterReplica(minutes_writer.MinutesWriterReplica):
    """Counts."""

    def __init__(self, settings: Settings) -> None:
        counted(settings, "MinutesWriter")
        super().__init__(settings)


class IngestionReplica(ingestion.IngestionReplica):
    """Counts."""

    def __init__(self, settings: Settings, *others: Any) -> None:
        counted(settings, "Ingestion")
        super().__init__(settings, *others)


class TranscriberReplica(transcriber.TranscriberReplica):
    """Answers at once, and times the Coordinator's answers."""

    def __init__(self, settings: Settings, model: ModelSettings, share: EngineShare) -> None:
        begin_process(settings)
        tally = counted(settings, "Transcriber")
        Transcriber.__init__(
            self,
            name=model.name,
            engine=InstantEngine(),
            store=open_store(settings.store_url),
            source=TimedSource(coordinator_handle(), tally),
            max_rows=share.batch_size,
            most_rows=share.most_rows,
            decode_slots=share.decode_slots,
            hang_s=settings.coordinator.hang_s,
        )


REPLICAS = (
    "CoordinatorReplica",
    "SegmenterReplica",
    "MinutesWriterReplica",
    "IngestionReplica",
    "TranscriberReplica",
)
