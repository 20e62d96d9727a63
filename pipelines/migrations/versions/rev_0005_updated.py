"""What has changed lately is found by its time."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the index."""
    op.create_index("ix_jobs_tenant_updated", "jobs", ["tenant", "updated_at_s"])
