"""No list, filter, count or sweep reads a whole table, however many jobs have ended.

Each is called on a ledger in PostgreSQL with ended jobs of 300 tenants: 60,000, or a million with ``--full``.
``MEETMEMO_QUERY_TIMES`` names a file to which the time that each takes is appended.
"""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from deployments.retention.housekeeping import DAY_S, Retention, enforce_retention, expire
from pipelines.audit import AuditAction, AuditFilter, Deed, ObjectKind
from pipelines.jobs.events import Claimed
from pipelines.jobs.job import JobState
from pipelines.ledger.job_filter import JobFilter
from pipelines.ledger.outbox import DeliveryState
from pipelines.ledger.protocol import JobUpdate, NewJob
from pipelines.ledger.sql_batches import SqlBatches
from pipelines.ledger.sql_ledger import SqlLedger
from pipelines.review.protocol import ReviewFilter
from pipelines.scheduling.shards import Shard
from pipelines.storage.folder import LocalStore
from tests.contracts.ledger import after, make_job
from tests.servers.postgres import PostgresServer, find_binaries
from tests.support.ended_jobs import JOBS_PER_BATCH, N_TENANTS, NOW_S, batch_id, fill, job_id, tenant_of
from tests.support.query_plans import Plan, plans

BINARIES = find_binaries()
pytestmark = pytest.mark.skipif(BINARIES is None, reason="no PostgreSQL server (initdb, postgres) is installed")

USUAL, MILLION = 60_000, 1_000_000
SCHEMA = "ended"
BIG = {
    *("jobs", "events", "idempotency_keys", "batches", "batch_entries", "deliveries", "delivery_attempts"),
    *("audit_entries", "receipts", "job_costs", "review_items", "search_jobs", "legal_holds"),
}
FEW = 700
"""Rows that a statement may look at in any case: a page of 500, and what is looked up for it."""
PAGES, PAGES_PER_ROW = 100, 6
"""Pages that a statement may look at besides, and those that finding a row by an index takes."""
N_LIVE = 40
N_TIMES = 40


@dataclass(frozen=True)
class Filled:
    """The ledger, its batches, and how many ended jobs there are."""

    ledger: SqlLedger
    batches: SqlBatches
    n_jobs: int

    @property
    def of_tenant(self) -> int:
        """The ended jobs of one tenant, about."""
        return self.n_jobs // N_TENANTS

    @property
    def tenant(self) -> str:
        return tenant_of(self.n_jobs - 1)

    @property
    def last(self) -> str:
        return job_id(self.n_jobs - 1)


@pytest.fixture(scope="module", params=[USUAL, pytest.param(MILLION, marks=pytest.mark.full)])
def filled(request: pytest.FixtureRequest) -> Iterator[Filled]:
    assert BINARIES is not None, "these tests are skipped without"
    with PostgresServer(BINARIES) as server:
        url = server.url(SCHEMA)
        ledger, batches = SqlLedger(url, clock=lambda: NOW_S), SqlBatches(url, clock=lambda: NOW_S)
        ledger.migrate()
        fill(server.dsn, SCHEMA, request.param)
        for number in range(N_LIVE):
            ledger.create(make_job(f"e{number:031x}", tenant=tenant_of(number), created_at_s=NOW_S))
        yield Filled(ledger, batches, request.param)
        ledger.close()
        batches.close()


ENDED = frozenset(state for state in JobState if state.final)
EARLY_S, LATE_S = NOW_S - 100 * DAY_S, NOW_S - 60.0

READS: dict[str, Callable[[Filled], object]] = {
    "a list": lambda f: f.ledger.list(f.tenant),
    "its second page": lambda f: f.ledger.list(f.tenant, after=f.ledger.list(f.tenant).next_cursor),
    "everybody's list": lambda f: f.ledger.list(None),
    "a list of what succeeded": lambda f: f.ledger.list(f.tenant, JobFilter(states=(JobState.SUCCEEDED,))),
    "a list of what is live": lambda f: f.ledger.list(
        f.tenant, JobFilter(states=tuple(state for state in JobState if not state.final))
    ),
    "a list by external id": lambda f: f.ledger.list(f.tenant, JobFilter(external_id="outside-1000")),
    "a list by an id that nothing has": lambda f: f.ledger.list(f.tenant, JobFilter(id_prefix="ff")),
    "a list by time": lambda f: f.ledger.list(f.tenant, JobFilter(created_from_s=EARLY_S, created_before_s=LATE_S)),
    "quarantine": lambda f: f.ledger.list(f.tenant, JobFilter(with_failed_chunks=True), limit=100),
    "what changed": lambda f: f.ledger.changed({tenant_of(n): LATE_S for n in range(5)}, limit=500),
    "live jobs": lambda f: f.ledger.backlog(None),
    "a tenant's live jobs": lambda f: f.ledger.backlog(f.tenant),
    "queued jobs": lambda f: f.ledger.queued_jobs(),
    "a shard's queued jobs": lambda f: f.ledger.queued_jobs(Shard(index=0, count=2)),
    "same content": lambda f: f.ledger.same_content(f.tenant, "none"),
    "a job": lambda f: f.ledger.get(f.tenant, f.last),
    "jobs by name": lambda f: f.ledger.get_many([(f.tenant, f.last)]),
    "a history": lambda f: f.ledger.events(f.tenant, f.last),
    "used keys": lambda f: f.ledger.used_keys(f.tenant, ["key-10", "key-11"]),
    "jobs past their retention": lambda f: f.ledger.list(
        None, JobFilter(states=tuple(ENDED), created_before_s=NOW_S - f.n_jobs + 100), limit=500
    ),
    "a page of the usage report": lambda f: f.ledger.list(
        None, JobFilter(states=tuple(ENDED), created_from_s=LATE_S), limit=500
    ),
    "costs of what was deleted lately": lambda f: f.ledger.costs_of_deleted(LATE_S),
    "batches": lambda f: f.batches.list(tenant_of(0), 50),
    "a batch": lambda f: f.batches.get(_batch_tenant(f), _batch(f)),
    "what became of a batch": lambda f: f.batches.counts(_batch_tenant(f), _batch(f)),
    "a batch's entries": lambda f: f.batches.entries(_batch_tenant(f), _batch(f)),
    "a batch's live jobs": lambda f: f.batches.live_jobs(_batch_tenant(f), _batch(f)),
    "batches without jobs": lambda f: f.batches.emptied(EARLY_S),
    "what to probe": lambda f: f.batches.to_probe(20),
    "a job's deliveries": lambda f: f.ledger.outbox.of_job(f.tenant, f.last),
    "recent deliveries": lambda f: f.ledger.outbox.recent(f.tenant),
    "failed deliveries": lambda f: f.ledger.outbox.recent(f.tenant, states=(DeliveryState.FAILED,)),
    "the audit log": lambda f: f.ledger.audit.list(f.tenant),
    "the audit log of a job": lambda f: f.ledger.audit.list(f.tenant, AuditFilter(object_id=f.last)),
    "a walk through the audit log": lambda f: f.ledger.audit.walk(f.tenant, limit=500),
    "the audit log's head": lambda f: f.ledger.audit.head(f.tenant),
    "receipts": lambda f: f.ledger.receipts.list(tenant_of(0)),
    "receipts of an object": lambda f: f.ledger.receipts.list(tenant_of(0), object_id="x0"),
    "begun erasures": lambda f: f.ledger.receipts.begun(NOW_S),
    "holds": lambda f: f.ledger.legal_holds.list(tenant_of(0)),
    "holds on a job": lambda f: f.ledger.legal_holds.of_job(f.ledger.get(f.tenant, f.last)),
    "jobs to index": lambda f: f.ledger.search.pending(20),
}
"""What may look at no more than `FEW` rows."""

OF_A_TENANT: dict[str, Callable[[Filled], object]] = {
    "a list by a name that nothing has": lambda f: f.ledger.list(f.tenant, JobFilter(filename_contains="nothing")),
    "counts": lambda f: f.ledger.counts(f.tenant),
    "counts by tenant": lambda f: f.ledger.counts_by_tenant([tenant_of(0)]),
    "the review queue": lambda f: f.ledger.review.list(tenant_of(0), ReviewFilter()),
    "what was heard": lambda f: f.ledger.review.list(tenant_of(0), ReviewFilter(heard=True)),
    "the audit log of an actor": lambda f: f.ledger.audit.list(f.tenant, AuditFilter(actor="nobody")),
    "the audit log of an action": lambda f: f.ledger.audit.list(f.tenant, AuditFilter(action=AuditAction.HOLD)),
}
"""What may look at all rows of one tenant, and at no others."""


def _batch(f: Filled) -> str:
    return batch_id(f.n_jobs - 1)


def _batch_tenant(f: Filled) -> str:
    return tenant_of((f.n_jobs - 1) // JOBS_PER_BATCH)


def check(found: list[Plan], max_rows: int) -> None:
    """Fail for a statement that reads a big table from end to end, or looks at too many rows."""
    assert found, "it makes no statement"
    told = "\n".join(map(str, found))
    assert not [plan for plan in found if plan.whole & BIG], told
    assert max(plan.n_rows for plan in found) <= max_rows, told
    assert max(plan.n_pages - PAGES_PER_ROW * plan.n_rows for plan in found) <= PAGES, told


def note_time(call: str, filled: Filled, do: Callable[[Filled], object]) -> None:
    """Append the median and the 95th percentile of `N_TIMES` calls, in milliseconds, as a row of a table."""
    if path := os.environ.get("MEETMEMO_QUERY_TIMES"):
        took_ms = []
        for _ in range(N_TIMES):
            began_s = time.perf_counter()
            do(filled)
            took_ms.append(1000 * (time.perf_counter() - began_s))
        took_ms.sort()
        with Path(path).open("a") as file:
            file.write(f"| {call} | {took_ms[N_TIMES // 2]:.1f} | {took_ms[N_TIMES * 95 // 100]:.1f} |\n")


@pytest.mark.parametrize("call", READS)
def test_it_reads_few_rows(filled: Filled, call: str) -> None:
    """A page costs what is on it."""
    with plans() as found:
        READS[call](filled)
    check(found, FEW)
    note_time(call, filled, READS[call])


@pytest.mark.parametrize("call", OF_A_TENANT)
def test_it_reads_one_tenants_rows(filled: Filled, call: str) -> None:
    """What a tenant counts or looks for in vain costs no more than its own history."""
    with plans() as found:
        OF_A_TENANT[call](filled)
    check(found, FEW + 2 * filled.of_tenant)
    note_time(call, filled, OF_A_TENANT[call])


def test_a_job_from_its_creation_to_its_erasure(filled: Filled) -> None:
    """Every statement that a job brings finds its rows by an index."""
    ledger = filled.ledger
    job = make_job("a" * 32, tenant="t000", created_at_s=NOW_S)
    with plans() as found:
        ledger.create_many([NewJob(job=job, idempotency_key="new", fingerprint="f"), NewJob(job=job, joins=True)])
        lease = ledger.acquire_lease("here", 30.0)
        assert lease is not None
        ledger.promote_economy(lease, NOW_S)
        claimed = ledger.claim(lease, 500)
        ledger.live(lease)
        ledger.cancel_requests(lease)
        mine = next(each for each in claimed if each.id == job.id)
        ledger.apply_many(lease, [JobUpdate(after(mine, Claimed()), mine.version)])
        ledger.request_cancel("t000", job.id)
        ledger.outbox.take_due(50, hold_s=60.0, per_target=4)
        ledger.holds.sweep()
        ledger.review.mark(tenant_of(0), f"{job_id(0)}.0.0-1000", author="a", heard=False)
        filled.batches.create_jobs(lease, 100, lambda: "b" * 32)
        filled.batches.retry(_batch_tenant(filled), _batch(filled))
        ledger.audit.append(
            [Deed(tenant="t000", action=AuditAction.ERASE, actor="a", kind=ObjectKind.JOB, object_id="x")]
        )
        ledger.delete(tenant_of(1), job_id(1))
    check(found, FEW)


def test_housekeeping(filled: Filled, tmp_path: Path) -> None:
    """An hour's turn over a ledger of which nothing is over looks at next to nothing; so does pruning of nothing."""
    nothing = Retention(results_days=10_000.0, audit_days=10_000.0)
    with plans() as found:
        enforce_retention(filled.ledger, LocalStore(tmp_path), nothing, NOW_S, filled.batches)
        filled.batches.to_probe(20)
    check(found, FEW)


def test_expiry_takes_the_oldest(filled: Filled, tmp_path: Path) -> None:
    """Jobs that are over are found without a look at those that are not."""
    age_days = (filled.n_jobs - 20) / DAY_S
    with plans() as found:
        expired = expire(filled.ledger, LocalStore(tmp_path), Retention(results_days=age_days), now_s=NOW_S)
    assert 10 <= len(expired) <= 20
    check(found, FEW)


def test_what_all_tenants_have_together_is_counted_by_an_index(filled: Filled) -> None:
    """The metrics count every job there is: a page of the index has 400 of them, one of the table 10."""
    with plans() as found:
        filled.ledger.counts()
    check(found, filled.n_jobs + 2 * N_LIVE)
    assert sum(plan.n_pages for plan in found) < filled.n_jobs / 100
    note_time("counts of everybody's jobs", filled, lambda filled: filled.ledger.counts())
