"""Jobs of a batch belong to the request that brought it."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Add the columns; batches from before have neither."""
    op.add_column("batches", sa.Column("request_id", sa.Text, nullable=False, server_default=""))
    op.add_column("batches", sa.Column("traceparent", sa.Text, nullable=False, server_default=""))
