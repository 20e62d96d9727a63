"""The ledger's rows as lines of JSON, out of a database and into one; SQLite and PostgreSQL write the same."""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, MetaData, Table, delete, func, insert, select, text, update

from pipelines.errors import ConfigurationError
from pipelines.ledger.database import Database
from pipelines.ledger.migrations import revision
from pipelines.ledger.schema import SCHEMA_REVISION, jobs, leases, metadata
from pipelines.storage.atomic_write import durable_file

LEFT_OUT = frozenset({"key_holds", "sessions", "minutes_places", "search_pending", "search_jobs", "search_passages"})
"""Tables that are not copied: marks of requests in flight, places of calls in flight, sessions of people, who sign in
again where a copy is restored, and the search index, which is built anew."""

OWN_NUMBERS = {"job_costs": "id"}
"""Columns that the database numbers, which nothing refers to: written again they would not advance its counter."""

MUST_BE_EMPTY = ("jobs", "batches", "api_keys", "job_costs")
_ROWS_AT_ONCE = 500


@contextmanager
def _opened(url: str) -> Iterator[Database]:
    database = Database(url)
    try:
        yield database
    finally:
        database.close()


def tables() -> tuple[str, ...]:
    """Return the tables that are copied, those first that others refer to."""
    return tuple(table.name for table in metadata.sorted_tables if table.name not in LEFT_OUT)


def tenants(url: str) -> list[str]:
    """Return all tenants that have jobs, sorted; raises as `copy_out` does. Blocks."""
    with _opened(url) as database, database.reading() as connection:
        _check_revision(connection)
        return sorted(connection.scalars(select(jobs.c.tenant).distinct()))


def _check_revision(connection: Connection) -> None:
    found = revision(connection)
    if found != SCHEMA_REVISION:
        raise ConfigurationError(
            f"the ledger is at revision {found}, this MeetMemo at {SCHEMA_REVISION}: back it up with the version "
            "that runs it"
        )


def copy_out(url: str, folder: Path) -> dict[str, int]:
    """Write all tables as they are at one moment into a folder, ``<table>.jsonl`` each; return their rows. Blocks.

    Raises `ConfigurationError` for tables of another version, `LedgerUnavailable`.
    """
    with _opened(url) as database, database.reading() as connection:
        if not database.is_sqlite:
            # One moment for all statements, however long this takes; SQLite's transactions are like that.
            connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
            connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        _check_revision(connection)
        return {name: _write_rows(connection, metadata.tables[name], folder / f"{name}.jsonl") for name in tables()}


def _write_rows(connection: Connection, table: Table, path: Path) -> int:
    columns = [column for column in table.columns if column.name != OWN_NUMBERS.get(table.name)]
    query = select(*columns).order_by(*table.primary_key.columns)
    n_rows = 0
    with durable_file(path) as file:
        file.write(_line([column.name for column in columns]))
        for row in connection.execution_options(yield_per=_ROWS_AT_ONCE).execute(query):
            file.write(_line(list(row)))
            n_rows += 1
    return n_rows


def _line(values: list[Any]) -> bytes:
    return json.dumps(values, ensure_ascii=False).encode() + b"\n"


def check_empty(url: str) -> None:
    """Raise `ConfigurationError` unless a ledger holds nothing. Blocks. Raises `LedgerUnavailable`."""
    with _opened(url) as database:
        database.prepare()
        with database.reading() as connection:
            _require_empty(connection)


def _require_empty(connection: Connection) -> None:
    if revision(connection) is None:
        return
    for name in MUST_BE_EMPTY:
        if connection.execute(select(func.count()).select_from(text(name))).scalar_one():
            raise ConfigurationError(f"the ledger is not empty (table {name}): a backup is restored into a new one")


def copy_in(url: str, of_revision: str, rows: Mapping[str, Iterable[str]]) -> None:
    """Write all tables from lines as `copy_out` wrote them, in one transaction. Blocks.

    ``of_revision`` is that of the tables when they were copied; `Ledger.migrate` brings them up to date afterwards. The
    lease of the Coordinator that ran then is over. Raises `ConfigurationError` for a ledger that is not empty, for one
    of another revision, and for a revision that this MeetMemo does not know; `LedgerUnavailable`.
    """
    from pipelines.ledger.migrations.upgrade import upgrade  # with Alembic, which is slow to import

    with _opened(url) as database:
        database.prepare()
        with database.writing() as connection:
            _require_empty(connection)
            upgrade(connection, of_revision)
            if (found := revision(connection)) != of_revision:
                raise ConfigurationError(
                    f"the ledger is at revision {found}, the backup at {of_revision}: restore into a database without "
                    "tables, which are made as they were"
                )
            known = MetaData()
            there = {name: Table(name, known, autoload_with=connection) for name in rows}
            for name in reversed(list(rows)):
                connection.execute(delete(there[name]))  # what migrations put there
            for name, lines in rows.items():
                _insert_rows(connection, there[name], iter(lines))
            connection.execute(update(leases).values(expires_at_s=0.0))


def _insert_rows(connection: Connection, table: Table, lines: Iterator[str]) -> None:
    columns: list[str] = json.loads(next(lines))
    some: list[dict[str, Any]] = []
    for line in lines:
        some.append(dict(zip(columns, json.loads(line), strict=True)))
        if len(some) == _ROWS_AT_ONCE:
            connection.execute(insert(table), some)
            some = []
    if some:
        connection.execute(insert(table), some)
