"""Housekeeping: working data that killed processes left behind, and results whose time is over.

Both block: run them in a thread. Neither touches a job that has not ended, nor a key that MeetMemo did not make.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

import structlog

from deployments.artifacts import job_data
from deployments.artifacts.presigned_uploads import expire_uploads
from deployments.ports import EndedJob
from deployments.retention.erasure import Erasure, erase, erase_blobs, erase_voice, scrub
from deployments.retention.rules import DAY_S as DAY_S
from deployments.retention.rules import Retention as Retention
from deployments.retention.tenant_leftovers import TenantLeftovers
from pipelines.audit import SYSTEM, AuditAction, Deed, ObjectKind
from pipelines.errors import JobUnknown, OnHold
from pipelines.ids import created_at_s
from pipelines.jobs.job import Job, JobState
from pipelines.keeping.legal_holds import Hold
from pipelines.keeping.receipts import Cause, Signer
from pipelines.ledger.batch_book import BatchRepository
from pipelines.ledger.job_filter import JobFilter
from pipelines.ledger.protocol import Ledger, all_jobs
from pipelines.search.protocol import ERASURE_S
from pipelines.storage.layout import AUDIO_MARKS, PARKED_MINUTES, JobKeys, PieceKeys, is_tenant
from pipelines.storage.protocol import BlobStore

log = structlog.get_logger()

MAX_KEYS = 500_000
"""Keys of the store that an hour's turn looks at: of a folder they take some seconds, of a bucket 500 requests."""
MIN_AGE_S = 3600.0  # a source lies in the store before the ledger knows its job
ACTOR = f"{SYSTEM}retention"
SCRUBBED_BYTES = 256 << 20  # takes 3 s, in which nobody writes; a lease outlives that
_ENDED = tuple(state for state in JobState if state.final)
_LEFTOVERS = frozenset({"source", "work"})
_JOB_KEY = re.compile(r"(?P<tenant>[^/]+)/(?P<job>[^/]+)/(?P<kind>source$|work/|results/)")


def owns(ledger: Ledger, store: BlobStore) -> bool:
    """Say whether jobs that the ledger does not know are nobody's: not where the store is another ledger's."""
    owner, identity = store.claim(ledger.identity()), ledger.identity()
    if owner != identity:
        log.warning("the store is another ledger's", action="sweep", owner=owner, mark=store.owner_mark())
    return owner == identity


class Portion:
    """So many of a store's keys, and those of the last job whole; ``last`` is where the next portion begins.

    ``last`` is empty once the store's end was reached.
    """

    def __init__(self, keys: Iterator[str], max_keys: int, after: str) -> None:
        self._keys = keys
        self._max_keys = max_keys
        self.last = after

    def __iter__(self) -> Iterator[str]:
        for number, key in enumerate(self._keys):
            if number >= self._max_keys and _root(key) != _root(self.last):
                return
            self.last = key
            yield key
        self.last = ""


def sweep(
    ledger: Ledger,
    store: BlobStore,
    *,
    now_s: float,
    own: bool = True,
    beside: TenantLeftovers | None = None,
    max_keys: int = MAX_KEYS,
) -> list[str]:
    """Delete sources and working data of jobs that have ended, or that no ledger knows and are an hour old.

    Of the latter also what was written after they were erased: results of a transcript that is gone. They are touched
    only in the ledger's ``own`` store. Looks at about ``max_keys`` keys behind those that the last call looked at, and
    begins anew when that came to the end. Returns the roots of the jobs that were cleaned; ``beside`` is shown the
    keys. Raises `StoreUnavailable` and `LedgerUnavailable`.
    """
    swept = []
    after = ledger.sweep_position()
    portion = Portion(store.list("", after=after), max_keys, after)
    passing = iter(portion) if beside is None else beside.seeing(portion)
    for owner, within in groupby(passing, key=_owner):
        names = {_kind(key) for key in within}
        late = "results" in names and "transcript" not in names  # of those at hand
        # Only of these the ledger is asked: most jobs have results and nothing else.
        if owner is None or not (late or names & _LEFTOVERS):
            continue
        keys = JobKeys(tenant=owner[0], job_id=owner[1])
        try:
            job = ledger.get(keys.tenant, keys.job_id)
        except JobUnknown:
            born_s = created_at_s(keys.job_id)
            if not own or born_s is None or now_s - born_s < MIN_AGE_S or _is_being_sent(store, keys):
                continue
            late = late and not store.exists(keys.transcript)
            if not (late or names & _LEFTOVERS):
                continue
            if late:
                erase_blobs(store, keys)
            else:
                store.delete(keys.source)
                store.delete_prefix(keys.work)
        else:
            if not job.state.final or not names & _LEFTOVERS:
                continue
            job_data.clean_up(store, EndedJob.of(job))
        swept.append(keys.root)
    if portion.last != after:
        ledger.set_sweep_position(portion.last)
    if swept:
        log.info("leftovers deleted", action="sweep", jobs=len(swept))
    return swept


@dataclass(frozen=True, kw_only=True)
class Due:
    """An ended job that has something to go: all of it, or only the copy of its recording; ``holds`` keep it."""

    job: Job
    what: Literal["results", "audio"]
    rule: int | None
    holds: Sequence[Hold]


def due(ledger: Ledger, store: BlobStore, retention: Retention, *, now_s: float) -> Iterator[Due]:
    """Yield what `enforce_retention` would delete of known jobs then, and what holds keep; nothing is deleted."""
    over = set()
    for job in _old_jobs(ledger, retention, now_s):
        if retention.job_is_over(job, now_s):
            over.add(job.id)
            yield Due(job=job, what="results", rule=retention.rule_of(job), holds=ledger.legal_holds.of_job(job))
    for mark in list(store.list(AUDIO_MARKS.prefix)):
        keys = AUDIO_MARKS.job_of(mark)
        if keys is None or keys.job_id in over:
            continue
        with suppress(JobUnknown):
            job = ledger.get(keys.tenant, keys.job_id)
            if job.state.final and retention.audio_is_over(job, now_s):
                yield Due(job=job, what="audio", rule=retention.rule_of(job), holds=ledger.legal_holds.of_job(job))


def _old_jobs(ledger: Ledger, retention: Retention, now_s: float) -> Iterator[Job]:
    """Yield ended jobs that are old enough for the shortest retention there is."""
    shortest = retention.shortest_days
    if shortest:
        old = JobFilter(states=_ENDED, created_before_s=now_s - shortest * DAY_S)
        yield from all_jobs(ledger, None, old)


def expire(
    ledger: Ledger, store: BlobStore, retention: Retention, *, now_s: float, signer: Signer | None = None
) -> list[str]:
    """Erase ended jobs whose time is over and that no hold keeps, records and all; return their ids."""
    by = Erasure(actor=ACTOR, cause=Cause.RETENTION, signer=signer, clock=lambda: now_s)
    expired: list[str] = []
    n_held = 0
    for job in _old_jobs(ledger, retention, now_s):
        if retention.job_is_over(job, now_s):
            try:
                erase(ledger, store, job, by)
            except OnHold:
                n_held += 1
            else:
                expired.append(job.id)
    if expired or n_held:
        log.info("jobs expired", action="expire", jobs=len(expired), held=n_held)
    return expired


def go_on(ledger: Ledger, store: BlobStore, *, now_s: float, signer: Signer | None = None) -> list[str]:
    """Finish erasures that were interrupted a while ago; return what they were about."""
    ended = []
    for receipt in ledger.receipts.begun(now_s - ERASURE_S):
        by = Erasure(
            actor=receipt.actor,
            cause=receipt.cause,
            request_id=receipt.request_id,
            signer=signer,
            clock=lambda: now_s,
        )
        if receipt.kind is ObjectKind.VOICE:
            erase_voice(ledger, store, receipt.tenant, receipt.object_id, by)
        else:
            with suppress(JobUnknown):  # somebody else was faster
                erase(ledger, store, ledger.get(receipt.tenant, receipt.object_id), by)
        ended.append(receipt.object_id)
    if ended:
        log.info("interrupted erasures finished", action="erase", erasures=len(ended))
    return ended


def forget_old_records(ledger: Ledger, retention: Retention, *, now_s: float) -> None:
    """Remove entries of the audit log, and receipts, whose own time is over."""
    if retention.audit_days:
        before_s = now_s - retention.audit_days * DAY_S
        n_entries, n_receipts = ledger.audit.prune(before_s), ledger.receipts.prune(before_s)
        if n_entries or n_receipts:
            log.info("records expired", action="expire_audit", entries=n_entries, receipts=n_receipts)


def expire_batches(book: BatchRepository, retention: Retention, *, now_s: float) -> list[str]:
    """Forget batches whose jobs are gone and that nobody touched for as long as jobs are kept; return their ids."""
    shortest = retention.shortest_days
    if not shortest:
        return []
    expired: list[str] = []
    for batch in book.emptied(now_s - shortest * DAY_S):
        if retention.is_over(batch.tenant, batch.updated_at_s, now_s):
            book.delete(batch.tenant, batch.id)
            expired.append(batch.id)
    if expired:
        log.info("batches expired", action="expire_batches", batches=len(expired))
    return expired


def expire_parked(ledger: Ledger, store: BlobStore) -> list[str]:
    """Delete deferred requests for minutes of jobs that no longer exist; return the jobs' ids."""
    expired = []
    for mark in list(store.list(PARKED_MINUTES.prefix)):
        keys = PARKED_MINUTES.job_of(mark)
        if keys is None or created_at_s(keys.job_id) is None:
            continue
        try:
            ledger.get(keys.tenant, keys.job_id)
        except JobUnknown:
            store.delete(mark)
            expired.append(keys.job_id)
    return expired


def expire_audio(
    ledger: Ledger, store: BlobStore, retention: Retention, *, now_s: float, own: bool = True
) -> list[str]:
    """Delete copies of recordings whose time is over, or, in the ``own`` store, whose job is gone; return the ids."""
    expired = []
    for mark in list(store.list(AUDIO_MARKS.prefix)):
        keys = AUDIO_MARKS.job_of(mark)
        if keys is None:
            log.error("what lies among the marks is none", action="expire_audio", key=mark)
            continue
        try:
            job = ledger.get(keys.tenant, keys.job_id)
        except JobUnknown:
            if not own or created_at_s(keys.job_id) is None:
                continue
        else:
            if not job.state.final or not retention.audio_is_over(job, now_s) or ledger.legal_holds.of_job(job):
                continue
            ledger.audit.append([_audio_deed(keys)])
        store.delete_prefix(keys.audio)
        store.delete(mark)
        expired.append(keys.job_id)
    if expired:
        log.info("recordings deleted", action="expire_audio", jobs=len(expired))
    return expired


def _audio_deed(keys: JobKeys) -> Deed:
    return Deed(
        tenant=keys.tenant,
        action=AuditAction.DELETE_AUDIO,
        actor=ACTOR,
        kind=ObjectKind.JOB,
        object_id=keys.job_id,
        detail=(("cause", str(Cause.RETENTION)),),
    )


def enforce_retention(
    ledger: Ledger,
    store: BlobStore,
    retention: Retention,
    now_s: float,
    book: BatchRepository | None = None,
    signer: Signer | None = None,
) -> Sequence[str]:
    """Delete everything past its retention: open uploads, leftovers, jobs, their batches, kept audio, tenants' other
    blobs.

    Scrub the ledger's file last, so that no deleted row stays in it. Returns what was deleted.
    """
    own = owns(ledger, store)
    beside = TenantLeftovers()
    gone = [
        *(expire_uploads(store, now_s=now_s) if own else ()),
        *sweep(ledger, store, now_s=now_s, own=own, beside=beside),
        *go_on(ledger, store, now_s=now_s, signer=signer),
        *expire(ledger, store, retention, now_s=now_s, signer=signer),
        *(expire_batches(book, retention, now_s=now_s) if book else ()),
        *expire_audio(ledger, store, retention, now_s=now_s, own=own),
        *(expire_parked(ledger, store) if own else ()),
        *(beside.expire(store, now_s=now_s) if own else ()),
    ]
    forget_old_records(ledger, retention, now_s=now_s)
    scrub(ledger, SCRUBBED_BYTES)
    return gone


def _is_being_sent(store: BlobStore, keys: JobKeys) -> bool:
    """Say whether a job is still to be made of an upload: its source may lie there for a moment before."""
    pieces = PieceKeys(tenant=keys.tenant, upload_id=keys.job_id)
    return store.exists(keys.upload_mark) or store.exists(pieces.record)


def _root(key: str) -> list[str]:
    """Return the first two parts of a key: a tenant and a job, or what lies in their place."""
    return key.split("/", 2)[:2]


def _owner(key: str) -> tuple[str, str] | None:
    """Return tenant and job of a key that may have to be deleted once the job has ended."""
    match = _JOB_KEY.match(key)
    return (match["tenant"], match["job"]) if match and is_tenant(match["tenant"]) else None


def _kind(key: str) -> str:
    """Return what a key below a job's root holds, as far as `sweep` tells kinds apart."""
    match = _JOB_KEY.match(key)
    if match is None:
        return ""
    kind = match["kind"].rstrip("/")
    return "transcript" if key == JobKeys(tenant=match["tenant"], job_id=match["job"]).transcript else kind
