"""Erase whatever a job left anywhere: the places are those of `pipelines.storage.layout` and of the ledger.

A process that was killed, or that learns late of a job's end, may write after the erasure. Writers of results look for
the transcript once they have written and erase what they wrote where it is gone; so it goes first here. What else comes
late is found by `deployments.retention.housekeeping.sweep`.
"""

from collections.abc import Iterator

import structlog

from pipelines.errors import MeetMemoError
from pipelines.jobs.job import Job
from pipelines.ledger.protocol import Ledger
from pipelines.minutes.llm.cache import holder_of
from pipelines.storage.layout import JobKeys, PieceKeys, TenantKeys
from pipelines.storage.protocol import BlobStore

SCRUBBED_AT_ONCE_BYTES = 16 << 20
"""A ledger in a file is rewritten after an erasure up to this size (0.1 s), a larger one by housekeeping."""

log = structlog.get_logger()


def erase(ledger: Ledger, store: BlobStore, job: Job) -> list[str]:
    """Erase an ended job and all its blobs; return their keys. To be followed by `scrub`."""
    ledger.search.forget(job.tenant, job.id)  # nobody finds what is half erased
    # Blobs first: while the ledger still has the job, an erasure that failed half-way can be repeated.
    deleted = erase_blobs(store, JobKeys(tenant=job.tenant, job_id=job.id), minutes_of=job.minutes_of)
    ledger.delete(job.tenant, job.id)
    return deleted


def erase_blobs(store: BlobStore, keys: JobKeys, *, minutes_of: str = "") -> list[str]:
    """Delete all blobs of a job and about it, wherever the layout puts them; return their keys.

    ``minutes_of`` is the job whose minutes this one wrote anew.
    """
    transcript = [keys.transcript] if store.exists(keys.transcript) else []
    store.delete(keys.transcript)  # see the module's docstring
    within = [*transcript, *store.list(keys.root)]
    beside = [key for key in list(_beside(store, keys, within, minutes_of)) if store.exists(key)]
    for key in beside:
        store.delete(key)
    store.delete_prefix(keys.root)
    return [*sorted(within), *beside]


def _beside(store: BlobStore, keys: JobKeys, within: list[str], minutes_of: str) -> Iterator[str]:
    """Yield keys outside the job's own folder."""
    yield from keys.marks
    # An upload whose process was killed between its job and its end.
    yield from store.list(PieceKeys(tenant=keys.tenant, upload_id=keys.job_id).root)
    if minutes_of:
        yield JobKeys(tenant=keys.tenant, job_id=minutes_of).rewriting(keys.job_id)
    for key in within:
        if key.startswith(keys.paid_minutes):
            found = TenantKeys(tenant=keys.tenant).paid_minutes_of(key.removeprefix(keys.paid_minutes))
            if holder_of(store, found) == keys.job_id:
                yield found


def scrub(ledger: Ledger, max_bytes: int) -> None:
    """Have the ledger overwrite what deleted rows left in its file; a failure is no error of who erased a job."""
    try:
        ledger.holds.sweep()  # idempotency keys are words of the submitter, too
        if not ledger.scrub(max_bytes):
            log.info("traces of deleted rows stay for now", action="scrub", max_bytes=max_bytes)
    except MeetMemoError as error:
        log.warning("traces of deleted rows stay for now", action="scrub", error=type(error).__name__)
