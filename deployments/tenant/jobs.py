"""`TenantJobs`: one tenant's jobs as the HTTP routes see them; every blocking call runs in a thread."""

import contextlib
import hashlib
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import BinaryIO

from deployments.artifacts import job_data
from deployments.artifacts.kept_recording import recorded_by
from deployments.artifacts.quarantine import Quarantined, chunks_in
from deployments.intake.accept import Intake
from deployments.intake.backlog_bound import check_bound
from deployments.intake.idempotency import held
from deployments.intake.job_policy import JobPolicy
from deployments.intake.redoing import Redoing
from deployments.intake.spool import Spool, UploadGates
from deployments.intake.submission import Submission
from deployments.limits import BacklogBound, TenantLimits
from deployments.retention.audit_trail import AuditTrail
from deployments.retention.erasure import Erasure, erase
from deployments.retention.scrubber import Scrubber
from deployments.schemas.jobs import JobBody, JobQuery
from deployments.schemas.options import MinutesOverrides
from deployments.telemetry.request_context import current_request
from deployments.tenant.coordinator_client import CoordinatorClient
from deployments.tenant.threads import in_thread
from pipelines.audit import AuditAction, Deed, ObjectKind
from pipelines.core import Transcript
from pipelines.errors import (
    AudioGone,
    BlobMissing,
    Draining,
    IllegalTransition,
    JobUnknown,
    LedgerUnavailable,
    NotFound,
    ResultPending,
)
from pipelines.jobs.job import RESULT_FORMATS, Job, JobState
from pipelines.keeping.legal_holds import on_hold
from pipelines.keeping.receipts import Receipt, Signer
from pipelines.ledger.job_filter import JobFilter
from pipelines.ledger.outbox import Delivery, DeliveryState
from pipelines.ledger.protocol import JobEvent, Ledger, Page, all_jobs
from pipelines.ledger.rules import cursor_after
from pipelines.review.protocol import QueuedItem, ReviewFilter, ReviewPage
from pipelines.search.protocol import SearchFilter, SearchPage, SearchSort
from pipelines.search.query import SearchQuery
from pipelines.storage.layout import JobKeys
from pipelines.storage.protocol import BlobStore

READ_BYTES = 256 << 10
MAX_EVENTS = 100
MAX_VERSIONS = 100


@dataclass(frozen=True, kw_only=True)
class ResultStream:
    """An open result: read ``blocks()`` to the end or call ``close()``."""

    stream: BinaryIO
    n_bytes: int
    etag: str

    async def blocks(self, start: int = 0, n_bytes: int | None = None) -> AsyncIterator[bytes]:
        """Yield ``n_bytes`` from ``start``, all that follow where it is left out; closes the stream."""
        left = self.n_bytes - start if n_bytes is None else n_bytes
        try:
            await in_thread(self.stream.seek, start)
            while left and (block := await in_thread(self.stream.read, min(READ_BYTES, left))):
                left -= len(block)
                yield block
        finally:
            self.stream.close()

    def close(self) -> None:
        self.stream.close()


@dataclass(frozen=True, kw_only=True)
class TenantJobs:
    """The jobs of one tenant; another tenant's jobs are unknown here.

    ``public_url`` ("" or scheme and host) goes before every URL in an answer. ``actor`` names the credential of who
    asks ("" where nobody is asked who they are), for the audit log; ``signer`` signs receipts.
    """

    tenant: str
    ledger: Ledger
    store: BlobStore
    coordinator_client: CoordinatorClient
    intake: Intake
    policy: JobPolicy
    uploads: UploadGates
    limits: TenantLimits
    bound: BacklogBound
    scrubber: Scrubber
    trail: AuditTrail
    public_url: str
    actor: str = ""
    signer: Signer | None = None

    def deed(
        self, action: AuditAction, object_id: str, kind: ObjectKind = ObjectKind.JOB, /, **detail: str | int
    ) -> Deed:
        """Return what the audit log is to tell of something that this request does."""
        return Deed(
            tenant=self.tenant,
            action=action,
            actor=self.actor,
            kind=kind,
            object_id=object_id,
            request_id=current_request().request_id,
            detail=tuple(detail.items()),
        )

    async def noted_read(self, job: Job, what: str, **detail: str | int) -> None:
        """Have it entered that something of a job was read; raises `LedgerUnavailable`, see `AuditTrail.record`."""
        await self.trail.record(self.deed(AuditAction.READ, job.id, what=what, **detail))

    def spool(self) -> AbstractAsyncContextManager[Spool]:
        """Return a spool file for an upload of this tenant; raises `Overloaded`, see `UploadGates`."""
        return self.uploads.spool(self.tenant)

    def answering(self, key: str | None) -> AbstractAsyncContextManager[None]:
        """Refuse others under the same idempotency key meanwhile; raises `RequestInFlight`, see `held`."""
        return held(self.ledger.holds, self.tenant, key)

    async def check_backlog(self) -> None:
        """Raise `Overloaded` when no job more can be taken, `Draining` when none is to be."""
        if await self.coordinator_client.refusing():
            raise Draining("The cluster is being drained and takes no new jobs.")
        await in_thread(self.intake.check_backlog, self.tenant, self.limits)
        await in_thread(check_bound, self.ledger, self.bound)

    async def accept(self, submission: Submission) -> tuple[Job, bool]:
        """Make a submission durable; see `Intake.accept`."""
        return self._told(*await in_thread(self.intake.accept, self.tenant, submission))

    def _told(self, job: Job, created: bool) -> tuple[Job, bool]:
        """Tell the Coordinator of a new job."""
        if created:
            self.coordinator_client.wake(1)
        return job, created

    async def used_keys(self, idempotency_keys: Collection[str]) -> frozenset[str]:
        """Return which idempotency keys have brought a job."""
        return await in_thread(self.ledger.used_keys, self.tenant, idempotency_keys)

    async def get(self, job_id: str) -> Job:
        """Return a job; raises `JobUnknown`."""
        _check_id(job_id)
        return await in_thread(self.ledger.get, self.tenant, job_id)

    async def show(self, *jobs: Job) -> list[JobBody]:
        """Turn jobs into their wire form, with estimates for the live ones."""
        eta_s = await self.coordinator_client.eta(tuple(job.id for job in jobs if not job.state.final))
        return [JobBody.from_domain(job, eta_s.get(job.id), self.public_url) for job in jobs]

    async def page(self, query: JobQuery) -> Page:
        """List jobs, newest first; raises `InvalidRequest` for a cursor that is none."""
        wanted = query.to_domain()
        return await in_thread(self.ledger.list, self.tenant, wanted, limit=query.limit, after=query.cursor)

    async def older(self, wanted: JobFilter, limit: int, before: Job | None) -> Page:
        """List jobs, newest first, only older ones than ``before`` where one is given."""
        after = cursor_after(before) if before else None
        return await in_thread(self.ledger.list, self.tenant, wanted, limit=limit, after=after)

    async def search(
        self, query: SearchQuery, wanted: SearchFilter, *, sort: SearchSort, limit: int, after: str | None
    ) -> SearchPage:
        """Return one page of hits in the tenant's transcripts and minutes; raises `InvalidRequest` for no cursor."""
        find = self.ledger.search.find
        found = await in_thread(find, self.tenant, query, wanted, sort=sort, limit=limit, after=after)
        await self._noted_passages("search", [hit.job for hit in found.hits])
        return found

    async def review(self, wanted: ReviewFilter, *, limit: int, after: str | None) -> ReviewPage:
        """Return one page of the tenant's review queue; raises `InvalidRequest` for no cursor."""
        found = await in_thread(self.ledger.review.list, self.tenant, wanted, limit=limit, after=after)
        await self._noted_passages("review", [item.job for item in found.items])
        return found

    async def _noted_passages(self, where: str, shown: Sequence[Job]) -> None:
        """Have it entered that somebody searched, and of which jobs passages were shown; not for what."""
        tenant = self.deed(AuditAction.SEARCH, self.tenant, ObjectKind.TENANT, within=where)
        await self.trail.record(tenant)
        for job in shown:
            await self.noted_read(job, "passages")

    async def mark_heard(self, item_id: str, *, author: str, heard: bool = True) -> QueuedItem:
        """Mark an item of the review queue as heard or not; raises `NotFound`."""
        return await in_thread(self.ledger.review.mark, self.tenant, item_id, author=author, heard=heard)

    async def cancel(self, job_id: str, *, everyone: bool = False) -> Job:
        """Ask for a job's end, effective at its next chunk; an ended job stays as it is.

        A job that several requests joined goes on for the others, unless ``everyone`` shall lose it.
        """
        _check_id(job_id)
        job = await in_thread(self.ledger.request_cancel, self.tenant, job_id, everyone=everyone)
        if not job.state.final:
            self.coordinator_client.wake()
        return job

    async def leave(self, job: Job) -> None:
        """Count one request less that waits for a job: its client has gone. The job goes on."""
        with contextlib.suppress(LedgerUnavailable, JobUnknown):
            await in_thread(self.ledger.leave, self.tenant, job.id)

    async def purge(self, job_id: str) -> Receipt:
        """Erase an ended job and all its blobs; return the receipt.

        Raises `IllegalTransition` for a live job, `OnHold` for one that a legal hold takes.
        """
        job = await self.get(job_id)
        if not job.state.final:
            raise IllegalTransition(f"Job {job_id} is {job.state}: cancel it first, purge it when it has ended.")
        receipt = await in_thread(erase, self.ledger, self.store, job, self.erasure)
        await self.coordinator_client.forget(job.id)
        await self.scrubber.scrub()
        return receipt

    @property
    def erasure(self) -> Erasure:
        """Who erases, and by which request."""
        request_id = current_request().request_id
        return Erasure(actor=self.actor, request_id=request_id, signer=self.signer, clock=self.intake.clock)

    async def check_unheld(self, *jobs: Job) -> None:
        """Raise `OnHold` for jobs that a legal hold takes."""
        for job in jobs:
            for hold in await in_thread(self.ledger.legal_holds.of_job, job):
                raise on_hold(job, hold)

    async def transcript(self, job: Job) -> Transcript:
        """Return the transcript that a job stored, and have that entered; raises `BlobMissing`."""
        await self.noted_read(job, "transcript")
        return await in_thread(job_data.read_transcript, self.store, job)

    async def events(self, job_id: str) -> Sequence[JobEvent]:
        """Return a job's history, oldest first, its last `MAX_EVENTS` entries."""
        return (await in_thread(self.ledger.events, self.tenant, job_id))[-MAX_EVENTS:]

    async def quarantine(self, max_jobs: int) -> list[tuple[Job, Quarantined]]:
        """Return chunks that were given up, of at most ``max_jobs`` jobs, newest first."""
        return await in_thread(self._quarantine, max_jobs)

    def _quarantine(self, max_jobs: int) -> list[tuple[Job, Quarantined]]:
        found: list[tuple[Job, Quarantined]] = []
        n_jobs = 0
        for job in all_jobs(self.ledger, self.tenant, JobFilter(with_failed_chunks=True), limit=max_jobs):
            chunks = chunks_in(self.store, self._keys(job))
            found += [(job, chunk) for chunk in chunks]
            n_jobs += bool(chunks)
            if n_jobs == max_jobs:
                break
        return found

    async def clip(self, job_id: str, index: int) -> bytes:
        """Return what a chunk in quarantine sounds like, as WAV; raises `JobUnknown` and `BlobMissing`."""
        job = await self.get(job_id)
        try:
            clip = await in_thread(self.store.get, f"{self._keys(job).quarantined(index)}clip.wav")
        except BlobMissing:
            raise BlobMissing(f"Job {job_id} has no clip of a chunk {index} in quarantine.") from None
        await self.noted_read(job, "clip", chunk=index)
        return clip

    async def excerpt(self, job_id: str, kind: str, number: int) -> bytes:
        """Return what was said for a decision or a task, as WAV; see `deployments.artifacts.clips.excerpt`."""
        job = await self.get(job_id)

        def cut() -> bytes:
            # Imported with the first excerpt, in its thread: FFmpeg, which decodes it, takes megabytes and a while.
            from deployments.artifacts.clips import excerpt

            return excerpt(self.store, job, kind, number)

        clip = await in_thread(cut)
        await self.noted_read(job, "clip", part=kind, number=number)
        return clip

    async def replay(self, job_id: str, wanted: Sequence[int] | None, key: str | None) -> tuple[Job, bool]:
        """Make a job that decodes chunks in quarantine (None: all) again.

        Raises `JobUnknown`, `NotFound` for chunks that are not there, `ModelUnknown`, and `IllegalTransition` when
        the job has not ended or kept too little.
        """
        origin = await self.get(job_id)
        if not origin.state.final:
            raise IllegalTransition(f"Job {job_id} is {origin.state}: its chunks can be replayed when it has ended.")
        self.policy.check_model(origin.options.model)
        chunks = await in_thread(self._replayable, origin, wanted)
        return self._told(*await in_thread(self.intake.replay, origin, chunks, key))

    def _replayable(self, origin: Job, wanted: Sequence[int] | None) -> tuple[int, ...]:
        keys = self._keys(origin)
        there = {chunk.item.chunk.index: chunk.has_clip for chunk in chunks_in(self.store, keys)}
        if missing := sorted(set(wanted or ()) - set(there)):
            raise NotFound(f"Job {origin.id} has no chunk {missing[0]} in quarantine.")
        if not there:
            raise NotFound(f"Job {origin.id} has no chunks in quarantine.")
        chosen = sorted(index for index in wanted or there if there[index])
        if not chosen or not self.store.exists(keys.kept):
            raise IllegalTransition(f"Job {origin.id} is {origin.state} and kept too little of itself to be replayed.")
        return tuple(dict.fromkeys(chosen))

    async def retry(self, job_id: str, key: str | None) -> tuple[Job, bool]:
        """Make a job that tries again what one that failed or was cancelled did not bring.

        Minutes are written from the same transcript, chunks in quarantine are decoded again, a recording with a URL is
        fetched again. Raises `JobUnknown`, `ModelUnknown`, and `IllegalTransition` for a job that did not fail, or
        whose recording is gone.
        """
        ended = await self.get(job_id)
        if ended.state not in (JobState.FAILED, JobState.CANCELLED):
            raise IllegalTransition(f"Job {job_id} is {ended.state}: only one that failed or was cancelled is retried.")
        self.policy.check_model(ended.options.model)
        if ended.stage is not None:
            made = await in_thread(self.intake.redo, await self._redone_again(ended), key)
        elif ended.minutes_of:
            origin = await self.transcribed(ended)
            if origin is ended:
                raise IllegalTransition(f"The job whose minutes job {job_id} was to write was erased.")
            made = await in_thread(self.intake.rewrite, origin, ended.options, key, corrected=ended.corrected)
        elif await in_thread(chunks_in, self.store, self._keys(ended)):
            return await self.replay(job_id, None, key)
        elif ended.source_url:
            made = await in_thread(self.intake.pull_again, ended, key)
        else:
            raise IllegalTransition(f"The recording of job {job_id} was deleted when it ended: send it again.")
        return self._told(*made)

    async def _redone_again(self, ended: Job) -> Redoing:
        """Return what a job was to do that failed, if its recording and what it was made of are still there."""
        assert ended.stage is not None
        found = await in_thread(
            self.ledger.get_many, [(self.tenant, each) for each in ended.kin if each != ended.recording_of]
        )
        if len(found) < len({*ended.kin} - {ended.recording_of}):
            raise IllegalTransition(f"The job of which job {ended.id} was to do a stage again was erased.")
        if ended.hears_again and not await in_thread(recorded_by, self.store, ended):
            raise AudioGone(f"The recording of job {ended.id} is not kept any more.")
        return Redoing(
            job=ended,
            stage=ended.stage,
            options=ended.options,
            redo_of=ended.redo_of,
            minutes_of=ended.minutes_of,
            recording_of=ended.recording_of,
            corrected=ended.corrected,
        )

    async def rewrite(self, job_id: str, overrides: MinutesOverrides, key: str | None) -> tuple[Job, bool]:
        """Make a job that writes a job's minutes anew; a rewriting of a rewriting is one of the first job.

        It takes the version of the transcript that is wished for, the newest unless one is. Raises `JobUnknown`,
        `NotFound` for a version that is not there, what `JobPolicy.check` raises, and `IllegalTransition` when there is
        no transcript yet or none is left.
        """
        job = await self.get(job_id)
        origin = await self.written(job)
        options = replace(await self.policy.rewritten(job.options, overrides), zh_script=origin.options.zh_script)
        corrected = await self.version_name(origin, overrides.version)
        return self._told(*await in_thread(self.intake.rewrite, origin, options, key, corrected=corrected))

    async def redo(self, redoing: Redoing, key: str | None) -> tuple[Job, bool]:
        """Make a job that does a stage of an earlier one again, and have that entered; see `Intake.accept`."""
        deed = self.deed(AuditAction.REDO, redoing.job.id, stage=redoing.stage.value)
        await in_thread(self.ledger.audit.append, [deed])
        return self._told(*await in_thread(self.intake.redo, redoing, key))

    async def written(self, job: Job) -> Job:
        """Return the job whose transcript a job took, itself as a rule; raises `IllegalTransition` without one."""
        origin = await self.transcribed(job)
        if origin.state is not JobState.SUCCEEDED:
            raise IllegalTransition(f"Job {origin.id} is {origin.state}: only of one that succeeded is anything anew.")
        if not await in_thread(self.store.exists, self._keys(origin).transcript):
            raise IllegalTransition(f"Job {origin.id} has no transcript any more.")
        return origin

    async def version_name(self, origin: Job, version: int | None) -> str:
        """Return the name of a version of a transcript (None: the newest), "" for the machine's; raises `NotFound`."""
        held = await in_thread(self.ledger.corrections.of_job, self.tenant, origin.id)
        version = len(held) if version is None else version
        if version > len(held):
            raise NotFound(f"The transcript of job {origin.id} has no version {version}; the newest is {len(held)}.")
        return held[version - 1].name if version else ""

    async def versions(self, job_id: str) -> list[Job]:
        """Return the job that transcribed a recording, and those that wrote its minutes anew, oldest first."""
        origin = await self.transcribed(await self.get(job_id))
        return [origin, *(job for job in await in_thread(self._rewritings, origin) if job.minutes_of)]

    async def redone(self, job_id: str) -> list[Job]:
        """Return the job that transcribed a recording first, and all that did a stage again since, oldest first."""
        first = await self.get(job_id)
        with contextlib.suppress(JobUnknown):  # erased: the next one is the first
            while earlier := first.minutes_of or first.redo_of:
                first = await self.get(earlier)
        return await in_thread(self._all_versions, first)

    def _all_versions(self, first: Job) -> list[Job]:
        found, of_some = {first.id: first}, [first]
        while of_some and len(found) < MAX_VERSIONS:
            for job in self._rewritings(of_some.pop()):
                if job.id not in found:
                    found[job.id] = job
                    of_some.append(job)
        return sorted(found.values(), key=lambda job: (job.created_at_s, job.id))[:MAX_VERSIONS]

    async def transcribed(self, job: Job) -> Job:
        """Return the job whose transcript and versions a job reused; itself if it reused none or that was erased."""
        with contextlib.suppress(JobUnknown):
            return await self.get(job.minutes_of) if job.minutes_of else job
        return job

    def _rewritings(self, origin: Job) -> list[Job]:
        keys = self._keys(origin)
        found = []
        for key in list(self.store.list(keys.rewritings))[-MAX_VERSIONS:]:
            with contextlib.suppress(JobUnknown):  # erased since
                found.append(self.ledger.get(self.tenant, key.removeprefix(keys.rewritings)))
        return sorted(found, key=lambda job: (job.created_at_s, job.id))

    async def deliveries(self, job_id: str) -> Sequence[Delivery]:
        """Return a job's messages and the attempts to deliver them, oldest first; raises `JobUnknown`."""
        _check_id(job_id)
        return await in_thread(self.ledger.outbox.of_job, self.tenant, job_id)

    async def recent_deliveries(self, states: Collection[DeliveryState], limit: int) -> Sequence[Delivery]:
        """Return the messages about all jobs, newest first."""
        return await in_thread(self.ledger.outbox.recent, self.tenant, states=states, limit=limit)

    async def redeliver(self, job_id: str, delivery_id: str) -> Delivery:
        """Have a message delivered again; raises `JobUnknown` and `NotFound`."""
        _check_id(job_id)
        return await in_thread(self.ledger.outbox.replay, self.tenant, job_id, delivery_id)

    @staticmethod
    def _keys(job: Job) -> JobKeys:
        return JobKeys(tenant=job.tenant, job_id=job.id)

    async def open_result(self, job: Job, name: str) -> ResultStream:
        """Open a result; raises `NotFound` for no name of a result, `ResultPending`, `BlobMissing`."""
        if name not in RESULT_FORMATS:
            raise NotFound(f"There is no result {name!r}; there are: {', '.join(RESULT_FORMATS)}.")
        if job.state in (JobState.QUEUED, JobState.TRANSCRIBING):
            raise ResultPending(f"Job {job.id} is {job.state}; {name} does not exist yet.")
        try:
            found = await in_thread(self._open, job, name)
        except BlobMissing:
            if not job.state.final:
                raise ResultPending(f"Job {job.id} is {job.state}; {name} does not exist yet.") from None
            raise BlobMissing(f"Job {job.id} is {job.state} and has no {name}.") from None
        await self._noted_or_closed(job, name, found)
        return found

    async def _noted_or_closed(self, job: Job, name: str, found: ResultStream) -> None:
        try:
            await self.noted_read(job, name)
        except LedgerUnavailable:
            found.close()
            raise

    def _open(self, job: Job, name: str) -> ResultStream:
        stream = self.store.open(JobKeys(tenant=job.tenant, job_id=job.id).result(name))
        n_bytes = stream.seek(0, 2)
        stream.seek(0)
        digest = hashlib.sha256(f"{job.id}/{name}/{job.version}".encode()).hexdigest()
        return ResultStream(stream=stream, n_bytes=n_bytes, etag=f'"{digest[:32]}"')


def _check_id(job_id: str) -> None:
    """Refuse what no job is called before a database sees it; PostgreSQL takes no NUL in a text."""
    if not (job_id.isascii() and job_id.isprintable()):
        raise JobUnknown(f"There is no job {job_id!r}.")
