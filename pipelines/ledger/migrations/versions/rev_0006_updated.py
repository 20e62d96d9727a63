"""What has changed lately is found by its time."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the index."""
    op.create_index("ix_jobs_tenant_updated", "jobs", ["tenant", "updated_at_s"])
