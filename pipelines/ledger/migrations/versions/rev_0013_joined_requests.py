"""Equal requests share the job that is under way."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

_JOINABLE = sa.text(
    "joint_key IS NOT NULL AND NOT cancel_requested AND state IN ('queued', 'transcribing', 'summarizing')"
)


def upgrade() -> None:
    """Add what equal requests are known by, how many a job answers, and the index that lets one such job be live."""
    op.add_column("jobs", sa.Column("joint_key", sa.Text))
    op.add_column("jobs", sa.Column("n_requests", sa.Integer, nullable=False, server_default="1"))
    op.create_index(
        "ix_jobs_joint",
        "jobs",
        ["tenant", "joint_key"],
        unique=True,
        sqlite_where=_JOINABLE,
        postgresql_where=_JOINABLE,
    )
