"""Sessions know when their groups were read, how to read them anew, and what the provider calls the session."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    """Add the columns; the groups of sessions that there are were read as they began."""
    op.add_column("sessions", sa.Column("checked_at_s", sa.Double, nullable=False, server_default="0"))
    op.add_column("sessions", sa.Column("renewal", sa.Text, nullable=False, server_default=""))
    op.add_column("sessions", sa.Column("provider_session", sa.Text, nullable=False, server_default=""))
    op.get_bind().execute(sa.text("UPDATE sessions SET checked_at_s = created_at_s"))
