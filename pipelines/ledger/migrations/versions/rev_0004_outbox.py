"""The outbox: messages about jobs, the attempts to deliver them, targets that want no more."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Create the three tables."""
    ascii_text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    op.create_table(
        "deliveries",
        sa.Column("id", ascii_text, primary_key=True),
        sa.Column("job_id", ascii_text, sa.ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("event", sa.Text, nullable=False),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("created_at_s", sa.Double, nullable=False),
        sa.Column("n_attempts", sa.Integer, nullable=False),
        sa.Column("next_attempt_at_s", sa.Double, nullable=False),
    )
    op.create_index("ix_deliveries_job_id", "deliveries", ["job_id"])
    op.create_index("ix_deliveries_tenant_newest", "deliveries", ["tenant", "created_at_s", "id"])
    pending = sa.text("state = 'pending'")
    op.create_index(
        "ix_deliveries_due", "deliveries", ["next_attempt_at_s", "id"], sqlite_where=pending, postgresql_where=pending
    )
    op.create_table(
        "delivery_attempts",
        sa.Column("delivery_id", ascii_text, sa.ForeignKey("deliveries.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("seq", sa.Integer, primary_key=True),
        sa.Column("at_s", sa.Double, nullable=False),
        sa.Column("duration_s", sa.Double, nullable=False),
        sa.Column("status", sa.Integer),
        sa.Column("detail", sa.Text, nullable=False),
    )
    op.create_table(
        "disabled_targets",
        sa.Column("tenant", sa.Text, primary_key=True),
        sa.Column("target", sa.Text, primary_key=True),
        sa.Column("at_s", sa.Double, nullable=False),
    )
