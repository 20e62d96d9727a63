"""Jobs are claimed by tenant and deadline; earlier jobs with the same content are found by its key."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Add the columns and their indexes; jobs from before have neither key nor deadline."""
    op.add_column("jobs", sa.Column("content_key", sa.Text))
    op.create_index("ix_jobs_content", "jobs", ["tenant", "content_key"])
    op.add_column("jobs", sa.Column("deadline_s", sa.Double, nullable=False, server_default=sa.text("1e18")))
    op.drop_index("ix_jobs_queue", "jobs")
    op.create_index(
        "ix_jobs_queue",
        "jobs",
        ["tenant", sa.text("priority DESC"), "deadline_s", "created_at_s", "id"],
        sqlite_where=sa.text("state = 'queued'"),
        postgresql_where=sa.text("state = 'queued'"),
    )
