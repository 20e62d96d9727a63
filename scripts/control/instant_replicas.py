"""The replicas of an `instant_cluster`, by the names of those whose place they take.

Ray's workers import them from here, as they import `cluster.serve` in a cluster of users.
"""

import asyncio
import os
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt
from instant_cluster import DEVICES, SPEED, STAND_IN, InstantEngine, Tally, TimedSource

from cluster.serve import coordinator, ingestion, minutes_writer, segmenter, transcriber
from cluster.serve.engine_share import EngineShare
from cluster.serve.replica_process import begin_process
from cluster.settings.sections import ModelSettings
from cluster.settings.settings import Settings
from deployments.ports import SegmentRequest
from deployments.workers.transcriber import Transcriber
from pipelines.core import SAMPLE_RATE, BlobRef, Chunk, SourceSummary, Span, SpeechInterval
from pipelines.scheduling.work_item import WorkItem
from pipelines.storage.layout import JobKeys
from pipelines.storage.open import open_store

try:
    from cluster.serve.replica_process import work_source
except ImportError:  # another checkout, where there is one Coordinator
    from cluster.serve.replica_process import coordinator_handle as work_source  # type: ignore[assignment]

BYTES_PER_S = 8000
"""Of the recordings that are sent: what stands in for the Segmenter knows no more of them."""
CHUNK_S, CHUNKS_PER_SPAN = 28.0, 10
READERS = 8


@dataclass(frozen=True, kw_only=True)
class PretendedShare(EngineShare):
    """The share of a Transcriber that pretends to have several devices: open calls keep all of them busy."""

    n_devices: int

    @property
    def batches_at_once(self) -> int:
        return 2 * self.n_devices


def pretended(share: EngineShare) -> EngineShare:
    """Return a share with as many devices as each Transcriber pretends to have."""
    n_devices = int(os.environ.get(DEVICES, "1"))
    if n_devices == 1:
        return share
    own = {field.name: getattr(share, field.name) for field in fields(EngineShare)}
    return PretendedShare(**own | {"decode_slots": 1}, n_devices=n_devices)


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
    """Counts; may cut recordings by their length alone, into chunks without samples."""

    def __init__(self, settings: Settings, *others: Any) -> None:
        counted(settings, "Segmenter")
        super().__init__(settings, *others)

    async def _answers(self, request: SegmentRequest) -> AsyncGenerator[Any]:
        answers = stand_in_spans(request) if os.environ.get(STAND_IN) else super()._answers(request)
        async for found in answers:
            yield found


async def stand_in_spans(request: SegmentRequest) -> AsyncGenerator[Span | SourceSummary]:
    """Yield what a Segmenter does for a recording of nothing but speech; no samples are stored."""
    assert request.source is not None, "recordings are sent, not fetched"
    n_samples = round(request.source.n_bytes / BYTES_PER_S * SAMPLE_RATE)
    length = round(CHUNK_S * SAMPLE_RATE)
    starts = range(0, n_samples, length)
    chunks = [
        Chunk(
            index=index,
            channel=0,
            span=index // CHUNKS_PER_SPAN,
            pieces=(SpeechInterval(start=start, end=min(start + length, n_samples)),),
        )
        for index, start in enumerate(starts)
    ]
    spans = [tuple(chunks[first : first + CHUNKS_PER_SPAN]) for first in range(0, len(chunks), CHUNKS_PER_SPAN)]
    keys = JobKeys(tenant=request.tenant, job_id=request.job_id)
    for index, own in enumerate(spans):
        pcm = BlobRef(key=keys.pcm(0, index), n_bytes=0)
        yield Span(index=index, channel=0, start=own[0].start, end=own[-1].end, pcm=pcm, chunks=own)
    yield SourceSummary(duration_s=n_samples / SAMPLE_RATE, n_channels=1, n_spans=len(spans), n_chunks=len(chunks))


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


class InstantTranscriber(Transcriber):
    """Needs no samples where none were stored."""

    def _read_pcm(self, item: WorkItem) -> npt.NDArray[np.int16]:
        if os.environ.get(STAND_IN):
            return np.zeros(item.chunk.n_samples, np.int16)
        return super()._read_pcm(item)


class TranscriberReplica(transcriber.TranscriberReplica):
    """Answers at once, or as its devices do, and times the Coordinator's answers.

    What Serve asks about it is answered for the first device.
    """

    def __init__(self, settings: Settings, model: ModelSettings, share: EngineShare) -> None:
        begin_process(settings)
        tally = counted(settings, "Transcriber")
        options: dict[str, Any] = {
            "name": model.name,
            "store": open_store(settings.store_url),
            "source": TimedSource(work_source(), tally),
            "max_rows": share.batch_size,
            "most_rows": share.most_rows,
            "decode_slots": share.decode_slots,
            "hang_s": settings.coordinator.hang_s,
        }
        speed = float(os.environ.get(SPEED, "0"))
        n_devices = share.n_devices if isinstance(share, PretendedShare) else 1
        devices = [InstantTranscriber(engine=InstantEngine(speed), **options) for _ in range(n_devices)]
        Transcriber.__init__(self, engine=InstantEngine(speed), **options)
        pool, device = ThreadPoolExecutor(READERS), ThreadPoolExecutor(max(n_devices, share.decode_slots))
        self._idle: asyncio.Queue[InstantTranscriber] = asyncio.Queue()
        for one in devices:
            one._pool, one._device = pool, device  # a thread for each of hundreds would only wait
            for _ in range(share.batches_at_once // n_devices):
                self._idle.put_nowait(one)

    async def work(self, pull_id: str) -> int:
        """Let the device that has been idle the longest do it."""
        one = await self._idle.get()
        try:
            return await one.work(pull_id)
        finally:
            self._idle.put_nowait(one)


REPLICAS = (
    "CoordinatorReplica",
    "SegmenterReplica",
    "MinutesWriterReplica",
    "IngestionReplica",
    "TranscriberReplica",
)
