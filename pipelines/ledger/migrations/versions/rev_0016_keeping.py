"""An audit log, legal holds, receipts of deletions."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"

_ascii = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def _texts(*names: str) -> list["sa.Column[str]"]:
    return [sa.Column(name, sa.Text, nullable=False) for name in names]


def upgrade() -> None:
    """Create the tables, which begin empty."""
    op.create_table(
        "audit_heads",
        sa.Column("tenant", _ascii, primary_key=True),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("pruned_seq", sa.BigInteger, nullable=False),
        *_texts("digest", "pruned_digest"),
    )
    op.create_table(
        "audit_entries",
        sa.Column("tenant", _ascii, primary_key=True),
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("at_s", sa.Double, nullable=False),
        *_texts("action", "actor", "kind", "object_id", "request_id", "detail"),
        sa.Column("n_times", sa.Integer, nullable=False),
        *_texts("digest"),
    )
    op.create_index("ix_audit_entries_object", "audit_entries", ["tenant", "object_id", "seq"])
    op.create_index("ix_audit_entries_at", "audit_entries", ["at_s"])
    op.create_table(
        "legal_holds",
        sa.Column("id", _ascii, primary_key=True),
        *_texts("tenant", "name", "reason", "job_id", "batch_id", "external_id", "metadata", "placed_by"),
        sa.Column("placed_at_s", sa.Double, nullable=False),
        *_texts("released_by", "release_reason"),
        sa.Column("released_at_s", sa.Double),
    )
    op.create_index("ix_legal_holds_tenant", "legal_holds", ["tenant", "placed_at_s", "id"])
    op.create_table(
        "receipts",
        sa.Column("id", _ascii, primary_key=True),
        *_texts("tenant", "kind", "object_id"),
        sa.Column("begun_at_s", sa.Double, nullable=False),
        sa.Column("deleted_at_s", sa.Double),
        *_texts("body"),
    )
    op.create_index("ix_receipts_object", "receipts", ["tenant", "object_id"])
    op.create_index("ix_receipts_deleted", "receipts", ["tenant", "deleted_at_s", "id"])
    begun = sa.text("deleted_at_s IS NULL")
    op.create_index("ix_receipts_begun", "receipts", ["begun_at_s"], sqlite_where=begun, postgresql_where=begun)
