"""Rows of the ledger's tables, one statement at a time, inside the caller's transaction."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import fields
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, bindparam, func, insert, select, tuple_, update

from pipelines import codec
from pipelines.changed import changed
from pipelines.errors import JobUnknown, LedgerError
from pipelines.jobs.economy import LOWEST_STANDARD, due_at_s, queue_priority
from pipelines.jobs.job import Job, JobState
from pipelines.ledger.protocol import Lease, NewJob
from pipelines.ledger.rules import HeldJob, first_version, fold, judge_creation, storable
from pipelines.ledger.schema import (
    NO_DEADLINE_S,
    events,
    idempotency_keys,
    jobs,
    joinable,
    queued,
    started,
)
from pipelines.scheduling.fair_share import Waiting, share_out
from pipelines.scheduling.shards import bucket_of

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T")
D = TypeVar("D", bound="DataclassInstance")

_ITEMS_PER_QUERY = 500

# What every write of a job needs, built once: putting a statement together costs as much as carrying it out.
_BY_ID = select(jobs).where(jobs.c.id.in_(bindparam("ids", expanding=True))).order_by(jobs.c.id)
_HEADS = (
    select(
        *(jobs.c.id, jobs.c.tenant, jobs.c.version, jobs.c.fence),
        *(jobs.c.state, jobs.c.cancel_requested, jobs.c.external_id),
    )
    .where(jobs.c.id.in_(bindparam("ids", expanding=True)))
    .order_by(jobs.c.id)
    .with_for_update()
)
_KNOWN = select(jobs).where(jobs.c.tenant == bindparam("of_tenant"), jobs.c.id == bindparam("with_id"))
_KNOWN_LOCKED = _KNOWN.with_for_update()
_NEXT_EVENT = insert(events).from_select(
    ["job_id", "seq", "at_s", "name", "detail"],
    select(
        bindparam("of_job", type_=events.c.job_id.type),
        func.coalesce(func.max(events.c.seq), 0) + 1,
        bindparam("then_s", type_=events.c.at_s.type),
        bindparam("event", type_=events.c.name.type),
        bindparam("about", type_=events.c.detail.type),
    ).where(events.c.job_id == bindparam("of_job", type_=events.c.job_id.type)),
)
_TRANSCRIBING = (
    select(jobs.c.tenant, func.count().label("n_jobs"))
    .where(started(), jobs.c.state == JobState.TRANSCRIBING.value)
    .group_by(jobs.c.tenant)
)
_UNCLAIMED = and_(queued(), ~jobs.c.cancel_requested, jobs.c.fence < bindparam("below_fence"))


def _queue(kind: ColumnElement[bool]) -> Select[Any]:
    """Select a tenant's jobs of a kind, those to begin first."""
    return (
        select(jobs.c.created_at_s, jobs.c.id)
        .where(_UNCLAIMED, jobs.c.tenant == bindparam("of_tenant"), kind)
        .order_by(jobs.c.priority.desc(), jobs.c.deadline_s, jobs.c.created_at_s, jobs.c.id)
        .limit(bindparam("n"))
    )


def is_economy_row() -> ColumnElement[bool]:
    """Return jobs that wait for all others."""
    return jobs.c.priority < LOWEST_STANDARD


_OF_SHARD = and_(jobs.c.bucket >= bindparam("first_bucket"), jobs.c.bucket < bindparam("end_bucket"))
_QUEUES = (_queue(~is_economy_row()), _queue(is_economy_row()))
_QUEUES_OF_SHARD = tuple(queue.where(_OF_SHARD) for queue in _QUEUES)
# Jobs that another thread has claimed since they were chosen are left out.
_CHOSEN = (
    select(jobs).where(jobs.c.id.in_(bindparam("ids", expanding=True)), _UNCLAIMED).with_for_update(skip_locked=True)
)
_CLAIM = update(jobs).where(jobs.c.id == bindparam("job_id")).values(fence=bindparam("new_fence"))


def _waiting_tenants() -> Select[Any]:
    """Select the tenants with queued jobs; the index is read once per tenant, not once per job."""
    first = select(func.min(jobs.c.tenant).label("tenant")).where(queued()).cte("waiting_tenants", recursive=True)
    following = select(func.min(jobs.c.tenant)).where(queued(), jobs.c.tenant > first.c.tenant).scalar_subquery()
    names = first.union_all(select(following).where(first.c.tenant.is_not(None)))
    return select(names.c.tenant).where(names.c.tenant.is_not(None))


_WAITING_TENANTS = _waiting_tenants()
# The wish to cancel and what requests share are the owner's columns, the external id is that of the job created last;
# a bucket never changes.
_OTHERS = ("id", "cancel_requested", "external_id", "joint_key", "n_requests", "bucket")
_WRITTEN = tuple(column.name for column in jobs.c if column.name not in _OTHERS)
_REPLACE = update(jobs).where(jobs.c.id == bindparam("job_id")).values({name: bindparam(name) for name in _WRITTEN})


def filled(kind: type[D], row: Row[Any], /, **others: Any) -> D:
    """Make a dataclass of a row: each field from the column of its name, where ``others`` do not say otherwise."""
    named = {field.name for field in fields(kind)}
    return kind(**{name: value for name, value in row._mapping.items() if name in named} | others)


def has_prefix(column: ColumnElement[str], prefix: str) -> ColumnElement[bool]:
    """Return whether a text, in a column of `pipelines.ledger.schema.Ascii`, begins with another, case and all."""
    first = storable(prefix)
    return and_(column >= first, column < first + "\U0010ffff")  # no character comes after this one


def insert_new(
    connection: Connection, requests: Sequence[NewJob], now_s: float
) -> list[tuple[Job, bool] | LedgerError]:
    """Insert the jobs that were not seen before; return one outcome per request, as `create_many` does."""
    rows = rows_by_id(connection, {request.job.id for request in requests})
    by_id = {job_id: job_of(row) for job_id, row in rows.items()}
    by_key = _by_key(connection, {(request.job.tenant, request.idempotency_key) for request in requests})
    by_external = _by_external(connection, {(request.job.tenant, _external_id(request.job)) for request in requests})
    by_work = _by_work(connection, {(request.job.tenant, request.joint_key) for request in requests})
    outcomes: list[tuple[Job, bool] | LedgerError] = []
    new: list[Job] = []
    shared: Counter[str] = Counter()
    joint_keys: dict[str, str | None] = {}
    new_keys: list[dict[str, str]] = []
    for request in requests:
        name = (request.job.tenant, request.idempotency_key)
        outside = (request.job.tenant, _external_id(request.job))
        holder = by_external.get(outside)
        work = (request.job.tenant, request.joint_key)
        at_work = by_work.get(work)
        outcome = judge_creation(request, by_key.get(name), by_id.get(request.job.id), holder, at_work)
        if at_work is not None and outcome == (at_work, False) and at_work.id != request.job.id:
            shared[at_work.id] += 1
        if outcome is None:
            if at_work is not None:
                connection.execute(update(jobs).where(jobs.c.id == at_work.id).values(joint_key=None))
            if holder is not None:
                connection.execute(update(jobs).where(jobs.c.id == holder.id).values(external_id=None))
            job = first_version(request.job, now_s)
            if outside[1] is not None:
                by_external[outside] = job
            outcome = (job, True)
            new.append(job)
            by_id[job.id] = job
            joint_keys[job.id] = request.joint_key
            if request.joint_key is not None:
                by_work[work] = job
            if request.idempotency_key is not None:
                by_key[name] = (request.fingerprint, job)
                new_keys.append(
                    {
                        "tenant": job.tenant,
                        "key": request.idempotency_key,
                        "fingerprint": request.fingerprint,
                        "job_id": job.id,
                    }
                )
        outcomes.append(outcome)
    if new:
        # In order of their keys, so that two such transactions cannot wait for each other.
        new.sort(key=lambda job: job.id)
        new_keys.sort(key=lambda row: (row["tenant"], row["key"]))
        connection.execute(
            insert(jobs), [columns_of(job) | {"fence": 0, "joint_key": joint_keys[job.id]} for job in new]
        )
        created = {"seq": 1, "at_s": now_s, "name": "created", "detail": ""}
        connection.execute(insert(events), [{"job_id": job.id} | created for job in new])
        if new_keys:
            connection.execute(insert(idempotency_keys), new_keys)
    for job_id, n_requests in shared.items():
        add_requests(connection, job_id, n_requests)
        enter_event(connection, job_id, now_s, "joined")
    return outcomes


def add_requests(connection: Connection, job_id: str, n_requests: int) -> None:
    """Count more requests that a job answers, or fewer; the caller has locked the job's row."""
    counted = jobs.c.n_requests + n_requests
    connection.execute(update(jobs).where(jobs.c.id == job_id).values(n_requests=counted))


def rows_by_id(connection: Connection, ids: Collection[str]) -> dict[str, Row[Any]]:
    """Return the jobs that exist, by id."""
    found: dict[str, Row[Any]] = {}
    for some in _slices(sorted(ids)):
        found |= {row.id: row for row in connection.execute(_BY_ID, {"ids": some})}
    return found


def held_jobs(connection: Connection, ids: Collection[str], lease: Lease) -> tuple[dict[str, HeldJob], set[str]]:
    """Return the jobs that exist, by id, and which of them a lease was the last to write.

    Other writers are kept off them until the transaction ends.
    """
    found: dict[str, HeldJob] = {}
    ours: set[str] = set()
    for some in _slices(sorted(ids)):
        for row in connection.execute(_HEADS, {"ids": some}):
            found[row.id] = HeldJob(
                tenant=row.tenant,
                version=row.version,
                state=JobState(row.state),
                cancel_requested=row.cancel_requested,
                external_id=row.external_id or "",
                read=partial(_read, connection, row.tenant, row.id),
            )
            if row.fence == lease.fence:
                ours.add(row.id)
    return found, ours


def _read(connection: Connection, tenant: str, job_id: str) -> Job:
    return job_of(known_row(connection, tenant, job_id))


def _by_key(
    connection: Connection, names: Collection[tuple[str, str | None]]
) -> dict[tuple[str, str | None], tuple[str, Job]]:
    found: dict[tuple[str, str | None], tuple[str, Job]] = {}
    for some in _slices(sorted((tenant, key) for tenant, key in names if key is not None)):
        query = (
            select(
                idempotency_keys.c.tenant.label("key_tenant"), idempotency_keys.c.key, idempotency_keys.c.fingerprint
            )
            .add_columns(*jobs.c)
            .join(jobs, jobs.c.id == idempotency_keys.c.job_id)
            .where(tuple_(idempotency_keys.c.tenant, idempotency_keys.c.key).in_(some))
        )
        found |= {(row.key_tenant, row.key): (row.fingerprint, job_of(row)) for row in connection.execute(query)}
    return found


def keys_in_use(connection: Connection, tenant: str, keys: Collection[str]) -> frozenset[str]:
    """Return which of a tenant's idempotency keys have a job."""
    found: set[str] = set()
    for some in _slices(sorted(keys)):
        query = select(idempotency_keys.c.key).where(idempotency_keys.c.tenant == tenant)
        found.update(connection.scalars(query.where(idempotency_keys.c.key.in_(some))))
    return frozenset(found)


def _external_id(job: Job) -> str | None:
    return storable(job.reference.external_id) or None


def _by_external(
    connection: Connection, names: Collection[tuple[str, str | None]]
) -> dict[tuple[str, str | None], Job]:
    found: dict[tuple[str, str | None], Job] = {}
    for some in _slices(sorted((tenant, name) for tenant, name in names if name is not None)):
        query = select(jobs).where(tuple_(jobs.c.tenant, jobs.c.external_id).in_(some))
        found |= {(row.tenant, row.external_id): job_of(row) for row in connection.execute(query)}
    return found


def _by_work(connection: Connection, names: Collection[tuple[str, str | None]]) -> dict[tuple[str, str | None], Job]:
    """Return the jobs that equal requests may join, and lock them: none of them is cancelled meanwhile."""
    found: dict[tuple[str, str | None], Job] = {}
    for some in _slices(sorted((tenant, key) for tenant, key in names if key is not None)):
        query = select(jobs).where(joinable(), tuple_(jobs.c.tenant, jobs.c.joint_key).in_(some))
        rows = connection.execute(query.order_by(jobs.c.id).with_for_update())
        found |= {(row.tenant, row.joint_key): job_of(row) for row in rows}
    return found


def _slices(items: list[T]) -> Iterator[list[T]]:
    for start in range(0, len(items), _ITEMS_PER_QUERY):
        yield items[start : start + _ITEMS_PER_QUERY]


def known_row(connection: Connection, tenant: str, job_id: str, *, lock: bool = False) -> Row[Any]:
    """Return a tenant's job; raises `JobUnknown`."""
    name = {"of_tenant": storable(tenant), "with_id": storable(job_id)}
    row = connection.execute(_KNOWN_LOCKED if lock else _KNOWN, name).one_or_none()
    if row is None:
        raise JobUnknown(f"no job {job_id}")
    return row


def next_in_queue(connection: Connection, lease: Lease, limit: int, economy_limit: int) -> list[Row[Any]]:
    """Lock and return the queued jobs to begin next; see `pipelines.scheduling.fair_share`.

    Economy jobs fill up what is left of ``economy_limit``. Those in hand are counted over all shards.
    """
    tenants = list(connection.scalars(_WAITING_TENANTS))
    if not tenants:
        return []
    in_hand = {row.tenant: row.n_jobs for row in connection.execute(_TRANSCRIBING)}
    tenants.sort(key=lambda tenant: in_hand.get(tenant, 0))
    chosen: list[str] = []
    queues = _QUEUES if lease.shard.is_whole else _QUEUES_OF_SHARD
    for queue, most in zip(queues, (limit, economy_limit), strict=True):
        if (n_left := most - len(chosen)) > 0:
            chosen += share_out(in_hand, _waiting(connection, queue, tenants, lease, n_left), n_left)
    found = connection.execute(_CHOSEN, {"below_fence": lease.fence, "ids": chosen}) if chosen else ()
    rows = {row.id: row for row in found}
    return [rows[job_id] for job_id in chosen if job_id in rows]


def _waiting(
    connection: Connection, queue: Select[Any], tenants: Sequence[str], lease: Lease, limit: int
) -> dict[str, list[Waiting]]:
    """Return the jobs that wait in a queue of the first tenants that have some, no more than may be chosen."""
    waiting: dict[str, list[Waiting]] = {}
    named = {"below_fence": lease.fence, "n": limit}
    if not lease.shard.is_whole:
        named |= {"first_bucket": lease.shard.buckets.start, "end_bucket": lease.shard.buckets.stop}
    for tenant in tenants:
        if len(waiting) >= limit:
            break
        found = connection.execute(queue, named | {"of_tenant": tenant})
        if rows := [(row.created_at_s, row.id) for row in found]:
            waiting[tenant] = rows
    return waiting


def enter_event(connection: Connection, job_id: str, at_s: float, name: str, detail: str = "") -> None:
    """Append to a job's history; the caller has locked the job's row."""
    enter_events(connection, at_s, [(job_id, name, detail)])


def enter_events(connection: Connection, at_s: float, entries: Collection[tuple[str, str, str]]) -> None:
    """Append to histories: a job's id, the event's name and its detail; the caller has locked the jobs' rows."""
    rows = [
        {"of_job": job_id, "then_s": at_s, "event": storable(name), "about": storable(detail)}
        for job_id, name, detail in entries
    ]
    if rows:
        connection.execute(_NEXT_EVENT, rows)


def mark_claimed(connection: Connection, lease: Lease, job_ids: Collection[str]) -> None:
    """Note that a lease has claimed jobs."""
    if job_ids:
        connection.execute(_CLAIM, [{"job_id": job_id, "new_fence": lease.fence} for job_id in job_ids])


def write_jobs(connection: Connection, lease: Lease, written: Collection[Job]) -> None:
    """Replace jobs, each once, as the holder of a lease."""
    rows = [columns_of(job) | {"fence": lease.fence} for job in written]
    if rows:
        connection.execute(_REPLACE, [{"job_id": row["id"]} | {name: row[name] for name in _WRITTEN} for row in rows])


def columns_of(job: Job) -> dict[str, Any]:
    """Return the columns of a job's row but ``fence``."""
    due_s = due_at_s(job)
    return {
        "id": job.id,
        "tenant": job.tenant,
        "state": job.state.value,
        "model": job.options.model,
        "priority": queue_priority(job.options),
        "created_at_s": job.created_at_s,
        "updated_at_s": job.updated_at_s,
        "filename_folded": fold(job.filename),
        "external_id": _external_id(job),
        "audio_s": job.progress.audio_s,
        "done_s": job.progress.done_s,
        "reason": job.reason.value if job.reason else None,
        "content_key": job.content_key or None,
        "deadline_s": NO_DEADLINE_S if due_s is None else due_s,
        "cancel_requested": job.cancel_requested,
        "version": job.version,
        "bucket": bucket_of(job.id),
        "n_failed_chunks": job.n_failed_chunks,
        "body": codec.encode(job).decode(),
    }


def job_of(row: Row[Any]) -> Job:
    """Return the job that a row of ``jobs`` holds."""
    job = codec.decode(Job, row.body)
    return changed(
        job,
        updated_at_s=row.updated_at_s,
        version=row.version,
        cancel_requested=row.cancel_requested,
        reference=changed(job.reference, external_id=row.external_id or ""),
    )
