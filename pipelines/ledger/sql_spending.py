"""`SqlSpending`: spending by tenant and day, and what is set aside for calls under way, in the ledger's database.

Whoever sets something aside or counts something locks the day's row first: between a sum and what follows from it
nobody else changes either.
"""

from datetime import date, timedelta

from sqlalchemy import Connection, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from pipelines.codec import decode, encode
from pipelines.core import Usage
from pipelines.ledger.database import Database
from pipelines.ledger.schema import minutes_reservations, minutes_spending
from pipelines.minutes.provider.spending_book import KEPT_DAYS, Ceiling, DailyLimits, Room

_kept, _aside = minutes_spending.c, minutes_reservations.c


class SqlSpending:
    """Implements `pipelines.minutes.provider.spending_book.SpendingBook` in SQLite or PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def open(self, tenant: str, day: date, earlier: Usage) -> None:
        """Begin a day; see `SpendingBook.open`."""
        oldest = (day - timedelta(days=KEPT_DAYS)).isoformat()
        try:
            with self._database.writing() as connection:
                if _used(connection, tenant, day) is None:
                    values = {"tenant": tenant, "day": day.isoformat(), "used": encode(earlier).decode()}
                    connection.execute(insert(minutes_spending).values(**values))
                    connection.execute(delete(minutes_spending).where(_kept.day < oldest))
                    connection.execute(delete(minutes_reservations).where(_aside.day < oldest))
        except IntegrityError:  # another process began it after we looked
            pass

    def reserve(self, call_id: str, tenant: str, day: date, wanted: Ceiling, limits: DailyLimits) -> Room:
        """Set aside what a call may use; see `SpendingBook.reserve`."""
        with self._database.writing() as connection:
            spent = _used(connection, tenant, day, lock=True) or Usage()
            if connection.execute(select(_aside.call_id).where(_aside.call_id == call_id)).first() is not None:
                return Room.TAKEN
            sums = select(func.coalesce(func.sum(_aside.tokens), 0), func.coalesce(func.sum(_aside.cost_usd), 0.0))
            tokens, cost_usd = connection.execute(
                sums.where(_aside.tenant == tenant, _aside.day == day.isoformat())
            ).one()
            room = Room.of(spent, Ceiling(tokens=int(tokens), cost_usd=float(cost_usd)), wanted, limits)
            if room is Room.TAKEN:
                connection.execute(
                    insert(minutes_reservations).values(
                        call_id=call_id,
                        tenant=tenant,
                        day=day.isoformat(),
                        tokens=wanted.tokens,
                        cost_usd=wanted.cost_usd,
                    )
                )
            return room

    def settle(self, call_id: str, tenant: str, day: date, used: Usage) -> None:
        """Count what a call used; see `SpendingBook.settle`."""
        with self._database.writing() as connection:
            spent = _used(connection, tenant, day, lock=True) or Usage()
            gone = connection.execute(delete(minutes_reservations).where(_aside.call_id == call_id)).rowcount
            if gone:
                values = {"used": encode(spent + used).decode()}
                of_day = update(minutes_spending).where(_kept.tenant == tenant, _kept.day == day.isoformat())
                connection.execute(of_day.values(**values))

    def release(self, call_id: str) -> None:
        """Set nothing aside any more; see `SpendingBook.release`."""
        with self._database.writing() as connection:
            connection.execute(delete(minutes_reservations).where(_aside.call_id == call_id))

    def spent(self, tenant: str, day: date) -> Usage:
        """Return what was used in a day."""
        with self._database.reading() as connection:
            return _used(connection, tenant, day) or Usage()


def _used(connection: Connection, tenant: str, day: date, *, lock: bool = False) -> Usage | None:
    """Return what was used in a day, None before it has begun; ``lock`` keeps others from changing it meanwhile."""
    query = select(_kept.used).where(_kept.tenant == tenant, _kept.day == day.isoformat())
    body = connection.execute(query.with_for_update() if lock else query).scalar_one_or_none()
    return None if body is None else decode(Usage, body)
