"""Batches and their entries."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create the tables."""
    ascii_text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    op.create_table(
        "batches",
        sa.Column("id", ascii_text, primary_key=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("n_entries", sa.Integer, nullable=False),
        sa.Column("idempotency_key", sa.Text),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("created_at_s", sa.Double, nullable=False),
        sa.Column("updated_at_s", sa.Double, nullable=False),
    )
    op.create_index("ix_batches_tenant_newest", "batches", ["tenant", "created_at_s", "id"])
    op.create_index("ix_batches_key", "batches", ["tenant", "idempotency_key"], unique=True)
    op.create_table(
        "batch_entries",
        sa.Column("batch_id", ascii_text, sa.ForeignKey("batches.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("seq", sa.Integer, primary_key=True),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("filename", sa.Text, nullable=False),
        sa.Column("custom_id", sa.Text, nullable=False),
        sa.Column("options", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("probed", sa.Boolean, nullable=False),
        sa.Column("audio_s", sa.Double),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("job_id", ascii_text),
    )
    op.create_index("ix_batch_entries_state", "batch_entries", ["state", "batch_id", "seq"])
    op.create_index("ix_batch_entries_job_id", "batch_entries", ["job_id"])
