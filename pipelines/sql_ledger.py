"""The ledger in a database: `SqlLedger`, for SQLite and PostgreSQL alike."""

import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from sqlalchemy import (
    Connection,
    Double,
    Row,
    bindparam,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.sql.elements import ColumnElement

from pipelines import codec
from pipelines.database import Database
from pipelines.errors import Fenced, JobUnknown, LedgerError, LedgerUnavailable
from pipelines.jobs import Job, JobState
from pipelines.ledger import Clock, JobEvent, Lease, NewJob, Page
from pipelines.ledger_rules import (
    check_limit,
    check_new,
    first_version,
    fold,
    judge_creation,
    judge_write,
    next_cursor,
    parse_cursor,
    storable,
    storable_job,
)
from pipelines.ledger_schema import (
    COORDINATOR,
    HEALTH,
    SCHEMA_REVISION,
    events,
    idempotency_keys,
    jobs,
    leases,
    queued,
    started,
    to_cancel,
)
from pipelines.migrations import revision, upgrade

T = TypeVar("T")

_CREATE_ATTEMPTS = 5
_ITEMS_PER_QUERY = 500


class SqlLedger:
    """`pipelines.ledger.Ledger` in a database; `open_ledger` makes one.

    Raises `ConfigurationError` for a URL that is neither a SQLite file nor PostgreSQL.
    """

    def __init__(self, url: str, *, clock: Clock = time.time) -> None:
        self._database = Database(url)
        self._clock = clock

    def migrate(self) -> None:
        """Bring the tables up to date; raises `ConfigurationError` when they are those of a newer MeetMemo."""
        self._database.prepare()
        with self._database.reading() as connection:
            if revision(connection) == SCHEMA_REVISION:
                return
        with self._database.writing() as connection:
            upgrade(connection)

    def check(self) -> None:
        """Raise `LedgerUnavailable` unless a small write succeeds."""
        with self._database.writing() as connection:
            connection.execute(update(leases).where(leases.c.name == HEALTH).values(expires_at_s=self._clock()))

    def close(self) -> None:
        """Give up all connections."""
        self._database.close()

    # Ingestion

    def create(self, job: Job, *, idempotency_key: str | None = None, fingerprint: str = "") -> tuple[Job, bool]:
        """Store a new job; see `pipelines.ledger.Ledger.create`."""
        (outcome,) = self.create_many([NewJob(job=job, idempotency_key=idempotency_key, fingerprint=fingerprint)])
        if isinstance(outcome, LedgerError):
            raise outcome
        return outcome

    def create_many(self, requests: Sequence[NewJob]) -> Sequence[tuple[Job, bool] | LedgerError]:
        """Store new jobs in one transaction; see `pipelines.ledger.Ledger.create_many`."""
        for request in requests:
            check_new(request)
        for _ in range(_CREATE_ATTEMPTS):
            try:
                with self._database.writing() as connection:
                    return _create(connection, requests, self._clock())
            except IntegrityError:
                continue  # another writer used a key or an id after we looked: look again
        raise LedgerUnavailable("other writers keep using the same idempotency keys")

    def get(self, tenant: str, job_id: str) -> Job:
        """Return a job; raises `JobUnknown`."""
        with self._database.reading() as connection:
            return _job(_known(connection, tenant, job_id))

    def list(
        self,
        tenant: str | None,
        *,
        states: Collection[JobState] = (),
        filename_contains: str = "",
        created_from_s: float | None = None,
        created_before_s: float | None = None,
        limit: int = 50,
        after: str | None = None,
    ) -> Page:
        """Return one page of jobs, newest first; see `pipelines.ledger.Ledger.list`."""
        check_limit(limit)
        query = select(jobs).order_by(jobs.c.created_at_s.desc(), jobs.c.id.desc()).limit(limit + 1)
        if tenant is not None:
            query = query.where(jobs.c.tenant == tenant)
        if states:
            query = query.where(jobs.c.state.in_([state.value for state in states]))
        if filename_contains:
            query = query.where(jobs.c.filename_folded.contains(fold(filename_contains), autoescape=True))
        if created_from_s is not None:
            query = query.where(jobs.c.created_at_s >= created_from_s)
        if created_before_s is not None:
            query = query.where(jobs.c.created_at_s < created_before_s)
        if after is not None:
            created_at_s, job_id = parse_cursor(after)
            query = query.where(tuple_(jobs.c.created_at_s, jobs.c.id) < tuple_(literal(created_at_s), literal(job_id)))
        with self._database.reading() as connection:
            found = [_job(row) for row in connection.execute(query)]
        return Page(jobs=tuple(found[:limit]), next_cursor=next_cursor(found, limit))

    def counts(self, tenant: str | None = None) -> dict[JobState, int]:
        """Count jobs by state; see `pipelines.ledger.Ledger.counts`."""
        query = select(jobs.c.state, func.count()).group_by(jobs.c.state)
        if tenant is not None:
            query = query.where(jobs.c.tenant == tenant)
        with self._database.reading() as connection:
            found = {JobState(state): n for state, n in connection.execute(query)}
        return {state: found.get(state, 0) for state in JobState}

    def events(self, tenant: str, job_id: str) -> Sequence[JobEvent]:
        """Return a job's history, oldest first; raises `JobUnknown`."""
        query = select(events).where(events.c.job_id == job_id).order_by(events.c.seq)
        with self._database.reading() as connection:
            _known(connection, tenant, job_id)
            return [
                JobEvent(seq=row.seq, at_s=row.at_s, name=row.name, detail=row.detail)
                for row in connection.execute(query)
            ]

    def request_cancel(self, tenant: str, job_id: str) -> Job:
        """Note the wish to cancel; see `pipelines.ledger.Ledger.request_cancel`."""
        now_s = self._clock()
        with self._database.writing() as connection:
            row = _known(connection, tenant, job_id, lock=True)
            if JobState(row.state).final or row.cancel_requested:
                return _job(row)
            wish = update(jobs).where(jobs.c.id == job_id).values(cancel_requested=True, updated_at_s=now_s)
            connection.execute(wish)
            _enter(connection, job_id, now_s, "cancel_requested")
            return replace(_job(row), cancel_requested=True, updated_at_s=now_s)

    def delete(self, tenant: str, job_id: str) -> None:
        """Forget a job, its history and its idempotency key; raises `JobUnknown`."""
        with self._database.writing() as connection:
            gone = connection.execute(delete(jobs).where(jobs.c.tenant == tenant, jobs.c.id == job_id))
            if gone.rowcount == 0:
                raise JobUnknown(f"no job {job_id}")

    # The Coordinator

    def acquire_lease(self, owner: str, ttl_s: float) -> Lease | None:
        """Become the Coordinator under a new fence; see `pipelines.ledger.Ledger.acquire_lease`."""
        query = select(leases).where(leases.c.name == COORDINATOR).with_for_update()
        with self._database.writing() as connection:
            row = connection.execute(query).one()
            now_s = self._clock()
            if row.expires_at_s > now_s and row.owner != owner:
                return None
            lease = Lease(owner=owner, fence=row.fence + 1, ttl_s=ttl_s, expires_at_s=now_s + ttl_s)
            values = {"owner": owner, "fence": lease.fence, "expires_at_s": lease.expires_at_s}
            connection.execute(update(leases).where(leases.c.name == COORDINATOR).values(values))
            return lease

    def heartbeat(self, lease: Lease) -> Lease:
        """Extend the lease by its ``ttl_s`` from now; raises `Fenced`."""
        extended = replace(lease, expires_at_s=self._clock() + lease.ttl_s)
        if not self._set_expiry(lease, extended.expires_at_s):
            raise _fenced(lease)
        return extended

    def release(self, lease: Lease) -> None:
        """Let the next owner acquire at once; does nothing when the lease was lost."""
        self._set_expiry(lease, 0.0)

    def claim(self, lease: Lease, limit: int) -> Sequence[Job]:
        """Take queued jobs; see `pipelines.ledger.Ledger.claim`."""
        waiting = (
            select(jobs)
            .where(queued(), ~jobs.c.cancel_requested, jobs.c.fence < lease.fence)
            .order_by(jobs.c.priority.desc(), jobs.c.created_at_s, jobs.c.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        with self._database.writing() as connection:
            _require(connection, lease)
            claimed = [_job(row) for row in connection.execute(waiting)]
            if claimed:
                mine = update(jobs).where(jobs.c.id == bindparam("job_id")).values(fence=lease.fence)
                connection.execute(mine, [{"job_id": job.id} for job in claimed])
            return claimed

    def live(self, lease: Lease) -> Sequence[Job]:
        """Return the jobs begun and not ended; see `pipelines.ledger.Ledger.live`."""
        return self._all(lease, or_(started(), queued() & (jobs.c.fence == lease.fence)))

    def cancel_requests(self, lease: Lease) -> Sequence[Job]:
        """Return the live jobs whose owner asked to cancel; raises `Fenced`."""
        return self._all(lease, to_cancel())

    def apply(self, lease: Lease, job: Job, expected_version: int) -> Job:
        """Replace the job; see `pipelines.ledger.Ledger.apply`."""
        (outcome,) = self.apply_many(lease, [(job, expected_version)])
        if isinstance(outcome, LedgerError):
            raise outcome
        return outcome

    def apply_many(self, lease: Lease, updates: Sequence[tuple[Job, int]]) -> Sequence[Job | LedgerError]:
        """Replace several jobs in one transaction; see `pipelines.ledger.Ledger.apply_many`."""
        now_s = self._clock()
        outcomes: list[Job | LedgerError] = []
        written: dict[str, Job] = {}
        with self._database.writing() as connection:
            _require(connection, lease)
            rows = _by_id(connection, {job.id for job, _ in updates}, lock=True)
            held = {job_id: _job(row) for job_id, row in rows.items()}
            for job, expected_version in updates:
                before = held.get(job.id)
                ours = before is not None and (rows[job.id].fence == lease.fence or job.id in written)
                after = judge_write(before, job, expected_version, now_s, ours=ours)
                outcomes.append(after)
                if isinstance(after, LedgerError) or before is None or after.version == before.version:
                    continue
                held[job.id] = written[job.id] = storable_job(after)
                if after.state is not before.state:
                    _enter(connection, job.id, now_s, after.state.value, after.detail)
            if written:
                values = [{"job_id": job.id, **_columns(job), "fence": lease.fence} for job in written.values()]
                # The wish to cancel is the owner's column.
                changed = [name for name in values[0] if name not in ("job_id", "id", "cancel_requested")]
                by_id = update(jobs).where(jobs.c.id == bindparam("job_id"))
                connection.execute(by_id.values({name: bindparam(name) for name in changed}), values)
        return outcomes

    def record(self, lease: Lease, job: Job, name: str, detail: str = "") -> None:
        """Enter something in a job's history; raises `Fenced` and `JobUnknown`."""
        with self._database.writing() as connection:
            _require(connection, lease)
            _known(connection, job.tenant, job.id, lock=True)
            _enter(connection, job.id, self._clock(), name, detail)

    def _set_expiry(self, lease: Lease, expires_at_s: float) -> bool:
        held = update(leases).where(leases.c.name == COORDINATOR, leases.c.fence == lease.fence)
        with self._database.writing() as connection:
            return connection.execute(held.values(expires_at_s=expires_at_s)).rowcount == 1

    def _all(self, lease: Lease, condition: ColumnElement[bool]) -> Sequence[Job]:
        query = select(jobs).where(condition).order_by(jobs.c.created_at_s, jobs.c.id)
        with self._database.reading() as connection:
            _require(connection, lease)
            return [_job(row) for row in connection.execute(query)]


def _create(connection: Connection, requests: Sequence[NewJob], now_s: float) -> list[tuple[Job, bool] | LedgerError]:
    by_id = {job_id: _job(row) for job_id, row in _by_id(connection, {request.job.id for request in requests}).items()}
    by_key = _by_key(connection, {(request.job.tenant, request.idempotency_key) for request in requests})
    outcomes: list[tuple[Job, bool] | LedgerError] = []
    new: list[Job] = []
    new_keys: list[dict[str, str]] = []
    for request in requests:
        name = (request.job.tenant, request.idempotency_key)
        outcome = judge_creation(request, by_key.get(name), by_id.get(request.job.id))
        if outcome is None:
            job = first_version(request.job, now_s)
            outcome = (job, True)
            new.append(job)
            by_id[job.id] = job
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
        connection.execute(insert(jobs), [_columns(job) | {"fence": 0} for job in new])
        created = {"seq": 1, "at_s": now_s, "name": "created", "detail": ""}
        connection.execute(insert(events), [{"job_id": job.id} | created for job in new])
        if new_keys:
            connection.execute(insert(idempotency_keys), new_keys)
    return outcomes


def _by_id(connection: Connection, ids: Collection[str], *, lock: bool = False) -> dict[str, Row[Any]]:
    found: dict[str, Row[Any]] = {}
    for some in _slices(sorted(ids)):
        query = select(jobs).where(jobs.c.id.in_(some)).order_by(jobs.c.id)
        rows = connection.execute(query.with_for_update() if lock else query)
        found |= {row.id: row for row in rows}
    return found


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
        found |= {(row.key_tenant, row.key): (row.fingerprint, _job(row)) for row in connection.execute(query)}
    return found


def _slices(items: list[T]) -> Iterator[list[T]]:
    for start in range(0, len(items), _ITEMS_PER_QUERY):
        yield items[start : start + _ITEMS_PER_QUERY]


def _known(connection: Connection, tenant: str, job_id: str, *, lock: bool = False) -> Row[Any]:
    query = select(jobs).where(jobs.c.tenant == tenant, jobs.c.id == job_id)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise JobUnknown(f"no job {job_id}")
    return row


def _require(connection: Connection, lease: Lease) -> None:
    """Raise `Fenced` unless the lease is the newest; on PostgreSQL nobody can acquire until the transaction ends."""
    query = select(leases.c.fence).where(leases.c.name == COORDINATOR).with_for_update(read=True)
    if connection.execute(query).scalar_one() != lease.fence:
        raise _fenced(lease)


def _fenced(lease: Lease) -> Fenced:
    return Fenced(f"fence {lease.fence} of {lease.owner} is not the newest")


def _enter(connection: Connection, job_id: str, at_s: float, name: str, detail: str = "") -> None:
    """Append to a job's history; the caller has locked the job's row."""
    following = select(
        literal(job_id),
        func.coalesce(func.max(events.c.seq), 0) + 1,
        literal(at_s, Double),
        literal(storable(name)),
        literal(storable(detail)),
    ).where(events.c.job_id == job_id)
    connection.execute(insert(events).from_select(["job_id", "seq", "at_s", "name", "detail"], following))


def _columns(job: Job) -> dict[str, Any]:
    return {
        "id": job.id,
        "tenant": job.tenant,
        "state": job.state.value,
        "model": job.options.model,
        "priority": job.options.priority,
        "created_at_s": job.created_at_s,
        "updated_at_s": job.updated_at_s,
        "filename_folded": fold(job.filename),
        "audio_s": job.progress.audio_s,
        "done_s": job.progress.done_s,
        "reason": job.reason.value if job.reason else None,
        "cancel_requested": job.cancel_requested,
        "version": job.version,
        "body": codec.encode(job).decode(),
    }


def _job(row: Row[Any]) -> Job:
    job = codec.decode(Job, row.body)
    return replace(job, updated_at_s=row.updated_at_s, version=row.version, cancel_requested=row.cancel_requested)
