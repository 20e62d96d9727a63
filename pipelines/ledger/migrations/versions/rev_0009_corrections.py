"""Versions of transcripts that people corrected."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Create the table."""
    ascii_text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    op.create_table(
        "corrections",
        sa.Column("job_id", ascii_text, sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("at_s", sa.Double, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("n_segments", sa.Integer, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
    )
