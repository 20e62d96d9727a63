"""Legal holds in the ledger's database: `SqlHolds`."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from pipelines.audit import Deed
from pipelines.errors import IllegalTransition, NotFound
from pipelines.jobs.job import Job
from pipelines.keeping.legal_holds import Hold, HoldScope, on_hold
from pipelines.ledger.database import Database
from pipelines.ledger.keeping.audit_rows import enter, lock_head
from pipelines.ledger.protocol import Clock
from pipelines.ledger.rows import known_row
from pipelines.ledger.rules import storable
from pipelines.ledger.schema import batch_entries, batches, is_active, is_begun, legal_holds, receipts


class SqlHolds:
    """Implements `pipelines.keeping.legal_holds.HoldBook` by SQL; ``clock`` gives Unix seconds."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def place(self, hold: Hold, deed: Deed) -> Hold:
        """Place a hold; see `pipelines.keeping.legal_holds.HoldBook.place`."""
        hold = storable_hold(replace(hold, placed_at_s=round(self._clock(), 3)))
        with self._database.writing() as connection:
            if hold.scope.job_id:
                known_row(connection, hold.tenant, hold.scope.job_id, lock=True)
            lock_head(connection, hold.tenant)  # no erasure begins meanwhile
            if hold.scope.batch_id:
                _require_batch(connection, hold)
            same = next((each for each in _active(connection, hold.tenant) if each.scope == hold.scope), None)
            if same is not None:
                return same
            if hold.scope.job_id:
                _require_no_erasure(connection, hold)
            connection.execute(insert(legal_holds), [_columns(hold)])
            enter(connection, [deed], self._clock())
            return hold

    def release(self, tenant: str, hold_id: str, *, reason: str, deed: Deed) -> Hold:
        """End a hold; see `pipelines.keeping.legal_holds.HoldBook.release`."""
        with self._database.writing() as connection:
            lock_head(connection, tenant)
            hold = _known(connection, tenant, hold_id)
            if not hold.is_active:
                return hold
            values = {
                "released_by": storable(deed.actor),
                "released_at_s": round(self._clock(), 3),
                "release_reason": storable(reason),
            }
            connection.execute(update(legal_holds).where(legal_holds.c.id == hold.id).values(values))
            enter(connection, [deed], self._clock())
            return _known(connection, tenant, hold_id)

    def get(self, tenant: str, hold_id: str) -> Hold:
        """Return a hold; raises `NotFound`."""
        with self._database.reading() as connection:
            return _known(connection, tenant, hold_id)

    def list(self, tenant: str, *, active: bool = True, limit: int = 500) -> Sequence[Hold]:
        """Return a tenant's holds, newest first: active ones, or (False) all."""
        hold = legal_holds.c
        query = select(legal_holds).where(hold.tenant == storable(tenant))
        if active:
            query = query.where(is_active())
        query = query.order_by(hold.placed_at_s.desc(), hold.id.desc()).limit(limit)
        with self._database.reading() as connection:
            return [_hold_of(row) for row in connection.execute(query)]

    def of_job(self, job: Job) -> Sequence[Hold]:
        """Return the active holds that take a job, oldest first."""
        with self._database.reading() as connection:
            return holds_on(connection, job)


def holds_on(connection: Connection, job: Job) -> Sequence[Hold]:
    """Return the active holds that take a job, oldest first."""
    found = _active(connection, job.tenant)
    asked = {hold.scope.batch_id for hold in found if hold.scope.batch_id}
    within: set[str] = set()
    if asked:
        own = batch_entries.c.job_id.in_(job.kin)
        query = select(batch_entries.c.batch_id).where(own, batch_entries.c.batch_id.in_(asked))
        within = set(connection.scalars(query))
    return [hold for hold in found if hold.scope.takes(job, in_batch=hold.scope.batch_id in within)]


def require_unheld(connection: Connection, job: Job) -> None:
    """Raise `OnHold` for a job that a hold takes; the caller has locked the tenant's head."""
    for hold in holds_on(connection, job):
        raise on_hold(job, hold)


def storable_hold(hold: Hold) -> Hold:
    """Return a hold as a database keeps it."""
    scope = HoldScope(
        job_id=storable(hold.scope.job_id),
        batch_id=storable(hold.scope.batch_id),
        external_id=storable(hold.scope.external_id),
        metadata=tuple((storable(name), storable(value)) for name, value in hold.scope.metadata),
    )
    return replace(
        hold,
        tenant=storable(hold.tenant),
        name=storable(hold.name),
        reason=storable(hold.reason),
        placed_by=storable(hold.placed_by),
        scope=scope,
    )


def _active(connection: Connection, tenant: str) -> list[Hold]:
    hold = legal_holds.c
    query = select(legal_holds).where(hold.tenant == storable(tenant), is_active())
    return [_hold_of(row) for row in connection.execute(query.order_by(hold.placed_at_s, hold.id))]


def _known(connection: Connection, tenant: str, hold_id: str) -> Hold:
    hold = legal_holds.c
    query = select(legal_holds).where(hold.tenant == storable(tenant), hold.id == storable(hold_id))
    row = connection.execute(query).one_or_none()
    if row is None:
        raise NotFound(f"There is no legal hold {hold_id}.")
    return _hold_of(row)


def _require_batch(connection: Connection, hold: Hold) -> None:
    named = select(batches.c.id).where(batches.c.tenant == hold.tenant, batches.c.id == hold.scope.batch_id)
    if connection.execute(named).one_or_none() is None:
        raise NotFound(f"There is no batch {hold.scope.batch_id}.")


def _require_no_erasure(connection: Connection, hold: Hold) -> None:
    own = receipts.c.tenant == hold.tenant, receipts.c.object_id == hold.scope.job_id, is_begun()
    if connection.execute(select(receipts.c.id).where(*own)).first() is not None:
        raise IllegalTransition(f"The erasure of job {hold.scope.job_id} has begun.")


def _columns(hold: Hold) -> dict[str, Any]:
    return {
        "id": hold.id,
        "tenant": hold.tenant,
        "name": hold.name,
        "reason": hold.reason,
        "job_id": hold.scope.job_id,
        "batch_id": hold.scope.batch_id,
        "external_id": hold.scope.external_id,
        "metadata": json.dumps(hold.scope.metadata),
        "placed_by": hold.placed_by,
        "placed_at_s": hold.placed_at_s,
        "released_by": hold.released_by,
        "released_at_s": hold.released_at_s,
        "release_reason": hold.release_reason,
    }


def _hold_of(row: Row[Any]) -> Hold:
    return Hold(
        id=row.id,
        tenant=row.tenant,
        name=row.name,
        reason=row.reason,
        scope=HoldScope(
            job_id=row.job_id,
            batch_id=row.batch_id,
            external_id=row.external_id,
            metadata=tuple((name, value) for name, value in json.loads(row.metadata)),
        ),
        placed_by=row.placed_by,
        placed_at_s=row.placed_at_s,
        released_by=row.released_by,
        released_at_s=row.released_at_s,
        release_reason=row.release_reason,
    )
