"""The MinutesWriter: turns a stored transcript into minutes and documents, at once or later.

Minutes that a language model cannot write for now are deferred: the job has its transcript's documents and a note, and
`follow_up` writes the minutes when the model answers again, across restarts.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

import structlog

from deployments.artifacts.documents import MINUTES_FORMATS, TRANSCRIPT_FORMATS, Documents
from deployments.artifacts.parked_minutes import Parked, RememberedParking
from deployments.ports import FollowUpPort, MinutesRequest, WrittenResults
from deployments.retention.erasure import erase_blobs
from deployments.telemetry import tracing
from deployments.telemetry.reports import MinutesOutcome, WritingReport
from pipelines.codec import decode
from pipelines.core import Transcript, Usage
from pipelines.errors import BlobMissing, IllegalTransition, JobUnknown, MeetMemoError, MinutesError, MinutesParked
from pipelines.export.templating.templates import Templates
from pipelines.export.templating.tenant_styles import TenantStyles
from pipelines.jobs.job import MinutesRecord
from pipelines.minutes.finishing import unwritten
from pipelines.minutes.protocol import MinutesOptions, PaidMinutes, PaidWriter, Resumable, Writer
from pipelines.notes import Note, NoteCode
from pipelines.storage.layout import JobKeys
from pipelines.storage.measured import MeasuredStore
from pipelines.storage.protocol import BlobStore
from pipelines.transcript.findings import has_words, with_findings

log = structlog.get_logger()

PARKED_NOTE = "The minutes are parked and will follow: "
# Deferred minutes written at once; the writer's own limit bounds the calls.
MAX_FOLLOW_UPS = 100
# Jobs whose minutes are being written: each holds its transcript in memory while it waits for a call.
MAX_AT_ONCE = 500
_NOTES = {"parked": PARKED_NOTE + "{}", "failed": "There are no minutes: {}"}


class MinutesWriter:
    """Serves many jobs at once; ``writers`` maps a job's choice (``auto``, ``extractive``, ``llm``) to who writes."""

    def __init__(
        self,
        *,
        store: BlobStore,
        writers: Mapping[str, Writer],
        clock: Callable[[], float],
        styles: TenantStyles | None = None,
        templates: Templates | None = None,
        max_at_once: int = MAX_AT_ONCE,
    ) -> None:
        """Take a ``clock`` of Unix seconds; jobs beyond ``max_at_once`` are deferred, so that no queue grows without
        bound.

        ``templates`` None: each in a process of its own.
        """
        self._store = MeasuredStore(store)
        self._writers = writers
        self._clock = clock
        self._styles = styles or TenantStyles()
        self._documents = Documents(self._store, self._styles, templates)
        self._max_at_once = max_at_once
        self._n_writing = 0
        self._deferred = RememberedParking(store, clock)
        self._turn = 0

    def rewrite_by(self, writers: Mapping[str, Writer]) -> None:
        """Give what comes from now on to other writers; what is being written is finished by the earlier ones."""
        self._writers = writers

    async def write(self, request: MinutesRequest) -> WrittenResults:
        """Write minutes (unless the job wants none), render every document, store them.

        The transcript's documents come first: they wait for no language model, and minutes that cannot be written
        never cost a transcript.
        """
        fields = {"job_id": request.job_id, "tenant": request.tenant, "request_id": request.request_id}
        with (
            structlog.contextvars.bound_contextvars(**fields),
            tracing.span("write", request.traceparent, job_id=request.job_id),
        ):
            return await self._write(request)

    async def _write(self, request: MinutesRequest) -> WrittenResults:
        transcript = await self._transcript(request)
        started_s = time.perf_counter()
        n_bytes = await asyncio.to_thread(self._documents.store_transcript, request, transcript)
        render_s = time.perf_counter() - started_s
        paid, record = None, None
        outcome: MinutesOutcome = "none"
        if request.minutes != "none":
            try:
                paid = await self._ask(transcript, request)
                outcome = _outcome(paid)
            except MinutesParked as error:
                await asyncio.to_thread(self._deferred.park, request, str(error), error.not_before_s)
                log.warning("minutes parked", action="park", job_id=request.job_id, detail=str(error))
                outcome, record = "parked", MinutesRecord(state="parked", note=str(error))
            except MinutesError as error:
                outcome, record = "failed", MinutesRecord(state="failed", note=str(error))
        minutes_s = time.perf_counter() - started_s - render_s
        report = WritingReport(outcome=outcome, minutes_s=minutes_s, render_s=render_s, n_bytes=n_bytes)
        return await self._finish(request, transcript, paid, record, report)

    async def follow_up(self, coordinator: FollowUpPort) -> int:
        """Write deferred minutes that are due, if the model answers; return how many were written.

        After a request to resume, all are due.

        Raises ``StoreUnavailable``. A request that fails for another reason stays deferred.
        """
        resumed = await asyncio.to_thread(self._deferred.consume_resume_request)
        if resumed:
            for writer in self._writers.values():
                if isinstance(writer, Resumable):
                    writer.resume()
        now_s = self._clock()
        found = await asyncio.to_thread(self._deferred.list)
        parked = [entry for entry in found if resumed or entry.not_before_s <= now_s]
        if not parked:
            return 0
        # One goes alone: while the model does not answer, one call finds that out. Another one each time, for the
        # fault may be the meeting's.
        first = parked.pop(self._turn % len(parked))
        if not await self._follow(first, coordinator, at_once=resumed):
            self._turn += 1
            return 0
        places = asyncio.Semaphore(MAX_FOLLOW_UPS)

        async def follow(entry: Parked) -> bool:
            async with places:
                return await self._follow(entry, coordinator, at_once=resumed)

        return 1 + sum(await asyncio.gather(*(follow(entry) for entry in parked)))

    async def _follow(self, entry: Parked, coordinator: FollowUpPort, *, at_once: bool) -> bool:
        """Write one job's deferred minutes; return False when they stay deferred."""
        try:
            written = await self._write_parked(entry.request, at_once=at_once)
            if written is not None:
                await coordinator.minutes_followed(entry.request.tenant, entry.request.job_id, written)
                log.info("minutes followed", action="follow", job_id=entry.request.job_id)
        except JobUnknown:
            log.info("parked job is gone", action="follow", job_id=entry.request.job_id)
        except MinutesParked as error:
            if error.not_before_s > entry.not_before_s:
                await asyncio.to_thread(self._deferred.park, entry.request, str(error), error.not_before_s)
            return False
        except IllegalTransition:
            return False  # not yet: the job's own end is not entered
        except MeetMemoError as error:
            log.warning("follow-up failed", action="follow", job_id=entry.request.job_id, detail=str(error))
            return False
        await asyncio.to_thread(self._deferred.release, entry.request)
        return True

    async def _write_parked(self, request: MinutesRequest, *, at_once: bool) -> WrittenResults | None:
        """Write minutes and documents of a deferred job; returns None when the job was deleted meanwhile."""
        try:
            transcript = await self._transcript(request)
        except BlobMissing:
            return None
        paid, record = None, None
        outcome: MinutesOutcome = "written"
        started_s = time.perf_counter()
        try:
            paid = await self._ask(transcript, replace(request, asked_at_s=None) if at_once else request)
            outcome = _outcome(paid)
        except MinutesParked:
            raise
        except MinutesError as error:
            outcome, record = "failed", MinutesRecord(state="failed", note=str(error))
        report = WritingReport(outcome=outcome, minutes_s=time.perf_counter() - started_s)
        return await self._finish(request, transcript, paid, record, report)

    async def _finish(
        self,
        request: MinutesRequest,
        transcript: Transcript,
        paid: PaidMinutes | None,
        record: MinutesRecord | None,
        report: WritingReport,
    ) -> WrittenResults:
        """Render and store the documents of the minutes, if there are any; say what all of it took.

        Raises `JobUnknown` when the job was erased meanwhile: nothing is left of what was written then.
        """
        names, note = TRANSCRIPT_FORMATS, _NOTES[record.state].format(record.note) if record else ""
        notes: tuple[Note, ...] = ()
        started_s = time.perf_counter()
        if paid is not None:
            minutes = paid.minutes
            stored = await asyncio.to_thread(self._documents.store_minutes, request, transcript, minutes)
            n_bytes, note, notes = stored
            names = (*names, *MINUTES_FORMATS)
            if minutes.writer == "none":
                note = " ".join(found.text for found in transcript.notes if found.code is NoteCode.NO_SPEECH)
                record = MinutesRecord(state="empty", note=note, language=minutes.language)
            else:
                record = MinutesRecord(
                    state="written",
                    note=note,
                    writer=minutes.writer,
                    model=minutes.model,
                    language=minutes.language,
                    usage=minutes.usage,
                )
                report = replace(report, writer=minutes.writer)
            new = Usage() if paid.counted else paid.usage
            report = replace(report, n_bytes=report.n_bytes + n_bytes, usage=new)
        await asyncio.to_thread(self._check_kept, request)
        writer = self._writers.get(request.minutes)
        report = replace(
            report,
            render_s=report.render_s + time.perf_counter() - started_s,
            calls=writer.take_calls() if isinstance(writer, PaidWriter) else {},
            store_calls=self._store.take_calls(),
        )
        return WrittenResults(names=names, note=note, minutes=record, report=report, notes=notes)

    def _check_kept(self, request: MinutesRequest) -> None:
        keys = JobKeys(tenant=request.tenant, job_id=request.job_id)
        if not self._store.exists(keys.transcript):  # an erasure deletes it first
            erase_blobs(self._store, keys)
            raise JobUnknown(f"Job {request.job_id} was erased while its minutes were written.")

    async def _transcript(self, request: MinutesRequest) -> Transcript:
        keys = JobKeys(tenant=request.tenant, job_id=request.job_id)
        transcript = decode(Transcript, await asyncio.to_thread(self._store.get, keys.transcript))
        return with_findings(transcript, transcript.notes)  # those of earlier releases have none

    async def _ask(self, transcript: Transcript, request: MinutesRequest) -> PaidMinutes:
        options = self._options(request)
        if not has_words(transcript):
            return PaidMinutes(minutes=unwritten(options), usage=Usage())
        writer = self._writers.get(request.minutes)
        if writer is None:
            raise MinutesError("no language model is configured where minutes are written")
        if self._n_writing >= self._max_at_once:
            raise MinutesParked(f"{self._n_writing} minutes are being written")
        self._n_writing += 1
        try:
            if not isinstance(writer, PaidWriter):
                return PaidMinutes(minutes=await writer.write(transcript, options), usage=Usage())
            paid = await writer.write_paid(transcript, options)
            return replace(paid, minutes=replace(paid.minutes, usage=paid.usage))
        finally:
            self._n_writing -= 1

    def _options(self, request: MinutesRequest) -> MinutesOptions:
        return MinutesOptions(
            language=request.language,
            title=self._styles.title(request.tenant, request.minutes_title) or None,
            glossary=self._styles.glossary(request.tenant, request.glossary),
            recorded_on=request.recording_date,
            asked_at_s=request.asked_at_s,
            tenant=request.tenant,
            job_id=request.job_id,
        )


def _outcome(paid: PaidMinutes) -> MinutesOutcome:
    return "empty" if paid.minutes.writer == "none" else "written"
