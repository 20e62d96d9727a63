"""`spans_of`: the Segmenter's stream, resumed after failed replicas, hung calls and storage outages."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace

import structlog

from deployments.artifacts.storage_retry import StorageRetry
from deployments.ports import SegmenterPort, SegmentRequest
from deployments.telemetry.reports import SegmentReport
from pipelines.core import BlobRef, SourceSummary, Span
from pipelines.errors import LedgerUnavailable, ReplicaLost, StoreUnavailable, TimedOut

log = structlog.get_logger()


async def spans_of(
    segmenter: SegmenterPort,
    request: SegmentRequest,
    storage_retry: StorageRetry,
    *,
    max_attempts: int,
    pause_s: float = 1.0,
) -> AsyncGenerator[BlobRef | Span | SourceSummary | SegmentReport]:
    """Yield what the Segmenter yields, each once: spans are cut and named the same every time.

    Waits for as long as the store is unavailable. Raises `TimedOut` and `ReplicaLost` after ``max_attempts`` in a row
    without a new span, and what the Segmenter says about the recording.
    """
    n_seen = n_outages = n_attempts = 0
    while True:
        position = 0
        try:
            async for found in segmenter.segment(request):
                position += 1
                if isinstance(found, BlobRef):
                    request = replace(request, source=found)
                if position > n_seen:
                    n_seen, n_outages, n_attempts = position, 0, 0
                    yield found
        except (StoreUnavailable, LedgerUnavailable) as error:
            await storage_retry.pause(error, n_outages)
            n_outages += 1
        except (TimedOut, ReplicaLost) as error:
            n_attempts += 1
            log.warning("segmentation broke off", action="segment", job_id=request.job_id, error=str(error))
            if n_attempts >= max_attempts:
                raise
            await asyncio.sleep(pause_s)
        else:
            return
