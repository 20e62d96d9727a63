"""`SqlKeyHolds`: marks of requests in flight in the ledger's database."""

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from pipelines.ledger.database import Database
from pipelines.ledger.protocol import Clock
from pipelines.ledger.request_locks import in_flight
from pipelines.ledger.schema import key_holds


class SqlKeyHolds:
    """Implements `pipelines.ledger.request_locks.KeyHolds` in SQLite or PostgreSQL."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def hold(self, tenant: str, key: str, holder: str, ttl_s: float) -> None:
        """Mark a key; see `KeyHolds.hold`."""
        mark = key_holds.c
        mine = (mark.tenant == tenant) & (mark.key == key)
        try:
            with self._database.writing() as connection:
                now_s = self._clock()
                row = connection.execute(select(key_holds).where(mine).with_for_update()).one_or_none()
                if row is None:
                    values = {"tenant": tenant, "key": key, "holder": holder, "expires_at_s": now_s + ttl_s}
                    connection.execute(insert(key_holds).values(**values))
                elif row.holder != holder and row.expires_at_s > now_s:
                    raise in_flight(key)
                else:
                    values = {"holder": holder, "expires_at_s": now_s + ttl_s}
                    connection.execute(update(key_holds).where(mine).values(**values))
        except IntegrityError:  # another request marked it after we looked
            raise in_flight(key) from None

    def release(self, tenant: str, key: str, holder: str) -> None:
        """Remove a mark."""
        mark = key_holds.c
        with self._database.writing() as connection:
            connection.execute(delete(key_holds).where(mark.tenant == tenant, mark.key == key, mark.holder == holder))

    def sweep(self) -> int:
        """Forget marks that ran out."""
        with self._database.writing() as connection:
            return connection.execute(delete(key_holds).where(key_holds.c.expires_at_s <= self._clock())).rowcount
