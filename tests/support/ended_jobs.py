"""A PostgreSQL ledger full of ended jobs, written by the server itself: a million take less than a minute."""

import psycopg
from psycopg import sql

from pipelines.audit import ObjectKind
from pipelines.codec import encode
from pipelines.core import BlobRef
from pipelines.jobs.costs import JobCost
from pipelines.jobs.job import Job, JobOptions, JobState
from pipelines.keeping.receipts import Cause, Receipt

N_TENANTS = 300
NOW_S = 1_800_000_000.0
"""When the youngest of the jobs was created, one a second before it."""
JOBS_PER_BATCH = 50
_ID = "0123456789abcdef0123456789abcdef"


def tenant_of(number: int) -> str:
    """Return the tenant of a job."""
    return f"t{number % N_TENANTS:03d}"


def job_id(number: int) -> str:
    """Return the id of the job of a number; later jobs have later ids, as `pipelines.ids.new_id` makes them."""
    return f"{number:032x}"


def batch_id(number: int) -> str:
    """Return the id of the batch that a job came with."""
    return f"b{number // JOBS_PER_BATCH:031x}"


def _body() -> str:
    """Return the JSON of an ended job, with words in the place of what differs."""
    job = Job(
        id=_ID,
        tenant="TENANT",
        options=JobOptions(model="bundled"),
        source=BlobRef(key=f"TENANT/{_ID}/source", n_bytes=64_000, sha256="0" * 64),
        filename="recording.mp3",
        created_at_s=NOW_S,
        updated_at_s=NOW_S,
        state=JobState.SUCCEEDED,
        n_chunks=1,
        request_id="fill",
    )
    return encode(job).decode()


# Numbers are job numbers n; a tenant has every `N_TENANTS`th. One of 1,000 failed, one of 500 was cancelled, one of 200
# lost chunks; 1 of 10 came under a key, each has a message and every second was erased once (a receipt of another job).
_JOB = """
INSERT INTO jobs (id, tenant, state, model, priority, created_at_s, updated_at_s, filename_folded, external_id, audio_s,
                  done_s, reason, content_key, deadline_s, cancel_requested, version, fence, body)
SELECT lpad(to_hex(n), 32, '0'), 't' || lpad((n % {tenants})::text, 3, '0'),
       CASE WHEN n % 1000 = 999 THEN 'failed' WHEN n % 500 = 499 THEN 'cancelled' ELSE 'succeeded' END,
       'bundled', 0, {now} - {n_jobs} + n, {now} - {n_jobs} + n + 5, 'recording ' || n || '.mp3',
       CASE WHEN n % 10 = 0 THEN 'outside-' || n END, 30, 30, NULL,
       CASE WHEN n % 200 = 7 OR n % 500 = 499 THEN NULL ELSE md5(n::text) || md5(n::text) END, 1e18, false, 5, 1,
       replace(replace(replace({body}, {id}, lpad(to_hex(n), 32, '0')), 'TENANT',
                       't' || lpad((n % {tenants})::text, 3, '0')),
               '"n_failed_chunks":0', CASE WHEN n % 200 = 7 THEN '"n_failed_chunks":1' ELSE '"n_failed_chunks":0' END)
FROM generate_series(0, {n_jobs} - 1) AS n
"""
_OTHERS = (
    """
INSERT INTO events (job_id, seq, at_s, name, detail)
SELECT lpad(to_hex(n), 32, '0'), seq, {now} - {n_jobs} + n + seq,
       (ARRAY['created', 'transcribing', 'succeeded'])[seq], ''
FROM generate_series(0, {n_jobs} - 1) AS n, generate_series(1, 3) AS seq
""",
    """
INSERT INTO idempotency_keys (tenant, key, fingerprint, job_id)
SELECT 't' || lpad((n % {tenants})::text, 3, '0'), 'key-' || n, 'f', lpad(to_hex(n), 32, '0')
FROM generate_series(0, {n_jobs} - 1, 10) AS n
""",
    """
INSERT INTO batches (id, tenant, name, state, n_entries, fingerprint, created_at_s, updated_at_s)
SELECT 'b' || lpad(to_hex(b), 31, '0'), 't' || lpad((b % {tenants})::text, 3, '0'), '', 'running', {per_batch}, 'f',
       {now} - {n_jobs} + b * {per_batch}, {now} - {n_jobs} + b * {per_batch}
FROM generate_series(0, {n_jobs} / {per_batch} - 1) AS b
""",
    """
INSERT INTO batch_entries (batch_id, seq, source, filename, custom_id, options, state, attempt, probed, audio_s, detail,
                           job_id)
SELECT 'b' || lpad(to_hex(n / {per_batch}), 31, '0'), n % {per_batch}, 'file:///a.mp3', 'a.mp3', '', {options},
       'submitted', 0, false, NULL, '', lpad(to_hex(n), 32, '0')
FROM generate_series(0, {n_jobs} - 1) AS n
""",
    """
INSERT INTO deliveries (id, job_id, tenant, channel, event, target, body, state, created_at_s, n_attempts,
                        next_attempt_at_s)
SELECT 'msg_' || n, lpad(to_hex(n), 32, '0'), 't' || lpad((n % {tenants})::text, 3, '0'), 'webhook', 'job.succeeded',
       'https://hooks.example/' || n % {tenants}, '{{}}', CASE WHEN n % 5000 = 4999 THEN 'failed' ELSE 'delivered' END,
       {now} - {n_jobs} + n, 1, {now} - {n_jobs} + n
FROM generate_series(0, {n_jobs} - 1) AS n
""",
    """
INSERT INTO delivery_attempts (delivery_id, seq, at_s, duration_s, status, detail)
SELECT 'msg_' || n, 1, {now} - {n_jobs} + n, 0.1, 204, '' FROM generate_series(0, {n_jobs} - 1) AS n
""",
    """
INSERT INTO audit_entries (tenant, seq, at_s, action, actor, kind, object_id, request_id, detail, n_times, digest)
SELECT 't' || lpad((n % {tenants})::text, 3, '0'), n / {tenants} + 1, {now} - {n_jobs} + n,
       CASE WHEN n % 1000 < {tenants} THEN 'erase' ELSE 'read' END, 'key:' || n % 7, 'job',
       lpad(to_hex(n), 32, '0'), '', '[]', 1, md5(n::text)
FROM generate_series(0, {n_jobs} - 1) AS n
""",
    """
INSERT INTO receipts (id, tenant, kind, object_id, begun_at_s, deleted_at_s, body)
SELECT 'r' || lpad(to_hex(n), 31, '0'), 't' || lpad((n % {tenants})::text, 3, '0'), 'job', 'x' || n,
       {now} - {n_jobs} + n, {now} - {n_jobs} + n + 1, {receipt}
FROM generate_series(0, {n_jobs} - 1, 2) AS n
""",
    """
INSERT INTO job_costs (created_at_s, body) SELECT {now} - {n_jobs} + n, {cost}
FROM generate_series(0, {n_jobs} - 1, 2) AS n
""",
    """
INSERT INTO review_items (id, job_id, tenant, channel, version, start_s, end_s, score, reasons, details, text, heard_by,
                          heard_at_s)
SELECT lpad(to_hex(n), 32, '0') || '.0.0-1000', lpad(to_hex(n), 32, '0'),
       't' || lpad((n % {tenants})::text, 3, '0'), 0, 0, 0, 1, n % 97, ' suspect ', '[]', 'words', '',
       CASE WHEN n % 3 = 0 THEN {now} - {n_jobs} + n END
FROM generate_series(0, {n_jobs} - 1, 2) AS n
""",
    """
INSERT INTO search_jobs (number, job_id, version)
SELECT n, lpad(to_hex(n), 32, '0'), 0 FROM generate_series(0, {n_jobs} - 1) AS n
""",
    """
INSERT INTO legal_holds (id, tenant, name, reason, job_id, batch_id, external_id, metadata, placed_by, placed_at_s,
                         released_by, release_reason, released_at_s)
SELECT 'h' || lpad(to_hex(n), 31, '0'), 't' || lpad((n % {tenants})::text, 3, '0'), '', '', lpad(to_hex(n), 32, '0'),
       '', '', '[]', '', {now} - {n_jobs} + n, '', '', CASE WHEN n % 10000 >= {tenants} THEN {now} END
FROM generate_series(0, {n_jobs} - 1, 101) AS n
""",
    """
INSERT INTO audit_heads (tenant, seq, pruned_seq, digest, pruned_digest)
SELECT tenant, max(seq), 0, '', '' FROM audit_entries GROUP BY tenant
""",
)
_FAST = ("SET synchronous_commit = off", "SET session_replication_role = replica", "SET maintenance_work_mem = '512MB'")


def fill(dsn: str, schema: str, n_jobs: int) -> None:
    """Fill the migrated tables of a schema with ``n_jobs`` ended jobs and all that is kept of them; analyze them.

    Indexes are made anew afterwards, which is quicker. ``dsn`` has to be a superuser's: foreign keys are not checked.
    """
    receipt = Receipt(
        id="r", tenant="t000", kind=ObjectKind.JOB, object_id="x", cause=Cause.REQUEST, actor="a", request_id="",
        begun_at_s=NOW_S, deleted_at_s=NOW_S, gone=True,
    )  # fmt: skip
    job = Job(
        id=_ID, tenant="t000", options=JobOptions(model="bundled"), source=BlobRef(key="t000/s", n_bytes=1),
        filename="", created_at_s=NOW_S, updated_at_s=NOW_S, state=JobState.SUCCEEDED,
    )  # fmt: skip
    values = {
        "n_jobs": n_jobs,
        "tenants": N_TENANTS,
        "per_batch": JOBS_PER_BATCH,
        "now": NOW_S,
        "id": _ID,
        "body": _body(),
        "options": encode(JobOptions(model="bundled")).decode(),
        "receipt": encode(receipt).decode(),
        "cost": encode(JobCost.of(job)).decode(),
    }
    literals = {name: sql.Literal(value) for name, value in values.items()}
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(sql.SQL("SET search_path = {}").format(sql.Identifier(schema)))
        for setting in _FAST:
            connection.execute(setting)
        dropped = connection.execute(
            "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = %s AND indexname LIKE 'ix\\_%%'", [schema]
        ).fetchall()
        for name, _ in dropped:
            connection.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(name)))
        for statement in (_JOB, *_OTHERS):
            connection.execute(sql.SQL(statement).format(**literals))
        for _, definition in dropped:
            connection.execute(definition.encode())
        # As the server's own housekeeping would: statistics, and which pages hold nothing but what everybody sees.
        connection.execute("VACUUM ANALYZE")
