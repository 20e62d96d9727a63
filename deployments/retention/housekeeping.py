"""Housekeeping: working data that killed processes left behind, and results whose time is over.

Both block: run them in a thread. Neither touches a job that has not ended, nor a key that MeetMemo did not make.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import structlog

from deployments.artifacts import job_data
from deployments.artifacts.presigned_uploads import expire_uploads
from deployments.retention.erasure import erase, erase_blobs, scrub
from deployments.retention.tenant_leftovers import TenantLeftovers
from pipelines.errors import JobUnknown
from pipelines.ids import created_at_s
from pipelines.jobs.job import JobState
from pipelines.ledger.batch_book import BatchRepository
from pipelines.ledger.job_filter import JobFilter
from pipelines.ledger.protocol import Ledger, all_jobs
from pipelines.storage.layout import AUDIO_MARKS, PARKED_MINUTES, JobKeys, PieceKeys, is_tenant
from pipelines.storage.protocol import BlobStore

log = structlog.get_logger()

MIN_AGE_S = 3600.0  # a source lies in the store before the ledger knows its job
DAY_S = 86_400.0
SCRUBBED_BYTES = 256 << 20  # takes 3 s, in which nobody writes; a lease outlives that
_ENDED = tuple(state for state in JobState if state.final)
_LEFTOVERS = frozenset({"source", "work"})
_JOB_KEY = re.compile(r"(?P<tenant>[^/]+)/(?P<job>[^/]+)/(?P<kind>source$|work/|results/)")


@dataclass(frozen=True, kw_only=True)
class Retention:
    """Days that an ended job is kept, by tenant; 0 is for ever. ``results_days`` is for tenants not named.

    ``audio_days`` is how long copies of recordings are kept, where jobs asked for it; 0 is not at all.
    """

    results_days: float = 0.0
    audio_days: float = 0.0
    tenants: Mapping[str, float] = field(default_factory=dict)

    def is_over(self, tenant: str, updated_at_s: float, now_s: float) -> bool:
        """Say whether the time is over of what a tenant has and nobody has touched since (Unix seconds)."""
        days = self.tenants.get(tenant, self.results_days)
        return bool(days) and updated_at_s < now_s - days * DAY_S

    @property
    def shortest_days(self) -> float:
        """The least number of days after which anything goes; 0 when nothing ever does."""
        return min((days for days in (self.results_days, *self.tenants.values()) if days > 0), default=0.0)


def owns(ledger: Ledger, store: BlobStore) -> bool:
    """Say whether jobs that the ledger does not know are nobody's: not where the store is another ledger's."""
    owner, identity = store.claim(ledger.identity()), ledger.identity()
    if owner != identity:
        log.warning("the store is another ledger's", action="sweep", owner=owner, mark=store.owner_mark())
    return owner == identity


def sweep(
    ledger: Ledger, store: BlobStore, *, now_s: float, own: bool = True, beside: TenantLeftovers | None = None
) -> list[str]:
    """Delete sources and working data of jobs that have ended, or that no ledger knows and are an hour old.

    Of the latter also what was written after they were erased: results of a transcript that is gone. They are touched
    only in the ledger's ``own`` store. Returns the roots of the jobs that were cleaned; ``beside`` is shown all keys.
    Raises `StoreUnavailable` and `LedgerUnavailable`.
    """
    swept = []
    passing = store.list("") if beside is None else beside.seeing(store.list(""))
    for owner, within in groupby(passing, key=_owner):
        names = {_kind(key) for key in within}
        late = "results" in names and "transcript" not in names
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
            if late:
                erase_blobs(store, keys)
            else:
                store.delete(keys.source)
                store.delete_prefix(keys.work)
        else:
            if not job.state.final or not names & _LEFTOVERS:
                continue
            job_data.clean_up(store, job)
        swept.append(keys.root)
    if swept:
        log.info("leftovers deleted", action="sweep", jobs=len(swept))
    return swept


def expire(ledger: Ledger, store: BlobStore, retention: Retention, *, now_s: float) -> list[str]:
    """Erase ended jobs whose time is over, records and all; return their ids."""
    shortest = retention.shortest_days
    if not shortest:
        return []
    expired: list[str] = []
    old = JobFilter(states=_ENDED, created_before_s=now_s - shortest * DAY_S)
    for job in all_jobs(ledger, None, old):
        if retention.is_over(job.tenant, job.updated_at_s, now_s):
            erase(ledger, store, job)
            expired.append(job.id)
    if expired:
        log.info("jobs expired", action="expire", jobs=len(expired))
    return expired


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
            if not job.state.final or now_s - job.updated_at_s < retention.audio_days * DAY_S:
                continue
        store.delete_prefix(keys.audio)
        store.delete(mark)
        expired.append(keys.job_id)
    if expired:
        log.info("recordings deleted", action="expire_audio", jobs=len(expired))
    return expired


def enforce_retention(
    ledger: Ledger, store: BlobStore, retention: Retention, now_s: float, book: BatchRepository | None = None
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
        *expire(ledger, store, retention, now_s=now_s),
        *(expire_batches(book, retention, now_s=now_s) if book else ()),
        *expire_audio(ledger, store, retention, now_s=now_s, own=own),
        *(expire_parked(ledger, store) if own else ()),
        *(beside.expire(store, now_s=now_s) if own else ()),
    ]
    scrub(ledger, SCRUBBED_BYTES)
    return gone


def _is_being_sent(store: BlobStore, keys: JobKeys) -> bool:
    """Say whether a job is still to be made of an upload: its source may lie there for a moment before."""
    pieces = PieceKeys(tenant=keys.tenant, upload_id=keys.job_id)
    return store.exists(keys.upload_mark) or store.exists(pieces.record)


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
