"""The outbox in the ledger's database: `SqlOutbox`, and the statement that puts messages in."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, func, insert, select, tuple_, update

from pipelines.errors import NotFound
from pipelines.ledger.database import Database
from pipelines.ledger.outbox import Delivery, DeliveryAttempt, DeliveryState, Message
from pipelines.ledger.protocol import Clock
from pipelines.ledger.rows import filled, known_row
from pipelines.ledger.rules import storable
from pipelines.ledger.schema import deliveries, delivery_attempts, disabled_targets, due, undelivered

# Built once: it is asked every second, whatever there is to do.
_ANY_RIPE = select(deliveries.c.id).where(due(), deliveries.c.next_attempt_at_s <= bindparam("now_s")).limit(1)


def insert_messages(connection: Connection, messages: Sequence[Message], now_s: float) -> None:
    """Put messages into the outbox, due at once unless their target is disabled."""
    if not messages:
        return
    names = {(message.tenant, message.target) for message in messages}
    disabled = select(disabled_targets.c.tenant, disabled_targets.c.target).where(
        tuple_(disabled_targets.c.tenant, disabled_targets.c.target).in_(names)
    )
    off = {(row.tenant, row.target) for row in connection.execute(disabled)}
    rows = [
        {
            **vars(message),
            "body": storable(message.body),
            "state": DeliveryState.DISABLED if (message.tenant, message.target) in off else DeliveryState.PENDING,
            "created_at_s": now_s,
            "n_attempts": 0,
            "next_attempt_at_s": now_s,
        }
        for message in messages
    ]
    connection.execute(insert(deliveries), rows)


def targets_of(connection: Connection, job_id: str) -> list[str]:
    """Return where messages about a job were to go."""
    return list(connection.scalars(select(deliveries.c.target).where(deliveries.c.job_id == job_id).distinct()))


def forget_targets(connection: Connection, tenant: str, targets: Collection[str]) -> None:
    """Forget which of these want no more messages, where no message to them is left: an address is personal."""
    for target in targets:
        left = select(deliveries.c.id).where(deliveries.c.tenant == tenant, deliveries.c.target == target)
        connection.execute(
            delete(disabled_targets).where(
                disabled_targets.c.tenant == tenant, disabled_targets.c.target == target, ~left.exists()
            )
        )


class SqlOutbox:
    """Implements `pipelines.ledger.outbox.Outbox` in a database."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def take_due(self, limit: int, *, hold_s: float, per_target: int, busy: Collection[str] = ()) -> Sequence[Delivery]:
        """Take messages whose time has come; see `pipelines.ledger.outbox.Outbox.take_due`."""
        now_s = self._clock()
        with self._database.reading() as connection:
            # Most looks find nothing, and need not wait for a writer's turn.
            if connection.execute(_ANY_RIPE, {"now_s": now_s}).first() is None:
                return ()
        ripe = due() & (deliveries.c.next_attempt_at_s <= now_s)
        place = func.row_number().over(
            partition_by=(deliveries.c.tenant, deliveries.c.target),
            order_by=(deliveries.c.next_attempt_at_s, deliveries.c.id),
        )
        ranked = select(deliveries.c.id, place.label("place")).where(ripe)
        if busy:
            ranked = ranked.where(deliveries.c.target.not_in(sorted(busy)))
        first = ranked.subquery()
        chosen = (
            select(deliveries)
            .where(deliveries.c.id.in_(select(first.c.id).where(first.c.place <= per_target)), ripe)
            .order_by(deliveries.c.next_attempt_at_s, deliveries.c.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        with self._database.writing() as connection:
            rows = connection.execute(chosen).all()
            if rows:
                held = update(deliveries).where(deliveries.c.id.in_([row.id for row in rows]))
                connection.execute(held.values(next_attempt_at_s=now_s + hold_s))
            return [_delivery(row) for row in rows]

    def settle(
        self, delivery_id: str, attempt: DeliveryAttempt, state: DeliveryState, next_attempt_at_s: float | None = None
    ) -> None:
        """Enter an attempt and what follows from it; see `pipelines.ledger.outbox.Outbox.settle`."""
        this = deliveries.c.id == delivery_id
        with self._database.writing() as connection:
            row = connection.execute(select(deliveries).where(this).with_for_update()).one_or_none()
            if row is None:
                return
            n_entered = connection.execute(
                select(func.count()).where(delivery_attempts.c.delivery_id == delivery_id)
            ).scalar_one()
            named = {"delivery_id": delivery_id, "seq": n_entered + 1, "detail": storable(attempt.detail)}
            connection.execute(insert(delivery_attempts), [vars(attempt) | named])
            if row.state != DeliveryState.PENDING:
                return
            changed = {"state": state, "n_attempts": row.n_attempts + 1}
            if next_attempt_at_s is not None:
                changed["next_attempt_at_s"] = next_attempt_at_s
            connection.execute(update(deliveries).where(this).values(**changed))
            if state is DeliveryState.DISABLED:
                self._disable(connection, row)

    def of_job(self, tenant: str, job_id: str) -> Sequence[Delivery]:
        """Return a job's deliveries with their attempts, oldest first; raises `JobUnknown`."""
        query = select(deliveries).where(deliveries.c.job_id == job_id)
        tries = (
            select(delivery_attempts)
            .join(deliveries, deliveries.c.id == delivery_attempts.c.delivery_id)
            .where(deliveries.c.job_id == job_id)
            .order_by(delivery_attempts.c.seq)
        )
        with self._database.reading() as connection:
            known_row(connection, tenant, job_id)
            rows = connection.execute(query.order_by(deliveries.c.created_at_s, deliveries.c.id)).all()
            attempts: dict[str, list[DeliveryAttempt]] = {row.id: [] for row in rows}
            for row in connection.execute(tries):
                attempts[row.delivery_id].append(filled(DeliveryAttempt, row))
        return [_delivery(row, tuple(attempts[row.id])) for row in rows]

    def recent(self, tenant: str, *, states: Collection[DeliveryState] = (), limit: int = 100) -> Sequence[Delivery]:
        """Return a tenant's deliveries without their attempts, newest first."""
        query = select(deliveries).where(deliveries.c.tenant == tenant)
        if states:
            query = query.where(deliveries.c.state.in_([state.value for state in states]))
        if states and DeliveryState.DELIVERED not in states:
            query = query.where(undelivered())  # of these there are few
        newest = query.order_by(deliveries.c.created_at_s.desc(), deliveries.c.id.desc()).limit(limit)
        with self._database.reading() as connection:
            return [_delivery(row) for row in connection.execute(newest)]

    def replay(self, tenant: str, job_id: str, delivery_id: str) -> Delivery:
        """Make a delivery due now; see `pipelines.ledger.outbox.Outbox.replay`."""
        this = (deliveries.c.id == storable(delivery_id)) & (deliveries.c.job_id == job_id)
        again = {"state": DeliveryState.PENDING, "n_attempts": 0, "next_attempt_at_s": self._clock()}
        with self._database.writing() as connection:
            known_row(connection, tenant, job_id)
            connection.execute(update(deliveries).where(this).values(**again))
            row = connection.execute(select(deliveries).where(this)).one_or_none()
            if row is None:
                raise NotFound(f"Job {job_id} has no delivery {delivery_id}.")
            back = (disabled_targets.c.tenant == row.tenant) & (disabled_targets.c.target == row.target)
            connection.execute(delete(disabled_targets).where(back))
            return _delivery(row)

    def _disable(self, connection: Connection, row: Row[Any]) -> None:
        name = {"tenant": row.tenant, "target": row.target}
        known = select(disabled_targets.c.target).filter_by(**name)
        if connection.execute(known).first() is None:
            connection.execute(insert(disabled_targets), [name | {"at_s": self._clock()}])
        others = due() & (deliveries.c.tenant == row.tenant) & (deliveries.c.target == row.target)
        connection.execute(update(deliveries).where(others).values(state=DeliveryState.DISABLED))


def _delivery(row: Row[Any], attempts: tuple[DeliveryAttempt, ...] = ()) -> Delivery:
    state = DeliveryState(row.state)
    next_at_s = row.next_attempt_at_s if state is DeliveryState.PENDING else None
    message = filled(Message, row)
    return filled(Delivery, row, message=message, state=state, next_attempt_at_s=next_at_s, attempts=attempts)
