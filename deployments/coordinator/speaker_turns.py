"""`SpeakerTurns`: has the voices of live jobs heard span by span, and told apart once a recording is decoded.

A fault of it costs a job its speakers, never its transcript. Jobs that want no speakers never wait for it.
"""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from deployments.artifacts.storage_retry import StorageRetry
from deployments.coordinator.live_job import LiveJob
from deployments.ports import DiarizationRequest, DiarizerPort, VoicesRequest
from deployments.telemetry.counters import CoordinatorMetrics
from pipelines.backoff import between_lost_calls
from pipelines.core import SAMPLE_RATE, Span
from pipelines.errors import MeetMemoError, ReplicaLost, TimedOut
from pipelines.speakers.voices import Diarization

OPEN_CALLS = 16
"""Spans that the Diarizers have in hand or in line; more wait here, where nobody takes their waiting for a fault.

Serve adds Diarizers by their number.
"""
log = structlog.get_logger()

R = TypeVar("R")


class SpeakerTurns:
    """Calls the Diarizers for all jobs of a Coordinator. Belongs to one event loop."""

    def __init__(
        self,
        diarizer: DiarizerPort,
        *,
        storage_retry: StorageRetry,
        counters: CoordinatorMetrics,
        timeout_s: float,
        max_attempts: int,
        pause_s: float,
    ) -> None:
        """Take the time of a call, after which it hangs, and how long to wait first where a replica died."""
        self._diarizer = diarizer
        self._storage_retry = storage_retry
        self._counters = counters
        self._timeout_s = timeout_s
        self._max_attempts = max_attempts
        self._pauses = between_lost_calls(pause_s)
        self._room = asyncio.Semaphore(OPEN_CALLS)

    def begin(self, live: LiveJob, span: Span) -> None:
        """Have the voices of a span heard, where its job wants them told apart and there is speech in it."""
        options = live.job.options
        wanted = options.speaker_options and span.chunks and not options.is_named(span.channel)
        if not wanted or live.speakers_missing or span.index in live.voices:
            return
        task = asyncio.create_task(self._hear(live, span))
        live.voices[span.index] = task
        live.tasks.add(task)
        task.add_done_callback(live.tasks.discard)

    async def finish(self, live: LiveJob) -> Diarization | None:
        """Wait until all spans are heard, and return who spoke when; None where nobody wanted to know.

        What a replay's origin found is in its quarantine, and not found again.
        """
        options = live.job.options.speaker_options
        if options is None or live.job.replay_of:
            return None
        await asyncio.gather(*live.voices.values(), return_exceptions=True)
        found = Diarization(missing=live.speakers_missing)
        if live.voices and not live.speakers_missing:
            request = DiarizationRequest(
                tenant=live.job.tenant,
                job_id=live.job.id,
                spans=tuple(span for span in live.spans if span.index in live.voices),
                options=options,
                traceparent=live.job.traceparent,
            )
            try:
                found = await self._call(lambda: self._diarizer.tell_apart(request))
            except Exception as error:
                found = Diarization(missing=self._told(live, error))
        if found.missing:
            self._counters.speakers_missing()
        return found

    async def _hear(self, live: LiveJob, span: Span) -> None:
        request = VoicesRequest(
            tenant=live.job.tenant,
            job_id=live.job.id,
            span=span,
            request_id=live.job.request_id,
            traceparent=live.job.traceparent,
        )
        try:
            cpu_s = await self._call(lambda: self._diarizer.hear(request))
        except Exception as error:
            if not live.speakers_missing:
                live.speakers_missing = self._told(live, error)
            for task in live.voices.values():  # without one span there are no speakers
                if task is not asyncio.current_task():
                    task.cancel()
            return
        live.voices_cpu_s += cpu_s
        self._counters.voices_heard((span.end - span.start) / SAMPLE_RATE, cpu_s)

    async def _call(self, call: Callable[[], Awaitable[R]]) -> R:
        for n_lost in itertools.count(1):
            try:
                return await self._storage_retry.repeat(lambda: self._once(call))
            except ReplicaLost:
                if n_lost >= self._max_attempts:
                    raise
                await asyncio.sleep(self._pauses.steady_delay_s(n_lost))
        raise AssertionError("counting does not end")

    async def _once(self, call: Callable[[], Awaitable[R]]) -> R:
        try:
            async with self._room, asyncio.timeout(self._timeout_s):
                return await call()
        except TimeoutError:
            raise TimedOut(f"no voices were told within {self._timeout_s:g} seconds") from None

    @staticmethod
    def _told(live: LiveJob, error: Exception) -> str:
        """Log what went wrong, and put it into words for the job's owner."""
        if isinstance(error, MeetMemoError):
            log.warning("speakers given up", action="give_up", job_id=live.job.id, error=str(error))
        else:
            log.exception("speakers given up", action="give_up", job_id=live.job.id)
        return str(error) if isinstance(error, MeetMemoError) else type(error).__name__
