"""The history of the ledger's tables, as Alembic migrations."""

from sqlalchemy import Connection, inspect, text


def revision(connection: Connection) -> str | None:
    """Return the name of the last migration the tables went through; None for an empty database."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    name: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
    return name
