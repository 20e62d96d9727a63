"""The MinutesWriter: puts transcripts together, and turns them into minutes, translations and documents.

It also deletes what ended jobs leave, so that the Coordinator's process waits for no store.
What a language model cannot write for now is deferred: the job has its transcript's documents and a note, and
`follow_up` writes the rest when the model answers again, across restarts.
"""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

import structlog

from deployments.artifacts import job_data
from deployments.artifacts.documents import MINUTES_FORMATS, TRANSCRIPT_FORMATS, Documents
from deployments.artifacts.parked_minutes import Parked, RememberedParking
from deployments.ports import EndedJob, FollowUpPort, MinutesRequest, Stitched, StitchRequest, WrittenResults
from deployments.retention.erasure import erase_blobs
from deployments.telemetry import tracing
from deployments.telemetry.reports import WritingReport
from deployments.workers.attempt import Attempt
from deployments.workers.translations import Translated, Translations, parked
from pipelines.codec import decode
from pipelines.core import Minutes, Transcript, Usage
from pipelines.errors import BlobMissing, IllegalTransition, JobUnknown, MeetMemoError, MinutesError, MinutesParked
from pipelines.export.templating.templates import Templates
from pipelines.export.templating.tenant_styles import TenantStyles
from pipelines.jobs.job import MinutesRecord
from pipelines.minutes.finishing import unwritten
from pipelines.minutes.protocol import MinutesOptions, PaidMinutes, PaidWriter, Resumable, Writer
from pipelines.notes import NoteCode
from pipelines.storage.layout import JobKeys
from pipelines.storage.measured import MeasuredStore
from pipelines.storage.protocol import BlobStore
from pipelines.transcript.findings import has_words, with_findings
from pipelines.translation.protocol import Translator

log = structlog.get_logger()

R = TypeVar("R", MinutesRequest, StitchRequest, EndedJob)
A = TypeVar("A")

PARKED_NOTE = "The minutes are parked and will follow: "
# Deferred minutes written at once; the writer's own limit bounds the calls.
MAX_FOLLOW_UPS = 100
# Jobs whose minutes are being written: each holds its transcript in memory while it waits for a call.
MAX_AT_ONCE = 500
_NOTES = {"parked": PARKED_NOTE + "{}", "failed": "There are no minutes: {}"}


class Rendered(NamedTuple):
    """How many bytes the documents of a transcript have, and the seconds that they took."""

    n_bytes: int
    seconds: float


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
        translator: Translator | None = None,
        max_at_once: int = MAX_AT_ONCE,
    ) -> None:
        """Take a ``clock`` of Unix seconds; jobs beyond ``max_at_once`` are deferred, so that no queue grows without
        bound.

        ``templates`` None: each in a process of its own. ``translator`` None: there are no translations.
        """
        self._store = MeasuredStore(store)
        self._writers = writers
        self._translator = translator
        self._clock = clock
        self._styles = styles or TenantStyles()
        self._documents = Documents(self._store, self._styles, templates)
        self._max_at_once = max_at_once
        self._n_writing = 0
        self._deferred = RememberedParking(store, clock)
        self._turn = 0

    def rewrite_by(self, writers: Mapping[str, Writer], translator: Translator | None) -> None:
        """Give what comes from now on to other writers; what is being written is finished by the earlier ones."""
        self._writers = writers
        self._translator = translator

    async def write(self, request: MinutesRequest) -> WrittenResults:
        """Write minutes (unless the job wants none), render every document, store them.

        The transcript's documents come first: they wait for no language model, and minutes that cannot be written
        never cost a transcript. Translations are written beside the minutes.
        """
        fields = {"job_id": request.job_id, "tenant": request.tenant, "request_id": request.request_id}
        with (
            structlog.contextvars.bound_contextvars(**fields),
            tracing.span("write", request.traceparent, job_id=request.job_id),
        ):
            transcript = await self._transcript(request)
            rendered = await asyncio.to_thread(self._render, request, transcript)
            return await self._write(request, transcript, rendered)

    async def write_all(self, requests: Sequence[MinutesRequest]) -> tuple[WrittenResults | Exception, ...]:
        """Do what `write` does for several jobs; return each one's results, or what it raised."""
        return await _each(self.write, requests)

    async def stitch(self, request: StitchRequest) -> Stitched:
        """Put a transcript together and store it; render its documents, too, where they are asked for.

        Raises `StoreUnavailable`, `BlobMissing`.
        """
        job = request.job
        with structlog.contextvars.bound_contextvars(job_id=job.id, tenant=job.tenant, request_id=job.request_id):
            stitched, transcript, rendered = await asyncio.to_thread(self._stitch, request)
            if request.documents is not None and rendered is not None:
                written = await self._write(request.documents, transcript, rendered)
                stitched = replace(stitched, written=written)
            return stitched

    async def stitch_all(self, requests: Sequence[StitchRequest]) -> tuple[Stitched | Exception, ...]:
        """Do what `stitch` does for several jobs; return each one's answer, or what it raised."""
        return await _each(self.stitch, requests)

    async def clean_up(self, ended: EndedJob) -> None:
        """Delete what an ended job needed only while it ran; raises `StoreUnavailable`."""
        await asyncio.to_thread(job_data.clean_up, self._store, ended)

    async def clean_up_all(self, ended: Sequence[EndedJob]) -> tuple[Exception | None, ...]:
        """Do what `clean_up` does for several jobs; return for each None, or what it raised."""
        return await _each(self.clean_up, ended)

    def _stitch(self, request: StitchRequest) -> tuple[Stitched, Transcript, "Rendered | None"]:
        transcript, usage = job_data.stitch_job(self._store, request)
        documents = request.documents
        rendered = self._render(documents, transcript) if documents is not None else None
        return Stitched(usage=usage, notes=transcript.notes), transcript, rendered

    def _render(self, request: MinutesRequest, transcript: Transcript) -> "Rendered":
        """Store the transcript's documents. Blocks."""
        started_s = time.perf_counter()
        n_bytes = self._documents.store_transcript(request, transcript)
        return Rendered(n_bytes, time.perf_counter() - started_s)

    async def _write(self, request: MinutesRequest, transcript: Transcript, rendered: "Rendered") -> WrittenResults:
        """Write what a request wants beside the documents of the transcript, which are ``rendered``."""
        attempt = await self._attempt(request, transcript)
        if attempt.left is not None:
            await asyncio.to_thread(self._deferred.park, attempt.left, attempt.why, attempt.not_before_s)
        written = await self._finish(request, attempt)
        report = replace(
            attempt.report,
            render_s=attempt.report.render_s + rendered.seconds,
            n_bytes=attempt.report.n_bytes + rendered.n_bytes,
        )
        return replace(written, report=self._counted(request, report))

    async def _attempt(self, request: MinutesRequest, transcript: Transcript) -> Attempt:
        """Write the minutes and, at the same time, the translations; neither waits for the other or costs it."""
        if request.renders_only:
            return await self._write_minutes(request, transcript)
        translating = asyncio.create_task(self._translate(request, transcript))
        try:
            minutes = await self._write_minutes(request, transcript)
            translated = await translating
        finally:
            translating.cancel()
            await asyncio.gather(translating, return_exceptions=True)
        return minutes.with_translations(request, translated)

    async def _translate(self, request: MinutesRequest, transcript: Transcript) -> Translated:
        if not request.translate:
            return Translated()
        glossary = self._styles.glossary(request.tenant, request.glossary)
        try:
            with self._place():
                return await Translations(self._store, self._translator).write(request, transcript, glossary)
        except MinutesParked as error:
            return parked(request, error)

    async def _write_minutes(self, request: MinutesRequest, transcript: Transcript) -> Attempt:
        """Write the minutes that a request wants, and store their documents."""
        if request.minutes == "none":
            return Attempt(report=WritingReport(outcome="none"))
        started_s = time.perf_counter()
        try:
            paid = await self._ask(transcript, request)
        except MinutesParked as error:
            log.warning("minutes parked", action="park", job_id=request.job_id, detail=str(error))
            return Attempt(
                record=MinutesRecord(state="parked", note=str(error)),
                left=replace(request, translate=()),
                why=str(error),
                not_before_s=error.not_before_s,
                report=WritingReport(outcome="parked", minutes_s=time.perf_counter() - started_s),
            )
        except MinutesError as error:
            return Attempt(
                record=MinutesRecord(state="failed", note=str(error)),
                report=WritingReport(outcome="failed", minutes_s=time.perf_counter() - started_s),
            )
        minutes = paid.minutes
        written_s = time.perf_counter()
        n_bytes, note, notes = await asyncio.to_thread(self._documents.store_minutes, request, transcript, minutes)
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
        report = WritingReport(
            outcome="empty" if minutes.writer == "none" else "written",
            writer="" if minutes.writer == "none" else minutes.writer,
            minutes_s=written_s - started_s,
            render_s=time.perf_counter() - written_s,
            n_bytes=n_bytes,
            usage=Usage() if paid.counted else paid.usage,
        )
        return Attempt(record=record, report=report, notes=notes)

    async def follow_up(self, coordinator: FollowUpPort) -> int:
        """Write deferred minutes that are due, if the model answers; return how many were written.

        After a request to resume, all are due.

        Raises ``StoreUnavailable``. A request that fails for another reason stays deferred.
        """
        resumed = await asyncio.to_thread(self._deferred.consume_resume_request)
        if resumed:
            for writer in (*self._writers.values(), self._translator):
                if isinstance(writer, Resumable):
                    writer.resume()
        now_s = self._clock()
        found = await asyncio.to_thread(self._deferred.list)
        due = [entry for entry in found if resumed or entry.not_before_s <= now_s]
        if not due:
            return 0
        # One goes alone: while the model does not answer, one call finds that out. Another one each time, for the
        # fault may be the meeting's.
        first = due.pop(self._turn % len(due))
        if not await self._follow(first, coordinator, at_once=resumed):
            self._turn += 1
            return 0
        places = asyncio.Semaphore(MAX_FOLLOW_UPS)

        async def follow(entry: Parked) -> bool:
            async with places:
                return await self._follow(entry, coordinator, at_once=resumed)

        return 1 + sum(await asyncio.gather(*(follow(entry) for entry in due)))

    async def _follow(self, entry: Parked, coordinator: FollowUpPort, *, at_once: bool) -> bool:
        """Write what was deferred of one job; return False when some of it stays deferred."""
        # What was listed may be of a while ago: another replica may have deferred another request of the job since.
        now = await asyncio.to_thread(self._deferred.read, entry.request)
        if now is None:
            return True
        entry = now
        left: Attempt | None = None
        try:
            attempt = await self._write_parked(entry.request, at_once=at_once)
            if attempt is not None:
                written = await self._finish(entry.request, attempt)
                written = replace(written, report=self._counted(entry.request, attempt.report))
                await coordinator.minutes_followed(entry.request.tenant, entry.request.job_id, written)
                log.info("minutes followed", action="follow", job_id=entry.request.job_id)
                left = attempt if attempt.left is not None else None
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
        if left is not None and left.left is not None:
            await asyncio.to_thread(self._deferred.park, left.left, left.why, left.not_before_s)
            return False
        await asyncio.to_thread(self._deferred.release, entry)
        return True

    async def _write_parked(self, request: MinutesRequest, *, at_once: bool) -> Attempt | None:
        """Write what was deferred of a job; returns None when the job was deleted meanwhile.

        Raises `MinutesParked` when all of it stays deferred.
        """
        try:
            transcript = await self._transcript(request)
        except BlobMissing:
            return None
        attempt = await self._attempt(replace(request, asked_at_s=None) if at_once else request, transcript)
        if attempt.left is not None:
            attempt = replace(attempt, left=replace(attempt.left, asked_at_s=request.asked_at_s))
        if not attempt.has_settled:
            raise MinutesParked(attempt.why, attempt.not_before_s)
        if attempt.report.outcome in ("none", "parked"):  # the job has its record of it
            return replace(attempt, record=None, report=replace(attempt.report, outcome=None))
        return attempt

    async def _finish(self, request: MinutesRequest, attempt: Attempt) -> WrittenResults:
        """Return what a job is told of an attempt: the names of minutes' documents, records, a note.

        Raises `JobUnknown` when the job was erased meanwhile: nothing is left of what was written then.
        """
        await asyncio.to_thread(self._check_kept, request)
        record = attempt.record
        has_documents = record is not None and record.state in ("written", "empty")
        note = ""
        if record is not None:
            note = record.note if has_documents else _NOTES[record.state].format(record.note)
        return WrittenResults(
            names=(*TRANSCRIPT_FORMATS, *(MINUTES_FORMATS if has_documents else ())),
            note=note,
            minutes=record,
            translations=attempt.translated.records,
            notes=attempt.notes,
        )

    def _counted(self, request: MinutesRequest, report: WritingReport) -> WritingReport:
        """Return a report with what translations used, and the calls of model and store, since the last report."""
        calls: Counter[str] = Counter()
        usage = report.usage
        writer = self._writers.get(request.minutes)
        if isinstance(writer, PaidWriter):
            calls.update(writer.take_calls())
        if self._translator is not None:
            calls.update(self._translator.take_calls())
            usage += self._translator.take_usage()
        return replace(report, usage=usage, calls=dict(calls), store_calls=self._store.take_calls())

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
        if request.keeps_minutes:
            return PaidMinutes(minutes=await asyncio.to_thread(self._kept_minutes, request), usage=Usage())
        if not has_words(transcript):
            return PaidMinutes(minutes=unwritten(options), usage=Usage())
        writer = self._writers.get(request.minutes)
        if writer is None:
            raise MinutesError("no language model is configured where minutes are written")
        with self._place():
            if not isinstance(writer, PaidWriter):
                return PaidMinutes(minutes=await writer.write(transcript, options), usage=Usage())
            paid = await writer.write_paid(transcript, options)
            return replace(paid, minutes=replace(paid.minutes, usage=paid.usage))

    def _kept_minutes(self, request: MinutesRequest) -> Minutes:
        keys = JobKeys(tenant=request.tenant, job_id=request.job_id)
        return decode(Minutes, self._store.get(keys.result("minutes.json")))

    @contextlib.contextmanager
    def _place(self) -> Iterator[None]:
        """Take one of the places for writing; raises `MinutesParked` when there is none."""
        if self._n_writing >= self._max_at_once:
            raise MinutesParked(f"{self._n_writing} minutes are being written")
        self._n_writing += 1
        try:
            yield
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


async def _each(work: Callable[[R], Awaitable[A]], requests: Sequence[R]) -> tuple[A | Exception, ...]:
    """Do a work for each request; return what came of each: errors on purpose as they are, others in words."""
    found = await asyncio.gather(*map(work, requests), return_exceptions=True)
    return tuple(_sendable(request, each) for request, each in zip(requests, found, strict=True))


def _sendable(request: Any, found: A | BaseException) -> A | Exception:
    if not isinstance(found, BaseException) or isinstance(found, MeetMemoError):
        return found
    job_id = request.job.id if isinstance(request, StitchRequest) else request.job_id
    log.error("writing failed", action="write", job_id=job_id, exc_info=found)
    return RuntimeError(f"{type(found).__name__}: {found}")
