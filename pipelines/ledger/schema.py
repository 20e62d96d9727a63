"""The ledger's tables. What is queried is a column; the whole job is JSON in ``jobs.body``.

Each change here needs a migration in ``pipelines/ledger/migrations/versions`` and its name in `SCHEMA_REVISION`.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    and_,
    literal_column,
    text,
)
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.types import TypeEngine

from pipelines.jobs.batch import BatchState
from pipelines.jobs.job import JobState
from pipelines.ledger.outbox import DeliveryState
from pipelines.scheduling.shards import Shard

SCHEMA_REVISION = "0021"

COORDINATOR = "coordinator"  # the row of ``leases`` of the only shard, see `pipelines.ledger.sql_leases`
MODEL_ROUTES = "model_routes"  # the row of ``switches`` that holds `pipelines.models.routing.ModelRoute`s, if any
DRAIN = "drain"  # the row of ``switches`` that holds a `DrainMode`
IDENTITY = "identity"
SWEEP = "sweep"  # the row of ``switches`` that says how far housekeeping has come in the store, if any
HEALTH = "health"  # the row of ``leases`` that `check` writes
CALLS = "calls"  # the row of ``minutes_places``
NO_DEADLINE_S = 1e18  # later than every date

metadata = MetaData()

# In SQLite only a column that is called INTEGER is the row's own number, whatever it holds.
RowNumber = BigInteger().with_variant(Integer, "sqlite")

# Python, SQLite and PostgreSQL then agree on the order of ids.
Ascii = Text().with_variant(Text(collation="C"), "postgresql")


def _required(kind: type[TypeEngine[Any]], *names: str) -> list[Column[Any]]:
    """Declare columns that always hold a value."""
    return [Column(name, kind, nullable=False) for name in names]


jobs = Table(
    "jobs",
    metadata,
    Column("id", Ascii, primary_key=True),
    *_required(Text, "tenant", "state", "model"),
    Column("priority", Integer, nullable=False),
    *_required(Double, "created_at_s", "updated_at_s"),
    Column("filename_folded", Text, nullable=False),
    Column("external_id", Text),
    *_required(Double, "audio_s", "done_s"),
    Column("reason", Text),
    Column("content_key", Text),
    Column("deadline_s", Double, nullable=False, server_default=text("1e18")),  # `NO_DEADLINE_S` for jobs without one
    Column("cancel_requested", Boolean, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("fence", BigInteger, nullable=False),  # of the last Coordinator that claimed or wrote the job; 0: none
    Column("body", Text, nullable=False),
    Column("joint_key", Text),  # equal requests join the job of the first by it, see `NewJob.joins`
    Column("n_requests", Integer, nullable=False, server_default="1"),  # that the job answers and nobody took back
    Column("bucket", Integer, nullable=False, server_default="0"),  # see `pipelines.scheduling.shards`
    Column("n_failed_chunks", Integer, nullable=False, server_default="0"),
)


# Written out in the statements, since SQLite matches no parameter with the condition of a partial index.
_STATES: dict[JobState, ColumnElement[str]] = {state: literal_column(f"'{state.value}'") for state in JobState}
_LIVE = [_STATES[state] for state in JobState if not state.final]


def queued() -> ColumnElement[bool]:
    """Return jobs that wait to be claimed."""
    return jobs.c.state == _STATES[JobState.QUEUED]


def started() -> ColumnElement[bool]:
    """Return jobs that a Coordinator has begun and not ended."""
    return jobs.c.state.in_([_STATES[JobState.TRANSCRIBING], _STATES[JobState.SUMMARIZING]])


def to_cancel() -> ColumnElement[bool]:
    """Return jobs that have not ended and whose owner asked to cancel."""
    return and_(jobs.c.cancel_requested, jobs.c.state.in_(_LIVE))


def joinable() -> ColumnElement[bool]:
    """Return jobs that equal requests may join: they have not ended and nobody asked to cancel."""
    return and_(jobs.c.joint_key.is_not(None), ~jobs.c.cancel_requested, jobs.c.state.in_(_LIVE))


def of_shard(shard: Shard) -> tuple[ColumnElement[bool], ...]:
    """Return what tells a shard's jobs that have not ended from those of others: nothing, where there is one shard."""
    if shard.is_whole:
        return ()
    return (jobs.c.bucket >= shard.buckets.start, jobs.c.bucket < shard.buckets.stop)


def lost_chunks() -> ColumnElement[bool]:
    """Return jobs that gave up chunks."""
    return jobs.c.n_failed_chunks > literal_column("0")


Index("ix_jobs_external_id", jobs.c.tenant, jobs.c.external_id, unique=True)
Index(
    "ix_jobs_joint",
    jobs.c.tenant,
    jobs.c.joint_key,
    unique=True,
    sqlite_where=joinable(),
    postgresql_where=joinable(),
)
Index("ix_jobs_tenant_newest", jobs.c.tenant, jobs.c.created_at_s, jobs.c.id)
Index("ix_jobs_tenant_updated", jobs.c.tenant, jobs.c.updated_at_s)
Index("ix_jobs_content", jobs.c.tenant, jobs.c.content_key)
Index("ix_jobs_newest", jobs.c.created_at_s, jobs.c.id)
Index("ix_jobs_tenant_state", jobs.c.tenant, jobs.c.state)
Index(
    "ix_jobs_queue",
    jobs.c.tenant,
    jobs.c.priority.desc(),
    jobs.c.deadline_s,
    jobs.c.created_at_s,
    jobs.c.id,
    sqlite_where=queued(),
    postgresql_where=queued(),
)
Index("ix_jobs_started", jobs.c.created_at_s, jobs.c.id, sqlite_where=started(), postgresql_where=started())
Index(
    "ix_jobs_lost_chunks",
    jobs.c.tenant,
    jobs.c.created_at_s,
    jobs.c.id,
    sqlite_where=lost_chunks(),
    postgresql_where=lost_chunks(),
)
Index("ix_jobs_to_cancel", jobs.c.created_at_s, jobs.c.id, sqlite_where=to_cancel(), postgresql_where=to_cancel())

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("fingerprint", Text, nullable=False),
    Column("job_id", Ascii, ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False, index=True),
)

key_holds = Table(
    "key_holds",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("expires_at_s", Double, nullable=False),
)

events = Table(
    "events",
    metadata,
    Column("job_id", Ascii, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("at_s", Double, nullable=False),
    *_required(Text, "name", "detail"),
)

corrections = Table(
    "corrections",
    metadata,
    Column("job_id", Ascii, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("at_s", Double, nullable=False),
    *_required(Text, "author", "note"),
    Column("n_segments", Integer, nullable=False),
    Column("name", Text, nullable=False),  # of the blob that holds it
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Ascii, primary_key=True),
    Column("digest", Text, nullable=False),  # SHA-256 of the whole key, hex
    Column("tenant", Text, nullable=False),
    Column("scopes", Text, nullable=False),  # separated by spaces
    Column("name", Text, nullable=False),
    Column("created_at_s", Double, nullable=False),
    Column("expires_at_s", Double),
    Column("last_used_at_s", Double),
    Column("revoked_at_s", Double),
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", Ascii, primary_key=True),
    Column("digest", Text, nullable=False),  # SHA-256 of the whole token, hex; the two below are alike
    Column("next_digest", Text),
    Column("previous_digest", Text),
    *_required(Text, "subject", "name", "email", "groups", "tenant"),  # groups: a list as JSON
    *_required(Double, "created_at_s", "rotated_at_s", "seen_at_s"),
    Column("checked_at_s", Double, nullable=False, server_default="0"),
    Column("renewal", Text, nullable=False, server_default=""),  # the provider's refresh token, encrypted
    Column("provider_session", Text, nullable=False, server_default=""),
)

leases = Table(
    "leases",
    metadata,
    Column("name", Text, primary_key=True),
    Column("fence", BigInteger, nullable=False),
    Column("owner", Text, nullable=False),
    Column("expires_at_s", Double, nullable=False),
)

batches = Table(
    "batches",
    metadata,
    Column("id", Ascii, primary_key=True),
    *_required(Text, "tenant", "name", "state"),
    Column("n_entries", Integer, nullable=False),
    Column("idempotency_key", Text),
    Column("fingerprint", Text, nullable=False),
    *_required(Double, "created_at_s", "updated_at_s"),
    Column("request_id", Text, nullable=False, server_default=""),
    Column("traceparent", Text, nullable=False, server_default=""),
)
Index("ix_batches_tenant_newest", batches.c.tenant, batches.c.created_at_s, batches.c.id)
Index("ix_batches_updated", batches.c.updated_at_s)
Index("ix_batches_key", batches.c.tenant, batches.c.idempotency_key, unique=True)


def probing() -> ColumnElement[bool]:
    """Return batches whose entries are being probed."""
    return batches.c.state == literal_column(f"'{BatchState.PROBING.value}'")


Index("ix_batches_probing", batches.c.created_at_s, batches.c.id, sqlite_where=probing(), postgresql_where=probing())

batch_entries = Table(
    "batch_entries",
    metadata,
    Column("batch_id", Ascii, ForeignKey("batches.id", ondelete="CASCADE"), primary_key=True),
    Column("seq", Integer, primary_key=True),
    *_required(Text, "source", "filename", "custom_id", "options"),
    Column("reference", Text, nullable=False, server_default="{}"),
    Column("state", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("probed", Boolean, nullable=False),
    Column("audio_s", Double),
    Column("detail", Text, nullable=False),
    Column("job_id", Ascii),  # may be purged before the batch
)
Index("ix_batch_entries_state", batch_entries.c.state, batch_entries.c.batch_id, batch_entries.c.seq)
Index("ix_batch_entries_job_id", batch_entries.c.job_id)
deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Ascii, primary_key=True),
    Column("job_id", Ascii, ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False, index=True),
    *_required(Text, "tenant", "channel", "event", "target", "body", "state"),
    Column("created_at_s", Double, nullable=False),
    Column("n_attempts", Integer, nullable=False),
    Column("next_attempt_at_s", Double, nullable=False),
)


def due() -> ColumnElement[bool]:
    """Return the condition that a delivery waits for an attempt."""
    return deliveries.c.state == literal_column(f"'{DeliveryState.PENDING.value}'")


def undelivered() -> ColumnElement[bool]:
    """Return deliveries that have not reached anybody."""
    return deliveries.c.state != literal_column(f"'{DeliveryState.DELIVERED.value}'")


Index(
    "ix_deliveries_undelivered",
    deliveries.c.tenant,
    deliveries.c.created_at_s,
    deliveries.c.id,
    sqlite_where=undelivered(),
    postgresql_where=undelivered(),
)
Index("ix_deliveries_tenant_newest", deliveries.c.tenant, deliveries.c.created_at_s, deliveries.c.id)
Index("ix_deliveries_due", deliveries.c.next_attempt_at_s, deliveries.c.id, sqlite_where=due(), postgresql_where=due())

delivery_attempts = Table(
    "delivery_attempts",
    metadata,
    Column("delivery_id", Ascii, ForeignKey("deliveries.id", ondelete="CASCADE"), primary_key=True),
    Column("seq", Integer, primary_key=True),
    *_required(Double, "at_s", "duration_s"),
    Column("status", Integer),
    Column("detail", Text, nullable=False),
)

disabled_targets = Table(
    "disabled_targets",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("target", Text, primary_key=True),
    Column("at_s", Double, nullable=False),
)

job_costs = Table(  # of jobs that were deleted; the body is a `JobCost`
    "job_costs",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("created_at_s", Double, nullable=False),
    Column("body", Text, nullable=False),
    Index("ix_job_costs_created", "created_at_s"),
)

switches = Table("switches", metadata, Column("name", Text, primary_key=True), Column("value", Text, nullable=False))

minutes_spending = Table(  # ``used`` is a `Usage`: `pipelines.minutes.provider.spending_book`
    "minutes_spending",
    metadata,
    Column("tenant", Ascii, primary_key=True),
    Column("day", Ascii, primary_key=True),  # ISO 8601
    Column("used", Text, nullable=False),
)

minutes_reservations = Table(  # of calls whose outcome is not known: they are under way, or their process was killed
    "minutes_reservations",
    metadata,
    Column("call_id", Ascii, primary_key=True),
    Column("tenant", Ascii, nullable=False),
    Column("day", Ascii, nullable=False),
    Column("tokens", BigInteger, nullable=False),
    Column("cost_usd", Double, nullable=False),
)
Index("ix_minutes_reservations_day", minutes_reservations.c.tenant, minutes_reservations.c.day)

minutes_places = Table(  # the body is a `pipelines.minutes.provider.place_table.PlaceTable`, None at first
    "minutes_places", metadata, Column("name", Text, primary_key=True), Column("body", Text)
)

search_pending = Table(  # jobs to index: `pipelines.search.protocol.SearchIndex`
    "search_pending",
    metadata,
    Column("job_id", Ascii, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("stamp", Text, nullable=False),
    Column("due_at_s", Double, nullable=False, index=True),
)

search_jobs = Table(  # jobs that are indexed; ``number`` grows with their time of creation
    "search_jobs",
    metadata,
    Column("number", RowNumber, primary_key=True, autoincrement=False),
    Column("job_id", Ascii, ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False, unique=True),
    Column("version", Integer, nullable=False),  # of the transcript
)

search_passages = Table(  # ``id`` is made of the job's number and the passage's: `pipelines.ledger.index.search_rows`
    "search_passages",
    metadata,
    Column("id", RowNumber, primary_key=True, autoincrement=False),
    Column("job_number", BigInteger, ForeignKey("search_jobs.number", ondelete="CASCADE"), nullable=False, index=True),
    Column("segment_id", Integer),
    *_required(Double, "start_s", "end_s"),
    *_required(Text, "kind", "speaker", "language", "text"),
    Column("tokens", Text().with_variant(TSVECTOR(), "postgresql"), nullable=False),
)

review_items = Table(  # `pipelines.review.protocol.ReviewQueue`; ``id`` is made of job, channel and stretch
    "review_items",
    metadata,
    Column("id", Ascii, primary_key=True),
    Column("job_id", Ascii, ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("tenant", Text, nullable=False),
    *_required(Integer, "channel", "version"),
    *_required(Double, "start_s", "end_s", "score"),
    *_required(Text, "reasons", "details", "text", "heard_by"),
    Column("heard_at_s", Double),
)
Index("ix_review_items_tenant_score", review_items.c.tenant, review_items.c.score)


audit_heads = Table(  # the ends of each tenant's log: `pipelines.audit.AuditHead`
    "audit_heads",
    metadata,
    Column("tenant", Ascii, primary_key=True),
    *_required(BigInteger, "seq", "pruned_seq"),
    *_required(Text, "digest", "pruned_digest"),
)

audit_entries = Table(  # `pipelines.audit.AuditEntry`; they outlive what they are about
    "audit_entries",
    metadata,
    Column("tenant", Ascii, primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("at_s", Double, nullable=False),
    *_required(Text, "action", "actor", "kind", "object_id", "request_id", "detail"),
    Column("n_times", Integer, nullable=False),
    Column("digest", Text, nullable=False),
)
Index("ix_audit_entries_object", audit_entries.c.tenant, audit_entries.c.object_id, audit_entries.c.seq)
Index("ix_audit_entries_at", audit_entries.c.at_s)

legal_holds = Table(  # `pipelines.keeping.legal_holds.Hold`
    "legal_holds",
    metadata,
    Column("id", Ascii, primary_key=True),
    *_required(Text, "tenant", "name", "reason", "job_id", "batch_id", "external_id", "metadata", "placed_by"),
    Column("placed_at_s", Double, nullable=False),
    *_required(Text, "released_by", "release_reason"),
    Column("released_at_s", Double),
)
Index("ix_legal_holds_tenant", legal_holds.c.tenant, legal_holds.c.placed_at_s, legal_holds.c.id)


def is_active() -> ColumnElement[bool]:
    """Return holds that nobody has released."""
    return legal_holds.c.released_at_s.is_(None)


Index(
    "ix_legal_holds_active",
    legal_holds.c.tenant,
    legal_holds.c.placed_at_s,
    legal_holds.c.id,
    sqlite_where=is_active(),
    postgresql_where=is_active(),
)

receipts = Table(  # the body is a `pipelines.keeping.receipts.Receipt`
    "receipts",
    metadata,
    Column("id", Ascii, primary_key=True),
    *_required(Text, "tenant", "kind", "object_id"),
    Column("begun_at_s", Double, nullable=False),
    Column("deleted_at_s", Double),
    Column("body", Text, nullable=False),
)
Index("ix_receipts_object", receipts.c.tenant, receipts.c.object_id)
Index("ix_receipts_deleted", receipts.c.tenant, receipts.c.deleted_at_s, receipts.c.id)


def is_begun() -> ColumnElement[bool]:
    """Return receipts of erasures that are not finished."""
    return receipts.c.deleted_at_s.is_(None)


def is_finished() -> ColumnElement[bool]:
    """Return receipts of erasures that are finished."""
    return receipts.c.deleted_at_s.is_not(None)


Index("ix_receipts_finished", receipts.c.deleted_at_s, sqlite_where=is_finished(), postgresql_where=is_finished())
Index("ix_receipts_begun", receipts.c.begun_at_s, sqlite_where=is_begun(), postgresql_where=is_begun())


def is_ours(name: str | None, kind: str, _parents: object = None) -> bool:
    """Return whether this module declares a table or an index of this name; migrations alone make the search index.

    Alembic's ``include_name``: SQLite's index is a virtual table with others behind it, PostgreSQL's a GIN index.
    """
    return kind not in ("table", "index") or not (name or "").startswith("search_index")
