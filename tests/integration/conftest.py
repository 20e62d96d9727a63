"""Fixtures of several integration tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.postgres import PostgresServer, find_binaries
from tests.support.missing import missing


@pytest.fixture(params=["sqlite", "postgres"])
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A ledger that several processes can open."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'ledger.sqlite3'}"
        return
    binaries = find_binaries()
    if binaries is None:
        missing("there is no PostgreSQL on this machine")
    with PostgresServer(binaries) as server:
        yield server.url("shared")
