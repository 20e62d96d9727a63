"""`keep_masked_copy`: has the playback copy made of a job that hides what was said, once it is known what that is."""

import asyncio
import itertools

import structlog

from deployments.artifacts.storage_retry import StorageRetry
from deployments.ports import MaskedCopyRequest, SegmenterPort
from pipelines.backoff import Backoff, between_lost_calls
from pipelines.errors import MeetMemoError, ReplicaLost, TimedOut
from pipelines.jobs.job import Job

PAUSES = between_lost_calls()
TIMEOUT_S = 3600.0  # a recording of a day is decoded and encoded in a fraction of that

log = structlog.get_logger()


async def keep_masked_copy(
    segmenter: SegmenterPort, job: Job, storage_retry: StorageRetry, *, max_attempts: int, pauses: Backoff = PAUSES
) -> str:
    """Have the copy stored; return why there is none, "" where there is: the transcript stands without it.

    Waits for as long as the store is unavailable. A job that has no copy of its own (`JobOptions.redacts_copy`), or
    decodes chunks of an earlier one again, needs nothing.
    """
    sound = job.options.mask_audio
    if not job.options.redacts_copy or job.replay_of or sound == "off":
        return ""
    request = MaskedCopyRequest(
        tenant=job.tenant,
        job_id=job.id,
        split_channels=job.options.channels == "split",
        track=job.options.track,
        sound=sound,
        traceparent=job.traceparent,
    )

    async def once() -> None:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await segmenter.keep_masked(request)
        except TimeoutError:
            raise TimedOut(f"no copy was made within {TIMEOUT_S:g} seconds") from None

    for n_lost in itertools.count(1):
        try:
            await storage_retry.repeat(once)
        except ReplicaLost as error:
            if n_lost >= max_attempts:
                return str(error)
            await asyncio.sleep(pauses.steady_delay_s(n_lost))
        except MeetMemoError as error:
            log.warning("no audio kept", action="give_up", job_id=job.id, error=str(error))
            return str(error)
        except Exception as error:
            log.exception("no audio kept", action="give_up", job_id=job.id)
            return type(error).__name__
        else:
            return ""
    raise AssertionError("counting does not end")
