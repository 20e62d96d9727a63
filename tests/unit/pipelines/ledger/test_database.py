"""Connections of a database and when they are closed."""

import sqlite3
from pathlib import Path

import pytest

from pipelines.ledger.database import Database


def test_a_connection_in_use_is_closed_when_it_comes_back(tmp_path: Path) -> None:
    """A transaction that another thread has open when the database is closed ends as it would; nothing stays open."""
    database = Database(f"sqlite:///{tmp_path}/ledger.sqlite3")
    database.prepare()
    with database.writing() as connection:
        raw = connection.connection.dbapi_connection
        assert isinstance(raw, sqlite3.Connection)
        database.close()
        connection.exec_driver_sql("CREATE TABLE late (n INTEGER)")
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        raw.cursor()
    reopened = Database(f"sqlite:///{tmp_path}/ledger.sqlite3")
    with reopened.reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM late").scalar() == 0, "it was committed"
    reopened.close()
