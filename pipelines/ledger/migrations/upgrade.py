"""Runs the migrations that a ledger's tables are missing."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, text

from pipelines.errors import ConfigurationError
from pipelines.ledger.migrations import revision
from pipelines.ledger.schema import SCHEMA_REVISION

_UPGRADE_LOCK = 0x6D65_6574  # number of the advisory lock that upgrades take on PostgreSQL


def upgrade(connection: Connection, to: str = SCHEMA_REVISION) -> None:
    """Run the migrations that are missing, up to one of them; another process that upgrades meanwhile is waited for.

    ``connection`` is in a writing transaction. Raises `ConfigurationError` when the tables were made by a newer
    MeetMemo, which this one could only damage.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _UPGRADE_LOCK})
    found = revision(connection)
    if found in (SCHEMA_REVISION, to):
        return
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    try:
        command.upgrade(config, to)
    except CommandError as error:
        raise ConfigurationError(
            f"the ledger is at revision {found or to}, which this MeetMemo does not know; it was used by a newer one"
        ) from error
