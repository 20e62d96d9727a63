"""`Intake`: makes submissions durable, in the store and in the ledger."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog

from deployments.artifacts.presigned_uploads import DirectUploads
from deployments.intake.job_sources import JobSource, PiecesSource, SpooledSource, UploadedSource, UrlSource
from deployments.intake.redoing import Redoing
from deployments.intake.submission import Submission
from deployments.limits import TenantLimits
from deployments.schemas.jobs import host_of
from deployments.telemetry.request_context import current_request
from pipelines.codec import encode
from pipelines.core import BlobRef
from pipelines.errors import LedgerUnavailable, MeetMemoError, Overloaded
from pipelines.jobs.job import Job, JobOptions
from pipelines.jobs.options import encode_asked
from pipelines.jobs.reference import Reference
from pipelines.ledger.protocol import Ledger
from pipelines.storage.layout import JobKeys
from pipelines.storage.protocol import BlobStore

BACKLOG_RETRY_AFTER_S = 60.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Intake:
    """Puts submissions into the store and the ledger. All methods block: call them in a thread."""

    ledger: Ledger
    store: BlobStore
    clock: Callable[[], float]
    new_id: Callable[[], str]

    @property
    def direct(self) -> DirectUploads:
        """Recordings that go straight into the store."""
        return DirectUploads(store=self.store, clock=self.clock, new_id=self.new_id)

    def check_backlog(self, tenant: str, limits: TenantLimits) -> None:
        """Raise `Overloaded` when the tenant has as many jobs or as much audio waiting or running as it may."""
        backlog = self.ledger.backlog(tenant)
        what = ""
        if backlog.n_jobs >= limits.max_live_jobs:
            what = f"{backlog.n_jobs} jobs wait or run already"
        elif backlog.audio_s >= limits.max_backlog_audio_s:
            what = f"{backlog.audio_s:.0f} seconds of audio wait already"
        if what:
            raise Overloaded(f"{what}; try again in {BACKLOG_RETRY_AFTER_S:.0f} seconds.", BACKLOG_RETRY_AFTER_S)

    def accept(self, tenant: str, submission: Submission) -> tuple[Job, bool]:
        """Store the source, write the job; (job, False) when its key or its external id had brought one.

        An equal request without a key joins the job under way that an earlier one brought: also (job, False).

        Whatever fails, the spool file is gone afterwards and the blob with it, unless the ledger holds the job.
        Raises `StoreUnavailable`, `LedgerUnavailable`, `IdempotencyConflict`, `ExternalIdConflict`, and for an upload
        `NotFound` and `UploadIncomplete`.
        """
        source = self._source_of(submission)
        job = self._new_job(tenant, submission)
        known = JobKeys(tenant=tenant, job_id=job.id).known_voices if submission.known_voices else ""
        try:
            job = source.bring(job)
            if known:
                self.store.put(known, encode(submission.known_voices))
            stored, created = self.ledger.create(
                job,
                idempotency_key=submission.idempotency_key,
                fingerprint=submission.fingerprint,
                joins=submission.joins,
            )
        except BaseException:
            source.rollback(job)
            raise
        source.commit(job, stored)
        if known and not created:
            self.store.delete(known)
        _log_accepted(job, stored, created=created)
        return stored, created

    def _source_of(self, submission: Submission) -> JobSource:
        if submission.spool:
            return SpooledSource(spool=submission.spool, store=self.store, ledger=self.ledger)
        if submission.pieces:
            return PiecesSource(pieces=submission.pieces, store=self.store, ledger=self.ledger)
        return UploadedSource(uploads=self.direct, ledger=self.ledger) if submission.upload_id else UrlSource()

    def _new_job(self, tenant: str, submission: Submission) -> Job:
        job = self._job(
            tenant,
            submission.options,
            submission.filename,
            submission.reference,
            job_id=submission.upload_id or self.new_id(),
        )
        return replace(job, source_url=submission.source_url, dialect=submission.dialect)

    def replay(self, origin: Job, chunks: tuple[int, ...], key: str | None) -> tuple[Job, bool]:
        """Write a job that decodes an ended job's chunks again; see `accept`."""
        job = replace(self._successor(origin), replay_of=origin.id, replay_chunks=chunks, dialect=origin.dialect)
        stored_job, created = self._create(job, key, f"replay/{origin.id}/{chunks}".encode())
        log.info("replay accepted", action="replay_accepted", job_id=stored_job.id, replay_of=origin.id)
        return stored_job, created

    def pull_again(self, ended: Job, key: str | None) -> tuple[Job, bool]:
        """Write a job that fetches the recording of an ended one from its URL again; see `accept`."""
        job = replace(
            self._successor(ended), source_url=ended.source_url, reference=ended.reference, dialect=ended.dialect
        )
        stored_job, created = self._create(job, key, f"retry/{ended.id}".encode())
        log.info("retry accepted", action="retry_accepted", job_id=stored_job.id, retry_of=ended.id)
        return stored_job, created

    def rewrite(self, origin: Job, options: JobOptions, key: str | None, *, corrected: str = "") -> tuple[Job, bool]:
        """Write a job that writes an ended job's minutes anew, from a corrected transcript or its own; see `accept`."""
        job = replace(self._successor(origin), options=options, minutes_of=origin.id, corrected=corrected)
        asked = f"rewrite/{origin.id}/{corrected}".encode() + encode_asked(options)
        stored_job, created = self._create_version(job, key, asked)
        log.info("rewriting accepted", action="rewrite_accepted", job_id=stored_job.id, minutes_of=origin.id)
        return stored_job, created

    def redo(self, redoing: Redoing, key: str | None) -> tuple[Job, bool]:
        """Write a job that does one stage of an ended job again; see `accept`.

        Where words are decoded again, an equal transcript of the recording itself is looked for first.
        """
        job = replace(
            self._successor(redoing.job),
            options=redoing.options,
            stage=redoing.stage,
            redo_of=redoing.redo_of,
            minutes_of=redoing.minutes_of,
            recording_of=redoing.recording_of,
            corrected=redoing.corrected,
        )
        job = replace(job, source=replace(job.source, sha256=redoing.source_sha256))
        asked = f"redo/{redoing.stage}/{redoing.job.id}/{redoing.corrected}".encode() + encode_asked(redoing.options)
        stored_job, created = self._create_version(job, key, asked)
        log.info(
            "redo accepted",
            action="redo_accepted",
            job_id=stored_job.id,
            redo_of=redoing.redo_of,
            stage=redoing.stage.value,
        )
        return stored_job, created

    def _create_version(self, job: Job, key: str | None, asked: bytes) -> tuple[Job, bool]:
        """Write a job that is listed among the versions of another: the mark first, so that none is missing."""
        mark = JobKeys(tenant=job.tenant, job_id=job.minutes_of or job.redo_of).rewriting(job.id)
        self.store.put(mark, b"")
        try:
            stored_job, created = self._create(job, key, asked)
        except LedgerUnavailable:  # it may have taken the job
            raise
        except MeetMemoError:
            self.store.delete(mark)
            raise
        if not created:
            self.store.delete(mark)
        return stored_job, created

    def _successor(self, origin: Job) -> Job:
        """Return a new job of this request about an ended job's recording; the external id stays with that job."""
        reference = replace(origin.reference, external_id="")
        job = self._job(origin.tenant, origin.options, origin.filename, reference, job_id=self.new_id())
        return replace(job, recording_of=origin.recording_of)

    def _job(self, tenant: str, options: JobOptions, filename: str, reference: Reference, *, job_id: str) -> Job:
        """Return a new job that the request which is served brought."""
        # Milliseconds survive the way through ISO 8601 and back.
        now_s, came = round(self.clock(), 3), current_request()
        return Job(
            id=job_id,
            tenant=tenant,
            options=options,
            source=BlobRef(key=JobKeys(tenant=tenant, job_id=job_id).source, n_bytes=0),
            filename=filename,
            reference=reference,
            created_at_s=now_s,
            updated_at_s=now_s,
            request_id=came.request_id,
            traceparent=came.traceparent,
        )

    def _create(self, job: Job, key: str | None, asked: bytes) -> tuple[Job, bool]:
        """Write a job without bytes of its own; ``asked`` is what makes a repeated request the same one."""
        return self.ledger.create(job, idempotency_key=key, fingerprint=hashlib.sha256(asked).hexdigest())


def _log_accepted(job: Job, stored: Job, *, created: bool) -> None:
    log.info(
        "job accepted" if created else "job repeated",
        action="job_accepted" if created else "job_repeated",
        job_id=stored.id,
        tenant=stored.tenant,
        model=stored.options.model,
        n_bytes=job.source.n_bytes,
        source_host=host_of(job.source_url),
    )
