"""Rules of every kind of ledger: which writes count, how pages continue, which text can be stored."""

import base64
import binascii
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pipelines.changed import changed
from pipelines.errors import (
    ExternalIdConflict,
    IdempotencyConflict,
    InvalidRequest,
    JobUnknown,
    LedgerError,
    VersionConflict,
)
from pipelines.jobs.job import Job, JobState
from pipelines.jobs.reference import Reference
from pipelines.ledger.protocol import Lease, NewJob

MAX_IDEMPOTENCY_KEY = 255
_MAX_DIGITS = 18  # of a number that fills 63 bits at most
_UNKNOWN_CHARACTER = "\N{REPLACEMENT CHARACTER}"


def storable(text: str) -> str:
    """Replace what a database cannot hold as text: NUL (PostgreSQL) and lone surrogates (UTF-8)."""
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode()
    return text.replace("\0", _UNKNOWN_CHARACTER)


def storable_job(job: Job) -> Job:
    """Return the job as a ledger stores it: untrusted texts cleaned, without ``finished`` (kept in memory only)."""
    return changed(
        job,
        filename=storable(job.filename),
        source_url=storable(job.source_url),
        reference=storable_reference(job.reference),
        detail=storable(job.detail),
        finished=frozenset(),
    )


def storable_reference(reference: Reference) -> Reference:
    """Return a reference as a ledger keeps it."""
    return Reference(
        external_id=storable(reference.external_id),
        metadata=tuple((storable(name), storable(value)) for name, value in reference.metadata),
    )


def same_recording(job: Job, other: Job) -> bool:
    """Return whether two jobs are about the same bytes, or about the same URL."""
    same_bytes = bool(job.source.sha256) and job.source.sha256 == other.source.sha256
    return same_bytes or (bool(job.source_url) and storable(job.source_url) == storable(other.source_url))


def fold(text: str) -> str:
    """Prepare a file name, or a part of one, for comparison without case."""
    return storable(text).casefold()


def check_new(request: NewJob) -> None:
    """Raise `InvalidRequest` when the idempotency key is empty, too long or not printable ASCII."""
    key = request.idempotency_key
    if key is not None and not (0 < len(key) <= MAX_IDEMPOTENCY_KEY and key.isascii() and key.isprintable()):
        raise InvalidRequest(f"an idempotency key is 1 to {MAX_IDEMPOTENCY_KEY} printable ASCII characters")


def first_version(job: Job, now_s: float) -> Job:
    """Return a new job as it is stored."""
    return changed(storable_job(job), version=1, updated_at_s=now_s, cancel_requested=False)


def judge_creation(
    request: NewJob,
    same_key: tuple[str, Job] | None,
    same_id: Job | None,
    same_external: Job | None,
    same_work: Job | None,
) -> tuple[Job, bool] | LedgerError | None:
    """Say what became of a request that was seen before; None when it is new.

    ``same_key`` is fingerprint and job stored under the request's key, ``same_id`` the job stored under its id,
    ``same_external`` the one that has its external id: it keeps it unless it failed or was cancelled. ``same_work`` is
    the job under way that was made under the request's joint key.
    A caller that got no answer repeats the call with the same id, which must not fail.
    """
    if same_key is not None:
        fingerprint, job = same_key
        if fingerprint == request.fingerprint:
            return job, False
        return IdempotencyConflict(f"idempotency key {request.idempotency_key!r} was used for another request")
    if same_id is not None:
        if same_id.tenant == request.job.tenant:
            return same_id, False
        return LedgerError(f"the id {request.job.id} is in use")
    if same_external is not None and not gives_up_id(same_external):
        if same_recording(same_external, request.job):
            return same_external, False
        external_id = request.job.reference.external_id
        return ExternalIdConflict(f"external id {external_id!r} belongs to job {same_external.id}, another recording")
    if same_work is not None and is_shared(same_work):
        return same_work, False
    return None


def is_shared(job: Job) -> bool:
    """Return whether equal requests share a job that is under way: its recording is sure to be theirs."""
    return not job.source_url or job.state is JobState.QUEUED


def gives_up_id(job: Job) -> bool:
    """Return whether a later job may have this one's external id: the recording brought nothing."""
    return job.state in (JobState.FAILED, JobState.CANCELLED)


@dataclass(frozen=True, kw_only=True)
class HeldJob:
    """What a write of a job is judged by, of the job as the ledger has it; ``read`` gives the whole of it.

    It is seldom needed, and takes longer than all the rest of a write. What else a submitter calls the recording, the
    metadata of its reference, never changes.
    """

    tenant: str
    version: int
    state: JobState
    cancel_requested: bool
    external_id: str
    read: Callable[[], Job]

    @classmethod
    def of(cls, job: Job) -> "HeldJob":
        """Return this of a job that has been read."""
        return cls(
            tenant=job.tenant,
            version=job.version,
            state=job.state,
            cancel_requested=job.cancel_requested,
            external_id=job.reference.external_id,
            read=lambda: job,
        )


def judge_write(
    held: HeldJob | None, job: Job, expected_version: int, now_s: float, *, ours: bool
) -> Job | LedgerError:
    """Say what a write makes of the job that the ledger holds: the next version, or an error.

    ``ours``: the lease that writes was also the last to write. Then a job that already is one version ahead with
    the same content is the writer's own repetition, and comes back as held. ``finished`` is handed through.
    """
    if held is None or held.tenant != job.tenant:
        return JobUnknown(f"no job {job.id}")
    stored = storable_job(job)
    after = changed(
        stored,
        version=expected_version + 1,
        updated_at_s=now_s,
        cancel_requested=held.cancel_requested,
        reference=changed(stored.reference, external_id=held.external_id),
    )
    if held.version == expected_version:
        return changed(after, finished=job.finished)
    if ours and held.version == after.version:
        known = held.read()
        if known == changed(after, updated_at_s=known.updated_at_s):
            return changed(known, finished=job.finished)
    return VersionConflict(f"job {job.id} is at version {held.version}, not {expected_version}")


def another_shards(job_id: str, lease: Lease) -> LedgerError:
    """Return the error for a write of a job that does not belong to the lease's shard."""
    return LedgerError(f"job {job_id} is not one of shard {lease.shard.index} of {lease.shard.count}")


def needs_indexing(before: HeldJob, after: Job) -> bool:
    """Return whether a write changes what can be found of a job: it ends the job, or brings minutes later."""
    if not after.state.final or after.state is not before.state:
        return after.state.final
    known = before.read()
    return (after.minutes, after.results) != (known.minutes, known.results)


def check_limit(limit: int) -> None:
    """Raise `InvalidRequest` unless a page holds at least one job."""
    if limit < 1:
        raise InvalidRequest(f"a page holds at least one job, not {limit}")


def next_cursor(found: Sequence[Job], limit: int) -> str | None:
    """Return the cursor after the first ``limit`` jobs; None when there are no more than these."""
    return cursor_after(found[limit - 1]) if len(found) > limit else None


def cursor_after(job: Job) -> str:
    """Return the cursor of the page that a job is the last of."""
    return place_cursor(job.created_at_s, job.id)


def place_cursor(at_s: float, name: str) -> str:
    """Return the cursor of the page whose last item has this time and id; `parse_cursor` reads it."""
    return base64.urlsafe_b64encode(f"{at_s!r} {name}".encode()).decode()


def parse_number(cursor: str) -> int:
    """Return the number that a page of numbered items ended with; raises `InvalidRequest`."""
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= _MAX_DIGITS):
        raise InvalidRequest("the cursor is not one of a page before")
    return int(cursor)


def parse_cursor(cursor: str) -> tuple[float, str]:
    """Return the creation time and id that a page ended with; raises `InvalidRequest`."""
    try:
        created_at_s, job_id = base64.b64decode(cursor, altchars=b"-_", validate=True).decode("ascii").split(" ")
        if math.isfinite(float(created_at_s)) and job_id.isprintable():
            return float(created_at_s), job_id
    except (binascii.Error, ValueError):
        pass
    raise InvalidRequest("the cursor is not one of a page before")
