"""The MinutesWriter: turns a stored transcript into minutes and documents, at once or later.

Minutes that a language model cannot write for now are parked: the job has its transcript's documents and a note, and
`follow_up` writes the minutes when the model answers again, across restarts.
"""

import asyncio
from collections.abc import Callable, Mapping

import structlog

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
from pipelines.minutes.protocol import MinutesOptions, Resumable, Writer
from pipelines.storage import BlobStore

log = structlog.get_logger()

PARKED_NOTE = "The minutes are parked and will follow: "
# What the parking writes at once; the writer's own limit bounds the calls.
MAX_FOLLOW_UPS = 100


class MinutesWriter:
    """Serves many jobs at once; ``writers`` maps a job's choice (``auto``, ``extractive``, ``llm``) to who writes."""

    def __init__(self, *, store: BlobStore, writers: Mapping[str, Writer], clock: Callable[[], float]) -> None:
        """``clock`` gives Unix seconds."""
        self._store = store
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
        minutes, note = None, ""
        if request.minutes != "none":
            try:
                minutes = await self._ask(transcript, request)
            except MinutesParked as error:
                await asyncio.to_thread(self._parking.park, request, str(error), error.not_before_s)
                log.warning("minutes parked", action="park", job_id=request.job_id, detail=str(error))
                note = f"{PARKED_NOTE}{error}"
            except MinutesError as error:
                note = f"There are no minutes: {error}"
        names = await asyncio.to_thread(self._render_all, keys, transcript, minutes, request.title)
        return WrittenResults(names=names, note=note)

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
        minutes, note = None, ""
        try:
            minutes = await self._ask(transcript, request)
        except MinutesParked:
            raise
        except MinutesError as error:
            note = f"There are no minutes: {error}"
        names = await asyncio.to_thread(self._render_all, keys, transcript, minutes, request.title)
        return WrittenResults(names=names, note=note)

    async def _ask(self, transcript: Transcript, request: MinutesRequest) -> Minutes:
        writer = self._writers.get(request.minutes)
        if writer is None:
            raise MinutesError("no language model is configured where minutes are written")
        options = MinutesOptions(language=request.language, tenant=request.tenant, job_id=request.job_id)
        return await writer.write(transcript, options)

    def _render_all(
        self, keys: JobKeys, transcript: Transcript, minutes: Minutes | None, title: str
    ) -> tuple[str, ...]:
        names = [name for name in RESULT_FORMATS if minutes is not None or not name.startswith("minutes.")]
        for name in names:
            self._store.put(keys.result(name), render(name, transcript, minutes, title))
        return tuple(names)
