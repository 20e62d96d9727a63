"""Transcripts and minutes can be searched; those of earlier jobs are indexed after the upgrade."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TSVECTOR

revision = "0014"
down_revision = "0013"

_ascii = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_row = sa.BigInteger().with_variant(sa.Integer, "sqlite")

# Tokens are made before they come here: the tokenizer only has to part them at spaces.
_SQLITE = (
    "CREATE VIRTUAL TABLE search_index USING fts5"
    "(tokens, content='search_passages', content_rowid='id', columnsize=0, tokenize='ascii')",
    "CREATE TRIGGER search_index_insert AFTER INSERT ON search_passages BEGIN "
    "INSERT INTO search_index (rowid, tokens) VALUES (new.id, new.tokens); END",
    "CREATE TRIGGER search_index_delete AFTER DELETE ON search_passages BEGIN "
    "INSERT INTO search_index (search_index, rowid, tokens) VALUES ('delete', old.id, old.tokens); END",
)
_POSTGRESQL = ("CREATE INDEX search_index_tokens ON search_passages USING gin (tokens)",)


def upgrade() -> None:
    """Create the tables and their full-text index, and mark every ended job."""
    op.create_table(
        "search_pending",
        sa.Column("job_id", _ascii, sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("stamp", sa.Text, nullable=False),
        sa.Column("due_at_s", sa.Double, nullable=False),
    )
    op.create_index("ix_search_pending_due_at_s", "search_pending", ["due_at_s"])
    op.create_table(
        "search_jobs",
        sa.Column("number", _row, primary_key=True, autoincrement=False),
        sa.Column("job_id", _ascii, sa.ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False, unique=True),
        sa.Column("version", sa.Integer, nullable=False),
    )
    op.create_table(
        "search_passages",
        sa.Column("id", _row, primary_key=True, autoincrement=False),
        sa.Column("job_number", sa.BigInteger, sa.ForeignKey("search_jobs.number", ondelete="CASCADE"), nullable=False),
        sa.Column("segment_id", sa.Integer),
        sa.Column("start_s", sa.Double, nullable=False),
        sa.Column("end_s", sa.Double, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("speaker", sa.Text, nullable=False),
        sa.Column("language", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("tokens", sa.Text().with_variant(TSVECTOR(), "postgresql"), nullable=False),
    )
    op.create_index("ix_search_passages_job_number", "search_passages", ["job_number"])
    for statement in _SQLITE if op.get_bind().dialect.name == "sqlite" else _POSTGRESQL:
        op.execute(statement)
    op.execute(
        "INSERT INTO search_pending (job_id, stamp, due_at_s) "
        "SELECT id, 'upgrade', 0 FROM jobs WHERE state IN ('succeeded', 'failed', 'cancelled')"
    )
