"""Jobs, their idempotency keys, their history, and the Coordinator's lease."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def _partial_index(name: str, columns: list[str | sa.TextClause], sqlite: str, postgresql: str = "") -> None:
    op.create_index(
        name,
        "jobs",
        columns,
        sqlite_where=sa.text(sqlite),
        postgresql_where=sa.text(postgresql or sqlite),
    )


def upgrade() -> None:
    """Create the tables and the two rows of ``leases``."""
    ascii_text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    op.create_table(
        "jobs",
        sa.Column("id", ascii_text, primary_key=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("created_at_s", sa.Double, nullable=False),
        sa.Column("updated_at_s", sa.Double, nullable=False),
        sa.Column("filename_folded", sa.Text, nullable=False),
        sa.Column("audio_s", sa.Double, nullable=False),
        sa.Column("done_s", sa.Double, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("cancel_requested", sa.Boolean, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("fence", sa.BigInteger, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_index("ix_jobs_tenant_newest", "jobs", ["tenant", "created_at_s", "id"])
    op.create_index("ix_jobs_newest", "jobs", ["created_at_s", "id"])
    op.create_index("ix_jobs_tenant_state", "jobs", ["tenant", "state"])
    _partial_index("ix_jobs_queue", [sa.text("priority DESC"), "created_at_s", "id"], "state = 'queued'")
    started = "state IN ('transcribing', 'summarizing')"
    _partial_index("ix_jobs_started", ["created_at_s", "id"], started)
    live = "state IN ('queued', 'transcribing', 'summarizing')"
    _partial_index(
        "ix_jobs_to_cancel",
        ["created_at_s", "id"],
        sqlite=f"cancel_requested = 1 AND {live}",
        postgresql=f"cancel_requested AND {live}",
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("tenant", sa.Text, primary_key=True),
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("job_id", ascii_text, sa.ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False),
    )
    op.create_index("ix_idempotency_keys_job_id", "idempotency_keys", ["job_id"])
    op.create_table(
        "events",
        sa.Column("job_id", ascii_text, sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("seq", sa.Integer, primary_key=True),
        sa.Column("at_s", sa.Double, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
    )
    leases = op.create_table(
        "leases",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("fence", sa.BigInteger, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("expires_at_s", sa.Double, nullable=False),
    )
    op.bulk_insert(
        leases, [{"name": name, "fence": 0, "owner": "", "expires_at_s": 0.0} for name in ("coordinator", "health")]
    )
