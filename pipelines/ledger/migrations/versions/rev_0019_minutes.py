"""Several MinutesWriters share the budgets of a day and one limit on calls at once."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    """Create the tables, and the one row of the limit."""
    text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    op.create_table(
        "minutes_spending",
        sa.Column("tenant", text, primary_key=True),
        sa.Column("day", text, primary_key=True),
        sa.Column("used", sa.Text, nullable=False),
    )
    op.create_table(
        "minutes_reservations",
        sa.Column("call_id", text, primary_key=True),
        sa.Column("tenant", text, nullable=False),
        sa.Column("day", text, nullable=False),
        sa.Column("tokens", sa.BigInteger, nullable=False),
        sa.Column("cost_usd", sa.Double, nullable=False),
    )
    op.create_index("ix_minutes_reservations_day", "minutes_reservations", ["tenant", "day"])
    op.create_table("minutes_places", sa.Column("name", sa.Text, primary_key=True), sa.Column("body", sa.Text))
    op.execute("INSERT INTO minutes_places (name) VALUES ('calls')")
