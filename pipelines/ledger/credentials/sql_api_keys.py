"""API keys in the ledger's database: `SqlKeys`, for SQLite and PostgreSQL alike."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, insert, select, update

from pipelines.audit import AuditAction, Doer
from pipelines.errors import KeyUnknown
from pipelines.ledger.credentials.api_keys import ApiKey, Scope, key_deed
from pipelines.ledger.database import Database
from pipelines.ledger.keeping.audit_rows import enter
from pipelines.ledger.rows import filled
from pipelines.ledger.rules import storable
from pipelines.ledger.schema import api_keys


class SqlKeys:
    """Implements `KeyStore`; the ledger's migrations create the table."""

    def __init__(self, url: str) -> None:
        self._database = Database(url)

    def close(self) -> None:
        """Give up all connections."""
        self._database.close()

    def add(self, key: ApiKey, by: Doer) -> None:
        """Keep a new key, and enter that it was made."""
        row = vars(key) | {"scopes": " ".join(sorted(key.scopes)), "name": storable(key.name)}
        with self._database.writing() as connection:
            connection.execute(insert(api_keys), [row])
            enter(connection, [key_deed(AuditAction.CREATE_KEY, key, by)], key.created_at_s)

    def find(self, key_id: str) -> ApiKey | None:
        """Return the key of that id."""
        with self._database.reading() as connection:
            row = connection.execute(select(api_keys).where(api_keys.c.id == key_id)).one_or_none()
        return None if row is None else _key_of(row)

    def list(self, tenant: str | None = None) -> Sequence[ApiKey]:
        """Return all keys, newest first."""
        query = select(api_keys).order_by(api_keys.c.created_at_s.desc(), api_keys.c.id)
        if tenant is not None:
            query = query.where(api_keys.c.tenant == tenant)
        with self._database.reading() as connection:
            return [_key_of(row) for row in connection.execute(query)]

    def revoke(self, key_id: str, now_s: float, by: Doer) -> ApiKey:
        """End a key, and enter that; raises `KeyUnknown`."""
        living = update(api_keys).where(api_keys.c.id == key_id, api_keys.c.revoked_at_s.is_(None))
        with self._database.writing() as connection:
            was_living = connection.execute(living.values(revoked_at_s=now_s)).rowcount > 0
            row = connection.execute(select(api_keys).where(api_keys.c.id == key_id)).one_or_none()
            if row is None:
                raise KeyUnknown(f"There is no key {key_id}.")
            key = _key_of(row)
            if was_living:
                enter(connection, [key_deed(AuditAction.REVOKE_KEY, key, by)], now_s)
        return key

    def touch(self, key_id: str, now_s: float) -> None:
        """Note that a key was used."""
        with self._database.writing() as connection:
            connection.execute(update(api_keys).where(api_keys.c.id == key_id).values(last_used_at_s=now_s))


def _key_of(row: Row[Any]) -> ApiKey:
    # A scope of a newer version grants nothing here.
    return filled(ApiKey, row, scopes=frozenset(Scope(name) for name in row.scopes.split() if name in set(Scope)))
