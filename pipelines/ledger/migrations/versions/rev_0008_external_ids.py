"""What recordings are called where they come from."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add the columns, and the index that keeps an external id to one job of a tenant."""
    op.add_column("jobs", sa.Column("external_id", sa.Text))
    op.create_index("ix_jobs_external_id", "jobs", ["tenant", "external_id"], unique=True)
    op.add_column("batch_entries", sa.Column("reference", sa.Text, nullable=False, server_default="{}"))
