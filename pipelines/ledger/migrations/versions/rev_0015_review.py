"""Transcripts have a review queue; those of earlier jobs are looked through after the upgrade."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"

_ascii = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Create the table, and mark every ended job for the indexer."""
    op.create_table(
        "review_items",
        sa.Column("id", _ascii, primary_key=True),
        sa.Column("job_id", _ascii, sa.ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("channel", sa.Integer, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("start_s", sa.Double, nullable=False),
        sa.Column("end_s", sa.Double, nullable=False),
        sa.Column("score", sa.Double, nullable=False),
        sa.Column("reasons", sa.Text, nullable=False),
        sa.Column("details", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("heard_by", sa.Text, nullable=False),
        sa.Column("heard_at_s", sa.Double),
    )
    op.create_index("ix_review_items_job_id", "review_items", ["job_id"])
    op.create_index("ix_review_items_tenant_score", "review_items", ["tenant", "score"])
    op.execute(
        "INSERT INTO search_pending (job_id, stamp, due_at_s) "
        "SELECT id, 'review', 0 FROM jobs WHERE state IN ('succeeded', 'failed', 'cancelled') "
        "AND id NOT IN (SELECT job_id FROM search_pending)"
    )
