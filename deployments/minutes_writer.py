"""The MinutesWriter: turns a stored transcript into minutes and documents, at once or later.

Minutes that a language model cannot write for now are parked: the job has its transcript's documents and a note, and
`follow_up` writes the minutes when the model answers again, across restarts.
"""

import asyncio
import time
from collections.abc import Callable, Mapping

import structlog

from deployments.figures import MinutesOutcome, WritingFigures
from deployments.parking import Parked, Parking
from deployments.ports import FollowUpPort, MinutesRequest, WrittenResults
from pipelines.codec import decode
from pipelines.core import Minutes, Transcript
from pipelines.errors import (
    BlobMissing,
    IllegalTransition,
    JobUnknown,
    MeetMemoError,
    MinutesError,
    MinutesParked,
)
from pipelines.export import render
from pipelines.jobs import RESULT_FORMATS
from pipelines.keys import JobKeys
from pipelines.measured_store import MeasuredStore
from pipelines.minutes.cache import PaidMinutes
from pipelines.minutes.pricing import Usage
from pipelines.minutes.protocol import MinutesOptions, PaidWriter, Resumable, Writer
from pipelines.storage import BlobStore

log = structlog.get_logger()

PARKED_NOTE = "The minutes are parked and will follow: "
# What the parking writes at once; the writer's own limit bounds the calls.
MAX_FOLLOW_UPS = 100


class MinutesWriter:
    """Serves many jobs at once; ``writers`` maps a job's choice (``auto``, ``extractive``, ``llm``) to who writes."""

    def __init__(self, *, store: BlobStore, writers: Mapping[str, Writer], clock: Callable[[], float]) -> None:
        """``clock`` gives Unix seconds."""
        self._store = MeasuredStore(store)
        self._writers = writers
        self._clock = clock
        self._parking = Parking(store)
        self._turn = 0

    async def write(self, request: MinutesRequest) -> WrittenResults:
        """Write minutes (unless the job wants none), render every document, store them.

        Minutes that cannot be written never cost a transcript: its documents are there, and the note says why.
        """
        keys = JobKeys(tenant=request.tenant, job_id=request.job_id)
        transcript = decode(Transcript, await asyncio.to_thread(self._store.get, keys.transcript))
        paid, note = None, ""
        outcome: MinutesOutcome = "none"
        started_s = time.perf_counter()
        if request.minutes != "none":
            try:
                paid = await self._ask(transcript, request)
                outcome = "written"
            except MinutesParked as error:
                await asyncio.to_thread(self._parking.park, request, str(error), error.not_before_s)
                log.warning("minutes parked", action="park", job_id=request.job_id, detail=str(error))
                note, outcome = f"{PARKED_NOTE}{error}", "parked"
            except MinutesError as error:
                note, outcome = f"There are no minutes: {error}", "failed"
        return await self._finish(request, transcript, paid, note, outcome, time.perf_counter() - started_s)

    async def follow_up(self, coordinator: FollowUpPort) -> int:
        """Write what is parked, if its time has come and the model answers; returns how many minutes followed.

        When somebody asked to resume, the time has come for all.

        Raises ``StoreUnavailable``. What fails for another reason stays parked for the next time.
        """
        resumed = await asyncio.to_thread(self._parking.taken_word)
        if resumed:
            for writer in self._writers.values():
                if isinstance(writer, Resumable):
                    writer.resume()
        now_s = self._clock()
        found = await asyncio.to_thread(self._parking.list)
        parked = [entry for entry in found if resumed or entry.not_before_s <= now_s]
        if not parked:
            return 0
        # One goes alone: while the model does not answer, one call finds that out. Another one each time, for the
        # fault may be the meeting's.
        first = parked.pop(self._turn % len(parked))
        if not await self._follow(first, coordinator):
            self._turn += 1
            return 0
        places = asyncio.Semaphore(MAX_FOLLOW_UPS)

        async def follow(entry: Parked) -> bool:
            async with places:
                return await self._follow(entry, coordinator)

        return 1 + sum(await asyncio.gather(*(follow(entry) for entry in parked)))

    async def _follow(self, entry: Parked, coordinator: FollowUpPort) -> bool:
        """Write one parked job's minutes; False when they stay parked."""
        try:
            written = await self._write_parked(entry.request)
            if written is not None:
                await coordinator.minutes_followed(entry.request.tenant, entry.request.job_id, written)
                log.info("minutes followed", action="follow", job_id=entry.request.job_id)
        except JobUnknown:
            log.info("parked job is gone", action="follow", job_id=entry.request.job_id)
        except (MinutesParked, IllegalTransition):
            return False  # not yet: neither the model nor, perhaps, the job's own end
        except MeetMemoError as error:
            log.warning("follow-up failed", action="follow", job_id=entry.request.job_id, detail=str(error))
            return False
        await asyncio.to_thread(self._parking.release, entry.request)
        return True

    async def _write_parked(self, request: MinutesRequest) -> WrittenResults | None:
        """Minutes and documents of a parked job; None when the job was deleted meanwhile."""
        keys = JobKeys(tenant=request.tenant, job_id=request.job_id)
        try:
            transcript = decode(Transcript, await asyncio.to_thread(self._store.get, keys.transcript))
        except BlobMissing:
            return None
        paid, note = None, ""
        outcome: MinutesOutcome = "written"
        started_s = time.perf_counter()
        try:
            paid = await self._ask(transcript, request)
        except MinutesParked:
            raise
        except MinutesError as error:
            note, outcome = f"There are no minutes: {error}", "failed"
        return await self._finish(request, transcript, paid, note, outcome, time.perf_counter() - started_s)

    async def _finish(
        self,
        request: MinutesRequest,
        transcript: Transcript,
        paid: PaidMinutes | None,
        note: str,
        outcome: MinutesOutcome,
        minutes_s: float,
    ) -> WrittenResults:
        """Render and store the documents; say what all of it took."""
        keys = JobKeys(tenant=request.tenant, job_id=request.job_id)
        minutes = paid.minutes if paid else None
        started_s = time.perf_counter()
        stored = await asyncio.to_thread(self._render_all, keys, transcript, minutes, request.title)
        writer = self._writers.get(request.minutes)
        figures = WritingFigures(
            outcome=outcome,
            writer=minutes.writer if minutes else "",
            minutes_s=minutes_s,
            render_s=time.perf_counter() - started_s,
            n_bytes=sum(stored.values()),
            usage=paid.usage if paid else Usage(),
            calls=writer.take_calls() if isinstance(writer, PaidWriter) else {},
            store_calls=self._store.take_calls(),
        )
        return WrittenResults(names=tuple(stored), note=note, figures=figures)

    async def _ask(self, transcript: Transcript, request: MinutesRequest) -> PaidMinutes:
        writer = self._writers.get(request.minutes)
        if writer is None:
            raise MinutesError("no language model is configured where minutes are written")
        options = MinutesOptions(language=request.language, tenant=request.tenant, job_id=request.job_id)
        if isinstance(writer, PaidWriter):
            return await writer.write_paid(transcript, options)
        return PaidMinutes(minutes=await writer.write(transcript, options), usage=Usage())

    def _render_all(self, keys: JobKeys, transcript: Transcript, minutes: Minutes | None, title: str) -> dict[str, int]:
        """Sizes of the stored documents, by name."""
        names = [name for name in RESULT_FORMATS if minutes is not None or not name.startswith("minutes.")]
        return {
            name: self._store.put(keys.result(name), render(name, transcript, minutes, title)).n_bytes for name in names
        }
