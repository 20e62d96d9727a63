"""The ledger in a database: `SqlLedger`, for SQLite and PostgreSQL alike."""

import time
from collections.abc import Collection, Sequence

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.sql.elements import ColumnElement

from pipelines.audit import Deed
from pipelines.changed import changed
from pipelines.codec import decode, encode
from pipelines.errors import LedgerError, LedgerUnavailable
from pipelines.ids import new_id
from pipelines.jobs.costs import JobCost
from pipelines.jobs.economy import ECONOMY_STEP, ECONOMY_URGENT_S
from pipelines.jobs.job import Job, JobState
from pipelines.keeping.receipts import Receipt
from pipelines.ledger.database import Database
from pipelines.ledger.index.search_rows import mark
from pipelines.ledger.index.sql_review import SqlReview
from pipelines.ledger.index.sql_search import SqlSearch
from pipelines.ledger.keeping.audit_rows import enter
from pipelines.ledger.keeping.sql_audit import SqlAudit
from pipelines.ledger.keeping.sql_legal_holds import SqlHolds, require_unheld
from pipelines.ledger.keeping.sql_receipts import SqlReceipts, store
from pipelines.ledger.migrations import revision
from pipelines.ledger.outbox import Message
from pipelines.ledger.protocol import Clock, DrainMode, JobUpdate, Lease, NewJob
from pipelines.ledger.rows import (
    add_requests,
    enter_event,
    enter_events,
    held_jobs,
    insert_new,
    is_economy_row,
    job_of,
    keys_in_use,
    known_row,
    mark_claimed,
    next_in_queue,
    write_jobs,
)
from pipelines.ledger.rules import HeldJob, another_shards, check_new, judge_write, needs_indexing
from pipelines.ledger.schema import (
    DRAIN,
    HEALTH,
    IDENTITY,
    MODEL_ROUTES,
    SCHEMA_REVISION,
    SWEEP,
    job_costs,
    jobs,
    leases,
    of_shard,
    queued,
    started,
    switches,
    to_cancel,
)
from pipelines.ledger.sql_batches import blank_entries
from pipelines.ledger.sql_corrections import SqlCorrections
from pipelines.ledger.sql_job_reads import SqlJobReads
from pipelines.ledger.sql_leases import fenced, require_fence, set_expiry, take_lease
from pipelines.ledger.sql_outbox import SqlOutbox, forget_targets, insert_messages, targets_of
from pipelines.ledger.sql_places import SqlPlaces
from pipelines.ledger.sql_request_locks import SqlKeyHolds
from pipelines.ledger.sql_spending import SqlSpending
from pipelines.models.routing import ModelRoute, from_text, to_text
from pipelines.scheduling.shards import WHOLE, Shard

_CREATE_ATTEMPTS = 5


class SqlLedger(SqlJobReads):
    """Implements `pipelines.ledger.protocol.Ledger` in a database; `open_ledger` makes one.

    Raises `ConfigurationError` for a URL that is neither a SQLite file nor PostgreSQL.
    """

    def __init__(self, url: str, *, clock: Clock = time.time) -> None:
        super().__init__(Database(url))
        self._clock = clock
        self.outbox = SqlOutbox(self._database, clock)
        self.holds = SqlKeyHolds(self._database, clock)
        self.spending = SqlSpending(self._database)
        self.places = SqlPlaces(self._database, clock)
        self.corrections = SqlCorrections(self._database, clock)
        self.audit = SqlAudit(self._database, clock)
        self.legal_holds = SqlHolds(self._database, clock)
        self.receipts = SqlReceipts(self._database, clock)
        self.search = SqlSearch(self._database, clock)
        self.review = SqlReview(self._database, clock)

    def migrate(self) -> None:
        """Bring the tables up to date; raises `ConfigurationError` when they are those of a newer MeetMemo."""
        self._database.prepare()
        with self._database.reading() as connection:
            if revision(connection) == SCHEMA_REVISION:
                return
        # Alembic is needed once in the life of a database. It is slow to import, so before the lock is taken.
        from pipelines.ledger.migrations.upgrade import upgrade

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

    def create(
        self, job: Job, *, idempotency_key: str | None = None, fingerprint: str = "", joins: bool = False
    ) -> tuple[Job, bool]:
        """Store a new job; see `pipelines.ledger.protocol.Ledger.create`."""
        new = NewJob(job=job, idempotency_key=idempotency_key, fingerprint=fingerprint, joins=joins)
        (outcome,) = self.create_many([new])
        if isinstance(outcome, LedgerError):
            raise outcome
        return outcome

    def create_many(self, requests: Sequence[NewJob]) -> Sequence[tuple[Job, bool] | LedgerError]:
        """Store new jobs in one transaction; see `pipelines.ledger.protocol.Ledger.create_many`."""
        for request in requests:
            check_new(request)
        for _ in range(_CREATE_ATTEMPTS):
            try:
                with self._database.writing() as connection:
                    return insert_new(connection, requests, self._clock())
            except IntegrityError:
                continue  # another writer used a key or an id after we looked: look again
        raise LedgerUnavailable("other writers keep using the same idempotency keys")

    def used_keys(self, tenant: str, idempotency_keys: Collection[str]) -> frozenset[str]:
        """Return the keys that brought a job; see `pipelines.ledger.protocol.Ledger.used_keys`."""
        with self._database.reading() as connection:
            return keys_in_use(connection, tenant, idempotency_keys)

    def request_cancel(self, tenant: str, job_id: str, *, everyone: bool = False) -> Job:
        """Store a request to cancel; see `pipelines.ledger.protocol.Ledger.request_cancel`."""
        now_s = self._clock()
        with self._database.writing() as connection:
            row = known_row(connection, tenant, job_id, lock=True)
            if JobState(row.state).final or row.cancel_requested:
                return job_of(row)
            if row.n_requests > 1 and not everyone:
                add_requests(connection, job_id, -1)
                enter_event(connection, job_id, now_s, "left")
                return job_of(row)
            wish = update(jobs).where(jobs.c.id == job_id).values(cancel_requested=True, updated_at_s=now_s)
            connection.execute(wish)
            enter_event(connection, job_id, now_s, "cancel_requested")
            return changed(job_of(row), cancel_requested=True, updated_at_s=now_s)

    def leave(self, tenant: str, job_id: str) -> None:
        """Count one request less; see `pipelines.ledger.protocol.Ledger.leave`."""
        with self._database.writing() as connection:
            if known_row(connection, tenant, job_id, lock=True).n_requests > 1:
                add_requests(connection, job_id, -1)
                enter_event(connection, job_id, self._clock(), "left")

    def delete(self, tenant: str, job_id: str, *, receipt: Receipt | None = None, deed: Deed | None = None) -> None:
        """Forget a job and what is written about it elsewhere; see `pipelines.ledger.protocol.Ledger.delete`."""
        with self._database.writing() as connection:
            row = known_row(connection, tenant, job_id, lock=True)
            job = job_of(row)
            if receipt is None:
                require_unheld(connection, job)
            if job.state.final:
                cost = encode(JobCost.of(job)).decode()
                connection.execute(insert(job_costs).values(created_at_s=job.created_at_s, body=cost))
            targets = targets_of(connection, job.id)
            connection.execute(delete(jobs).where(jobs.c.id == row.id))
            forget_targets(connection, job.tenant, targets)
            blank_entries(connection, job)
            self._database.note_deletion(connection)
            if receipt is not None:
                store(connection, receipt)
            if deed is not None:
                enter(connection, [deed], self._clock())

    def scrub(self, max_bytes: int) -> bool:
        """Overwrite what deleted rows left behind; see `pipelines.ledger.protocol.Ledger.scrub`."""
        return self._database.scrub(max_bytes)

    def costs_of_deleted(self, since_s: float) -> Sequence[JobCost]:
        """Return what ended jobs took that are deleted, by when they were created."""
        query = select(job_costs.c.body).where(job_costs.c.created_at_s >= since_s).order_by(job_costs.c.created_at_s)
        with self._database.reading() as connection:
            return [decode(JobCost, body) for body in connection.execute(query).scalars()]

    # The Coordinator

    def identity(self) -> str:
        """Return the ledger's name, made when somebody first asks."""
        found = select(switches.c.value).where(switches.c.name == IDENTITY)
        with self._database.reading() as connection:
            name: str | None = connection.execute(found).scalar_one_or_none()
        if name:
            return name
        with self._database.writing() as connection:
            connection.execute(
                select(switches).where(switches.c.name == DRAIN).with_for_update()
            ).one()  # one at a time
            name = connection.execute(found).scalar_one_or_none()
            if name is None:
                name = new_id()
                connection.execute(insert(switches).values(name=IDENTITY, value=name))
            return name

    def drain_mode(self) -> DrainMode:
        """Return the drain mode."""
        with self._database.reading() as connection:
            return DrainMode(connection.execute(select(switches.c.value).where(switches.c.name == DRAIN)).scalar_one())

    def set_drain_mode(self, mode: DrainMode) -> None:
        """Store the drain mode durably."""
        with self._database.writing() as connection:
            connection.execute(update(switches).where(switches.c.name == DRAIN).values(value=mode))

    def model_routes(self) -> tuple[ModelRoute, ...]:
        """Return which models' chunks other models decode."""
        return from_text(self._switch(MODEL_ROUTES) or "[]")

    def set_model_routes(self, routes: Sequence[ModelRoute]) -> None:
        """Store the routes durably, in place of all earlier ones."""
        self._set_switch(MODEL_ROUTES, to_text(routes))

    def sweep_position(self) -> str:
        """Return the key behind which the next sweep of the store begins."""
        return self._switch(SWEEP)

    def set_sweep_position(self, key: str) -> None:
        """Store it durably."""
        self._set_switch(SWEEP, key)

    def _switch(self, name: str) -> str:
        with self._database.reading() as connection:
            query = select(switches.c.value).where(switches.c.name == name)
            return connection.execute(query).scalar_one_or_none() or ""

    def _set_switch(self, name: str, value: str) -> None:
        with self._database.writing() as connection:
            connection.execute(delete(switches).where(switches.c.name == name))
            connection.execute(insert(switches).values(name=name, value=value))

    def acquire_lease(self, owner: str, ttl_s: float, shard: Shard = WHOLE) -> Lease | None:
        """Become a shard's Coordinator; see `pipelines.ledger.protocol.Ledger.acquire_lease`."""
        with self._database.writing() as connection:
            return take_lease(connection, owner, ttl_s, shard, self._clock())

    def heartbeat(self, lease: Lease) -> Lease:
        """Extend the lease by its ``ttl_s`` from now; raises `Fenced`."""
        extended = changed(lease, expires_at_s=self._clock() + lease.ttl_s)
        with self._database.writing() as connection:
            if not set_expiry(connection, lease, extended.expires_at_s):
                raise fenced(lease)
        return extended

    def release(self, lease: Lease) -> None:
        """Let the next owner acquire at once; does nothing when the lease was lost."""
        with self._database.writing() as connection:
            set_expiry(connection, lease, 0.0)

    def claim(self, lease: Lease, limit: int, economy_limit: int | None = None) -> Sequence[Job]:
        """Take queued jobs; see `pipelines.ledger.protocol.Ledger.claim`."""
        with self._database.writing() as connection:
            require_fence(connection, lease)
            rows = next_in_queue(connection, lease, limit, limit if economy_limit is None else economy_limit)
            claimed = [job_of(row) for row in rows]
            mark_claimed(connection, lease, [job.id for job in claimed])
            return claimed

    def promote_economy(self, lease: Lease, now_s: float) -> int:
        """Queue urgent economy jobs as standard ones; see `pipelines.ledger.protocol.Ledger.promote_economy`."""
        due_s = now_s + ECONOMY_URGENT_S
        ours = of_shard(lease.shard)
        urgent = update(jobs).where(queued(), is_economy_row(), jobs.c.deadline_s <= due_s, *ours)
        with self._database.writing() as connection:
            require_fence(connection, lease)
            return connection.execute(urgent.values(priority=jobs.c.priority + ECONOMY_STEP)).rowcount

    def live(self, lease: Lease) -> Sequence[Job]:
        """Return the jobs begun and not ended; see `pipelines.ledger.protocol.Ledger.live`."""
        return self._all(lease, started(), queued() & (jobs.c.fence == lease.fence))

    def cancel_requests(self, lease: Lease) -> Sequence[Job]:
        """Return the live jobs whose owner asked to cancel; raises `Fenced`."""
        return self._all(lease, to_cancel())

    def apply(self, lease: Lease, job: Job, expected_version: int, messages: Sequence[Message] = ()) -> Job:
        """Replace the job; see `pipelines.ledger.protocol.Ledger.apply`."""
        (outcome,) = self.apply_many(lease, [JobUpdate(job, expected_version, messages)])
        if isinstance(outcome, LedgerError):
            raise outcome
        return outcome

    def apply_many(self, lease: Lease, updates: Sequence[JobUpdate]) -> Sequence[Job | LedgerError]:
        """Replace several jobs in one transaction; see `pipelines.ledger.protocol.Ledger.apply_many`."""
        now_s = self._clock()
        outcomes: list[Job | LedgerError] = []
        written: dict[str, Job] = {}
        messages: list[Message] = []
        events: list[tuple[str, str, str]] = []
        to_index: set[str] = set()
        with self._database.writing() as connection:
            require_fence(connection, lease)
            held, ours = held_jobs(connection, {change.job.id for change in updates}, lease)
            for change in updates:
                job_id = change.job.id
                before = held.get(job_id)
                if not lease.shard.owns(job_id):
                    outcomes.append(another_shards(job_id, lease))
                    continue
                after = judge_write(before, change.job, change.expected_version, now_s, ours=job_id in ours)
                outcomes.append(after)
                if isinstance(after, LedgerError) or before is None or after.version == before.version:
                    continue
                if needs_indexing(before, after):
                    to_index.add(job_id)
                if after.state is not before.state:
                    events.append((job_id, after.state.value, after.detail))
                messages += change.messages
                written[job_id] = changed(after, finished=frozenset())
                held[job_id] = HeldJob.of(written[job_id])
                ours.add(job_id)
            write_jobs(connection, lease, written.values())
            enter_events(connection, now_s, events)
            insert_messages(connection, messages, now_s)
            mark(connection, to_index, now_s)
        return outcomes

    def record(self, lease: Lease, job: Job, name: str, detail: str = "") -> None:
        """Enter something in a job's history; raises as `apply`."""
        with self._database.writing() as connection:
            require_fence(connection, lease)
            if not lease.shard.owns(job.id):
                raise another_shards(job.id, lease)
            known_row(connection, job.tenant, job.id, lock=True)
            enter_event(connection, job.id, self._clock(), name, detail)

    def _all(self, lease: Lease, *conditions: ColumnElement[bool]) -> Sequence[Job]:
        with self._database.reading() as connection:
            require_fence(connection, lease)
            # One query per condition: SQLite scans the table for an alternative of two partial indexes.
            ours = select(jobs).where(*of_shard(lease.shard))
            found = [job_of(row) for some in conditions for row in connection.execute(ours.where(some))]
        return sorted(found, key=lambda job: (job.created_at_s, job.id))
