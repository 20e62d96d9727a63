"""What lists, housekeeping and the console look for is found by an index, however many jobs have ended."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"

# Jobs that gave up chunks have no content key: an incomplete transcript is nobody else's. In JSON a quotation mark
# within a text is escaped: no text that somebody chose looks like the field.
_COUNT = {
    "sqlite": r"""
        UPDATE jobs SET n_failed_chunks = json_extract(body, '$.n_failed_chunks')
        WHERE content_key IS NULL AND body NOT LIKE '%"n#_failed#_chunks"\:0,%' ESCAPE '#'""",
    "postgresql": r"""
        UPDATE jobs SET n_failed_chunks = (body::json ->> 'n_failed_chunks')::integer
        WHERE content_key IS NULL AND body NOT LIKE '%"n#_failed#_chunks"\:0,%' ESCAPE '#'""",
}


def upgrade() -> None:
    """Add the number of chunks that a job gave up as a column, and the indexes."""
    op.add_column("jobs", sa.Column("n_failed_chunks", sa.Integer, nullable=False, server_default="0"))
    connection = op.get_bind()
    connection.execute(sa.text(_COUNT[connection.dialect.name]))
    _index("ix_jobs_lost_chunks", "jobs", ["tenant", "created_at_s", "id"], "n_failed_chunks > 0")
    _index("ix_batches_updated", "batches", ["updated_at_s"])
    _index("ix_batches_probing", "batches", ["created_at_s", "id"], "state = 'probing'")
    _index("ix_deliveries_undelivered", "deliveries", ["tenant", "created_at_s", "id"], "state != 'delivered'")
    _index("ix_legal_holds_active", "legal_holds", ["tenant", "placed_at_s", "id"], "released_at_s IS NULL")
    _index("ix_receipts_finished", "receipts", ["deleted_at_s"], "deleted_at_s IS NOT NULL")


def _index(name: str, table: str, columns: list[str], of: str = "") -> None:
    where = sa.text(of) if of else None
    op.create_index(name, table, columns, sqlite_where=where, postgresql_where=where)
