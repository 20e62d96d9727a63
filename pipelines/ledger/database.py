"""Transactions on SQLite or PostgreSQL with one tree of errors; knows nothing of jobs."""

import os
import select
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, IntegrityError, InvalidatePoolError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from pipelines.errors import ConfigurationError, LedgerError, LedgerUnavailable

LOCK_TIMEOUT_S = 10.0
CONNECT_TIMEOUT_S = 5
TCP_TIMEOUT_MS = 15_000  # both sides give a connection up whose bytes nobody acknowledges for so long
CHECKPOINT_TIMEOUT_MS = 1_000  # a reader that keeps an old page is waited for no longer
PING_AFTER_S = 5.0
"""A connection that was idle for longer is tried before it is used: a server that was cut off does not say so."""
POOL_SIZE = 8
MAX_OVERFLOW = 16

_WRITE = "meetmemo_write"
_USED_S = "meetmemo_used_s"

# Values of ``PRAGMA user_version``, which nothing else here uses: whether the file holds traces of deleted rows.
_UNSCRUBBED, _SCRUBBING, _SCRUBBED = 0, 1, 2


class Database:
    """Opens an engine and its transactions.

    ``reading`` and ``writing`` raise `LedgerUnavailable` for whatever the server, the file or the network did, and
    let ``IntegrityError`` through, which says that another writer was first. On SQLite a writing transaction
    takes the lock when it begins: one that reads first and then writes could otherwise not wait for another writer.
    Raises `ConfigurationError` for a URL that is neither a SQLite file nor PostgreSQL.
    """

    def __init__(self, url: str) -> None:
        try:
            parsed = make_url(url)
        except ArgumentError:
            raise ConfigurationError("the ledger's URL cannot be read") from None  # it may hold a password
        if parsed.drivername in ("sqlite", "sqlite+pysqlite"):
            if parsed.database in (None, "", ":memory:") or parsed.query:
                raise ConfigurationError("a ledger in SQLite is written sqlite:////absolute/path")
            self._path: Path | None = Path(str(parsed.database))
            # SQLite lets one writer in at a time, and its own waiting is a poll that starves threads.
            self._turn: Any = threading.Lock()
            self._engine = _sqlite(str(parsed.database))
        elif parsed.drivername in ("postgresql", "postgresql+psycopg"):
            self._path = None
            self._turn = nullcontext()
            self._engine = _postgresql(parsed.set(drivername="postgresql+psycopg"))
        else:
            raise ConfigurationError(f"a ledger lives in sqlite or postgresql+psycopg, not in {parsed.drivername}")
        self._where = parsed.render_as_string(hide_password=True)
        self._closed = False
        event.listen(self._engine, "checkin", self._close_late)

    @property
    def is_sqlite(self) -> bool:
        return self._path is not None

    def prepare(self) -> None:
        """Make the folder of a SQLite file and switch the file to write-ahead logging, which it remembers."""
        if self._path is None:
            return
        deadline_s = time.monotonic() + LOCK_TIMEOUT_S
        while True:
            try:
                self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._create()
                with self._mapped(), self._engine.connect() as connection:
                    raw = connection.connection.dbapi_connection
                    assert raw is not None, "a connection in use has its raw connection"
                    raw.cursor().execute("PRAGMA journal_mode=WAL")
                return
            except OSError as error:
                raise LedgerUnavailable(f"{self._where}: {error.strerror or error}") from error
            except LedgerUnavailable as error:
                # This switch does not wait for other connections by itself.
                if "locked" not in str(error) or time.monotonic() > deadline_s:
                    raise
                time.sleep(0.02)

    def _create(self) -> None:
        """Make the file of a new database for this user alone; SQLite gives those beside it the same mode.

        One that is there is not opened: closing it would end the locks that this process has on it.
        """
        assert self._path is not None, "only files are made"
        with suppress(FileExistsError):
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Open a transaction that only reads."""
        with self._mapped(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Open a transaction that is durable when the block ends, and rolled back when it raises."""
        writer = self._engine.execution_options(**{_WRITE: True})
        with self._turn, self._mapped(), writer.begin() as connection:
            yield connection

    def note_deletion(self, connection: Connection) -> None:
        """Note in a writing transaction that it deletes what must not be found in the file: work for `scrub`."""
        if self.is_sqlite:
            connection.exec_driver_sql(f"PRAGMA user_version={_UNSCRUBBED}")

    def scrub(self, max_bytes: int) -> bool:
        """Write a SQLite file of at most ``max_bytes`` anew if it may hold traces of deleted rows, and empty its log.

        Overwriting what is deleted (``secure_delete``) is not enough: balancing the tree copies rows from page to page
        and leaves bytes of them in the gaps. Returns whether no traces are left, as far as it is for this program to
        say: what a PostgreSQL server does with its pages is its own business. Writers wait meanwhile.
        """
        if not self.is_sqlite:
            return True
        with self._turn, self._mapped(), self._engine.connect() as connection:
            raw = connection.connection.dbapi_connection
            assert raw is not None, "a connection in use has its raw connection"
            cursor = raw.cursor()
            try:
                clean = _vacuum(cursor, max_bytes)
                cursor.execute(f"PRAGMA busy_timeout={CHECKPOINT_TIMEOUT_MS}")
                (busy, *_) = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                cursor.execute(f"PRAGMA busy_timeout={round(LOCK_TIMEOUT_S * 1000)}")
            except sqlite3.Error as error:
                connection.invalidate()  # nobody else gets it as it is now
                raise LedgerUnavailable(f"{self._where}: {error}") from error
            return clean and not busy

    def close(self) -> None:
        """Close the pooled connections, and those in use as soon as their transactions end."""
        self._closed = True
        self._engine.dispose()

    def _close_late(self, _connection: Any, record: Any) -> None:
        """Close a connection that comes back after `close`, which a thread may still have had in use."""
        if self._closed:
            record.invalidate()

    @contextmanager
    def _mapped(self) -> Iterator[None]:
        try:
            yield
        except IntegrityError:
            raise
        except DataError as error:
            raise LedgerError(f"{self._where} refuses a value: {error.orig}") from error
        except DBAPIError as error:
            raise LedgerUnavailable(f"{self._where}: {error.orig}") from error
        except PoolTimeout as error:
            raise LedgerUnavailable(f"{self._where}: no free connection") from error
        except SQLAlchemyError as error:
            raise LedgerError(f"{self._where}: {error}") from error


def _sqlite(path: str) -> Engine:
    engine = create_engine(
        f"sqlite:///{path}",
        pool_size=POOL_SIZE,
        max_overflow=MAX_OVERFLOW,
        pool_timeout=LOCK_TIMEOUT_S,
        pool_use_lifo=True,  # the connection that was used last knows the statements and is not in doubt
        connect_args={"timeout": LOCK_TIMEOUT_S, "isolation_level": None},
    )

    def configure(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA secure_delete=ON")
        cursor.close()

    def begin(connection: Connection) -> None:
        immediate = connection.get_execution_options().get(_WRITE, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

    event.listen(engine, "connect", configure)
    event.listen(engine, "begin", begin)
    return engine


def _vacuum(cursor: Any, max_bytes: int) -> bool:
    """Write the file anew if that is due and it is small enough; return whether it holds no traces now."""
    state, n_pages, page_bytes = (
        cursor.execute(f"PRAGMA {name}").fetchone()[0] for name in ("user_version", "page_count", "page_size")
    )
    if state == _SCRUBBED or n_pages * page_bytes > max_bytes:
        return bool(state == _SCRUBBED)
    cursor.execute(f"PRAGMA user_version={_SCRUBBING}")
    if cursor.execute("SELECT 1 FROM sqlite_master WHERE name = 'search_index'").fetchone():
        # Words of deleted rows stay in FTS5's lists, as rows of a table of its own, until these are merged.
        cursor.execute("INSERT INTO search_index (search_index) VALUES ('optimize')")
    cursor.execute("VACUUM")
    cursor.execute("BEGIN IMMEDIATE")
    # Rows that were deleted since have set it back.
    clean: bool = cursor.execute("PRAGMA user_version").fetchone()[0] == _SCRUBBING
    if clean:
        cursor.execute(f"PRAGMA user_version={_SCRUBBED}")
    cursor.execute("COMMIT")
    return clean


def _postgresql(url: Any) -> Engine:
    engine = create_engine(
        url,
        pool_size=POOL_SIZE,
        max_overflow=MAX_OVERFLOW,
        pool_timeout=LOCK_TIMEOUT_S,
        pool_use_lifo=True,  # the connection that was used last knows the statements and is not in doubt
        connect_args={"connect_timeout": CONNECT_TIMEOUT_S, "keepalives_idle": 30, "tcp_user_timeout": TCP_TIMEOUT_MS},
    )

    def configure(connection: Any, _record: Any) -> None:
        connection.execute(f"SET lock_timeout = {int(LOCK_TIMEOUT_S * 1000)}")
        # A writer that was frozen inside a transaction must not hold its locks, the lease's among them, for ever.
        connection.execute(f"SET idle_in_transaction_session_timeout = {int(LOCK_TIMEOUT_S * 1000)}")
        # Nor one whose host was cut off: without these the server waits for minutes, or for ever, for its answers.
        connection.execute(f"SET tcp_user_timeout = {TCP_TIMEOUT_MS}")
        for name, value in (("idle", 10), ("interval", 5), ("count", 3)):
            connection.execute(f"SET tcp_keepalives_{name} = {value}")
        connection.commit()

    def note_use(_connection: Any, record: Any) -> None:
        record.info[_USED_S] = time.monotonic()

    def ping_if_doubtful(connection: Any, record: Any, _proxy: Any) -> None:
        """Replace the connections that a restarted server left dead in the pool."""
        used_s = record.info.get(_USED_S)
        if used_s is None or not _is_doubtful(connection, time.monotonic() - used_s):
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error:
            raise InvalidatePoolError from None

    event.listen(engine, "connect", configure)
    event.listen(engine, "checkin", note_use)
    event.listen(engine, "checkout", ping_if_doubtful)
    return engine


def _is_doubtful(connection: Any, idle_s: float) -> bool:
    """Say whether a pooled connection may be dead: it is after a while, or when its server said or closed something."""
    if idle_s > PING_AFTER_S or connection.closed:
        return True
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))
