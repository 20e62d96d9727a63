"""`spans_of`: the Segmenter's stream, resumed after failed replicas, hung calls and storage outages."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import replace

import structlog

from deployments.artifacts.storage_retry import StorageRetry
from deployments.ports import SegmenterPort, SegmentRequest
from deployments.telemetry.reports import SegmentReport
from pipelines.backoff import Backoff, between_lost_calls
from pipelines.core import BlobRef, SourceSummary, Span
from pipelines.errors import LedgerUnavailable, ReplicaLost, SourceUnreachable, StoreUnavailable, TimedOut

SOURCE_PAUSES = Backoff(first_s=5.0, longest_s=60.0)
"""Between attempts to fetch a source that is not there yet: a recorder needs seconds, sometimes minutes."""

log = structlog.get_logger()


async def _untold(_: SourceUnreachable) -> None:
    """Tell nobody."""


async def spans_of(
    segmenter: SegmenterPort,
    request: SegmentRequest,
    storage_retry: StorageRetry,
    *,
    max_attempts: int,
    pause_s: float = 1.0,
    patience_s: float = 0.0,
    waits: Callable[[SourceUnreachable], Awaitable[None]] = _untold,
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> AsyncGenerator[BlobRef | Span | SourceSummary | SegmentReport]:
    """Yield what the Segmenter yields, each once: spans are cut and named the same every time.

    Waits for as long as the store is unavailable, and ``patience_s`` for a source that may come, of which ``waits`` is
    told once; ``pause`` takes the seconds until the next attempt, and may take longer. The Segmenter does other work
    meanwhile. Raises `TimedOut` and `ReplicaLost` after ``max_attempts`` in a row without a new span, between which it
    pauses (`between_lost_calls`, scaled by ``pause_s``), and what the Segmenter says about the recording.
    """
    n_seen = n_outages = n_attempts = n_missed = 0
    clock, pauses = asyncio.get_running_loop().time, between_lost_calls(pause_s)
    until_s = clock() + patience_s
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
            request = replace(request, first_time=False)
            await storage_retry.pause(error, n_outages)
            n_outages += 1
        except SourceUnreachable as error:
            left_s = until_s - clock()
            if not error.may_come or left_s <= 0:
                raise
            n_missed += 1
            log.info("source awaited", action="segment", job_id=request.job_id, attempt=n_missed)
            if n_missed == 1:
                await waits(error)
            await pause(min(left_s, SOURCE_PAUSES.delay_s(n_missed)))
        except (TimedOut, ReplicaLost) as error:
            n_attempts += 1
            log.warning("segmentation broke off", action="segment", job_id=request.job_id, error=str(error))
            if n_attempts >= max_attempts:
                raise
            request = replace(request, attempt=request.attempt + 1, first_time=False)
            await asyncio.sleep(pauses.steady_delay_s(n_attempts))
        else:
            return
