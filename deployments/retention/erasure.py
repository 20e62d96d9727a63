"""Erase whatever a job left anywhere: the places are those of `pipelines.storage.layout` and of the ledger.

A process that was killed, or that learns late of a job's end, may write after the erasure. Writers of results look for
the transcript once they have written and erase what they wrote where it is gone; so it goes first here. What else comes
late is found by `deployments.retention.housekeeping.sweep`.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

import structlog

from pipelines.audit import SYSTEM, AuditAction, Deed, ObjectKind
from pipelines.errors import BlobMissing, MeetMemoError
from pipelines.file_hash import hash_stream
from pipelines.ids import new_id
from pipelines.jobs.job import Job
from pipelines.keeping.receipts import Cause, ErasedBlob, Receipt, Signer, signed
from pipelines.ledger.protocol import Ledger
from pipelines.minutes.llm.cache import holder_of
from pipelines.storage.layout import JobKeys, PieceKeys, TenantKeys
from pipelines.storage.protocol import BlobStore

SCRUBBED_AT_ONCE_BYTES = 16 << 20
"""A ledger in a file is rewritten after an erasure up to this size (0.1 s), a larger one by housekeeping."""

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class Erasure:
    """Who erases and why; ``signer`` signs the receipts, None leaves them unsigned. ``clock`` gives Unix seconds."""

    actor: str = f"{SYSTEM}erasure"
    cause: Cause = Cause.REQUEST
    request_id: str = ""
    signer: Signer | None = None
    clock: Callable[[], float] = time.time


def erase(ledger: Ledger, store: BlobStore, job: Job, by: Erasure | None = None) -> Receipt:
    """Erase an ended job and all its blobs; return the receipt. To be followed by `scrub`.

    The receipt is begun, with the digest of each blob, before anything goes, and finished with the job's row: an
    erasure that was interrupted is repeated, by its caller or by housekeeping, and brings one whole receipt. Raises
    `OnHold` for a job that a legal hold takes, before anything is touched.
    """
    by = by or Erasure()
    keys = JobKeys(tenant=job.tenant, job_id=job.id)
    now_s = round(by.clock(), 3)
    begun = Receipt(
        id=new_id(),
        tenant=job.tenant,
        kind=ObjectKind.JOB,
        object_id=job.id,
        cause=by.cause,
        actor=by.actor,
        request_id=by.request_id,
        begun_at_s=now_s,
    )
    receipt = ledger.receipts.begin(begun)  # before every blob is read: a hold may be on it
    ledger.search.forget(job.tenant, job.id)  # nobody finds what is half erased
    version_of = job.minutes_of or job.redo_of
    while new := [key for key in _all_keys(store, keys, version_of) if key not in set(receipt.keys)]:
        found = _digests(store, new)
        receipt = ledger.receipts.begin(replace(begun, blobs=found))
        if len(found) < len(new):
            break  # somebody else erases, too
    # Blobs first: while the ledger still has the job, an erasure that failed half-way can be repeated.
    erase_blobs(store, keys, version_of=version_of)
    gone = not any(store.exists(key) for key in receipt.keys)
    done = signed(replace(receipt, deleted_at_s=round(by.clock(), 3), gone=gone), by.signer)
    ledger.delete(job.tenant, job.id, receipt=done, deed=deed_of(done, AuditAction.ERASE))
    return done


def erase_voice(ledger: Ledger, store: BlobStore, tenant: str, voice_id: str, by: Erasure) -> Receipt:
    """Delete a voice profile; return the receipt. As `erase`; nothing holds a voice."""
    key = TenantKeys(tenant=tenant).voice(voice_id)
    receipt = ledger.receipts.begin(
        Receipt(
            id=new_id(),
            tenant=tenant,
            kind=ObjectKind.VOICE,
            object_id=voice_id,
            cause=by.cause,
            actor=by.actor,
            request_id=by.request_id,
            begun_at_s=round(by.clock(), 3),
            blobs=_digests(store, [key]),
        )
    )
    store.delete(key)
    gone = not store.exists(key)
    done = signed(replace(receipt, deleted_at_s=round(by.clock(), 3), gone=gone), by.signer)
    ledger.receipts.finish(done, deed_of(done, AuditAction.DELETE_VOICE))
    return done


def deed_of(receipt: Receipt, action: AuditAction) -> Deed:
    """Return what the audit log tells of a finished deletion."""
    return Deed(
        tenant=receipt.tenant,
        action=action,
        actor=receipt.actor,
        kind=receipt.kind,
        object_id=receipt.object_id,
        request_id=receipt.request_id,
        detail=(("cause", str(receipt.cause)), ("receipt", receipt.id), ("blobs", len(receipt.blobs))),
    )


def _digests(store: BlobStore, keys: Iterable[str]) -> tuple[ErasedBlob, ...]:
    found = []
    for key in keys:
        with suppress(BlobMissing), store.open(key) as stream:  # deleted meanwhile
            n_bytes, sha256 = hash_stream(stream)
            found.append(ErasedBlob(key=key, n_bytes=n_bytes, sha256=sha256))
    return tuple(found)


def _all_keys(store: BlobStore, keys: JobKeys, version_of: str) -> list[str]:
    within = list(store.list(keys.root))
    return [*sorted(within), *(key for key in list(_beside(store, keys, within, version_of)) if store.exists(key))]


def erase_blobs(store: BlobStore, keys: JobKeys, *, version_of: str = "") -> list[str]:
    """Delete all blobs of a job and about it, wherever the layout puts them; return their keys.

    ``version_of`` is the job among whose versions this one is listed.
    """
    transcript = [keys.transcript] if store.exists(keys.transcript) else []
    store.delete(keys.transcript)  # see the module's docstring
    within = [*transcript, *store.list(keys.root)]
    beside = [key for key in list(_beside(store, keys, within, version_of)) if store.exists(key)]
    for key in beside:
        store.delete(key)
    store.delete_prefix(keys.root)
    return [*sorted(within), *beside]


def _beside(store: BlobStore, keys: JobKeys, within: list[str], version_of: str) -> Iterator[str]:
    """Yield keys outside the job's own folder."""
    yield from keys.marks
    # An upload whose process was killed between its job and its end.
    yield from store.list(PieceKeys(tenant=keys.tenant, upload_id=keys.job_id).root)
    if version_of:
        yield JobKeys(tenant=keys.tenant, job_id=version_of).rewriting(keys.job_id)
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
