"""Jobs have a bucket, by which several Coordinators divide them."""

import sqlalchemy as sa
from alembic import op

from pipelines.scheduling.shards import bucket_of

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """Add the column; jobs that have ended keep bucket 0, since no Coordinator asks for them by it."""
    op.add_column("jobs", sa.Column("bucket", sa.Integer, nullable=False, server_default="0"))
    connection = op.get_bind()
    live = sa.text("SELECT id FROM jobs WHERE state IN ('queued', 'transcribing', 'summarizing')")
    rows = [{"job_id": job_id, "bucket": bucket_of(job_id)} for job_id in connection.scalars(live)]
    if rows:
        connection.execute(sa.text("UPDATE jobs SET bucket = :bucket WHERE id = :job_id"), rows)
