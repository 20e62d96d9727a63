"""Brings a ledger's tables up to date with Alembic, inside the caller's transaction."""

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from pipelines.errors import ConfigurationError
from pipelines.ledger_schema import SCHEMA_REVISION

_UPGRADE_LOCK = 0x6D65_6574  # number of the advisory lock that upgrades take on PostgreSQL


def revision(connection: Connection) -> str | None:
    """Return the name of the last migration the tables went through; None for an empty database."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    name: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
    return name


def upgrade(connection: Connection) -> None:
    """Run the migrations that are missing; another process that upgrades at the same time is waited for.

    ``connection`` is in a writing transaction. Raises `ConfigurationError` when the tables were made by a newer
    MeetMemo, which this one could only damage.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _UPGRADE_LOCK})
    found = revision(connection)
    if found == SCHEMA_REVISION:
        return
    # Alembic is needed once in the life of a database, and slow to import.
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    try:
        command.upgrade(config, SCHEMA_REVISION)
    except CommandError as error:
        raise ConfigurationError(
            f"the ledger is at revision {found}, which this MeetMemo does not know; it was used by a newer one"
        ) from error
