"""Open the ledger that a URL names; the one place that knows which implementation serves which URL."""

import time

from pipelines.ledger.credentials.api_keys import KeyStore
from pipelines.ledger.credentials.sessions import SessionStore
from pipelines.ledger.credentials.sql_api_keys import SqlKeys
from pipelines.ledger.credentials.sql_sessions import SqlSessions
from pipelines.ledger.database import Database
from pipelines.ledger.migrations import revision
from pipelines.ledger.protocol import Clock, Ledger
from pipelines.ledger.sql_ledger import SqlLedger


def open_ledger(url: str, *, clock: Clock = time.time) -> Ledger:
    """Open a ledger and bring its tables up to date.

    ``sqlite:///relative/path`` or ``sqlite:////absolute/path`` is a file (WAL, every commit synced to disk),
    ``postgresql+psycopg://user@host/database`` a server. Raises `ConfigurationError` for another URL or tables of
    a newer MeetMemo, `LedgerUnavailable` when it cannot be reached.
    """
    ledger = connect_ledger(url, clock=clock)
    ledger.migrate()
    return ledger


def connect_ledger(url: str, *, clock: Clock = time.time) -> Ledger:
    """Open a ledger without a look at its tables, so that it need not be reachable yet.

    Until somebody has brought the tables up to date, its methods raise `LedgerUnavailable`.
    """
    return SqlLedger(url, clock=clock)


def ledger_revision(url: str) -> str | None:
    """Return the revision of a ledger's tables, which are left as they are; None for an empty database.

    Raises `ConfigurationError` for another URL, `LedgerUnavailable` when it cannot be reached.
    """
    database = Database(url)
    try:
        database.prepare()
        with database.reading() as connection:
            return revision(connection)
    finally:
        database.close()


def connect_keys(url: str) -> KeyStore:
    """Open the API keys in the ledger's database, which need not be reachable yet."""
    return SqlKeys(url)


def connect_sessions(url: str) -> SessionStore:
    """Open the sessions in the ledger's database, which need not be reachable yet."""
    return SqlSessions(url)
