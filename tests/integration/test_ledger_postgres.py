"""The ledger in a real PostgreSQL server."""

import multiprocessing
import signal
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from pipelines.errors import LedgerUnavailable
from pipelines.jobs.events import Claimed
from pipelines.jobs.job import JobState
from pipelines.ledger import database
from pipelines.ledger.job_filter import JobFilter
from pipelines.ledger.open import open_ledger
from pipelines.ledger.protocol import JobUpdate
from pipelines.ledger.schema import is_ours, metadata
from tests.contracts.keeping import BatchHoldsContract
from tests.contracts.ledger import LedgerContract, after, make_job
from tests.contracts.review import BatchReviewContract
from tests.contracts.search import BatchSearchContract
from tests.fakes.ledger import ManualClock
from tests.servers import free_port
from tests.servers.postgres import PostgresServer, find_binaries
from tests.support.earlier_ledger import UNDO_0021

BINARIES = find_binaries()
pytestmark = pytest.mark.skipif(BINARIES is None, reason="no PostgreSQL server (initdb, postgres) is installed")


@pytest.fixture(scope="module")
def server():
    with PostgresServer(BINARIES) as server:
        yield server


@pytest.fixture
def schema():
    return f"t{uuid.uuid4().hex}"


@pytest.fixture
def url(server, schema):
    return server.url(schema)


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def ledger(url, clock):
    ledger = open_ledger(url, clock=clock)
    yield ledger
    ledger.close()


@pytest.fixture
def another(ledger, url, clock):
    ledger = open_ledger(url, clock=clock)
    yield ledger
    ledger.close()


class TestPostgresLedger(LedgerContract, BatchSearchContract, BatchReviewContract, BatchHoldsContract):
    """The contract of every ledger, in PostgreSQL."""


def test_migrations_give_the_tables(ledger, url):
    """The migrations make exactly the tables the program works with."""
    engine = create_engine(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "include_name": is_ours})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def open_and_create(url, barrier, job_id):
    """Open a ledger at the same moment as other processes do, and use it."""
    barrier.wait()
    ledger = open_ledger(url)
    ledger.create(make_job(job_id))
    ledger.close()


def test_jobs_from_before_that_lost_chunks_are_found(ledger, server, schema):
    """Quarantine lists jobs that gave up chunks before the ledger counted these in a column."""
    ledger.create(make_job("whole"))
    ledger.create(replace(make_job("torn"), n_failed_chunks=3))
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute(f"SET search_path = {schema}")
        for statement in UNDO_0021:
            connection.execute(statement)
    ledger.migrate()
    assert [job.id for job in ledger.list("acme", JobFilter(with_failed_chunks=True)).jobs] == ["torn"]


def test_processes_migrate_at_once(url):
    """Several processes that open a new ledger at the same moment all succeed, and the tables are made once."""
    spawn = multiprocessing.get_context("spawn")
    barrier = spawn.Barrier(3)
    processes = [spawn.Process(target=open_and_create, args=(url, barrier, f"j{i}")) for i in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=120)
        assert process.exitcode == 0
    ledger = open_ledger(url)
    assert ledger.counts()[JobState.QUEUED] == 3
    ledger.close()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["fast", "crash"])
def test_server_restarts(server, ledger, how):
    """While the server is down the ledger is unavailable; when it is back the same ledger goes on, nothing lost."""
    lease = ledger.acquire_lease("coordinator-1", 30.0)
    ledger.create(make_job("j1"))
    (job,) = ledger.claim(lease, 1)
    server.stop(how)
    try:
        for call in (ledger.check, lambda: ledger.create(make_job("j2")), lambda: ledger.get("acme", "j1")):
            with pytest.raises(LedgerUnavailable):
                call()
    finally:
        server.start()
    stored = ledger.apply(lease, after(job, Claimed()), job.version)
    assert ledger.get("acme", "j1") == stored


def test_a_connection_that_was_just_used_is_not_tried(ledger, monkeypatch):
    """A round trip for each transaction is spared; a connection that was idle for long is tried before it is used."""
    pings, ping = [], PGDialect_psycopg.do_ping

    def noting(dialect, connection):
        pings.append(connection)
        return ping(dialect, connection)

    monkeypatch.setattr(PGDialect_psycopg, "do_ping", noting)
    for _ in range(5):
        ledger.check()
    assert not pings
    monkeypatch.setattr(database, "PING_AFTER_S", 0.0)
    ledger.check()
    assert pings


def test_server_restarts_under_load(server, ledger):
    """Creations that fail while the server restarts are repeated with the same arguments: each job is there once."""
    n_threads, n_jobs = 4, 30

    def create(thread):
        n_failures = 0
        for i in range(n_jobs):
            while True:
                try:
                    ledger.create(make_job(f"j{thread}-{i}"), idempotency_key=f"{thread}-{i}", fingerprint="f")
                    break
                except LedgerUnavailable:
                    n_failures += 1
        return n_failures

    with ThreadPoolExecutor(n_threads) as pool:
        creators = [pool.submit(create, thread) for thread in range(n_threads)]
        server.stop(signal.SIGQUIT)
        server.start()
        assert sum(creator.result() for creator in creators) > 0
    assert ledger.counts()[JobState.QUEUED] == n_threads * n_jobs
    for thread in range(n_threads):
        assert len(ledger.events("acme", f"j{thread}-0")) == 1


def test_locked_rows(ledger, url, server, schema, monkeypatch):
    """A claim passes over jobs that somebody else has locked; a write waits for them, but not for ever."""
    monkeypatch.setattr(database, "LOCK_TIMEOUT_S", 0.2)
    impatient = open_ledger(url)
    lease = impatient.acquire_lease("coordinator-1", 30.0)
    for job_id in ("j1", "j2"):
        impatient.create(make_job(job_id))
    with psycopg.connect(server.dsn) as other:
        other.execute(f"SELECT * FROM {schema}.jobs WHERE id = 'j1' FOR UPDATE")
        assert [job.id for job in impatient.claim(lease, 5)] == ["j2"]
        with pytest.raises(LedgerUnavailable, match="lock timeout"):
            impatient.request_cancel("acme", "j1")
    assert [job.id for job in impatient.claim(lease, 5)] == ["j1"]
    impatient.close()


def test_read_only_server(ledger, server, schema):
    """A database that refuses writes makes the ledger unavailable to writers, and leaves it to readers."""
    ledger.create(make_job("j1"))
    standby = open_ledger(server.url(schema, settings="-cdefault_transaction_read_only=on"))
    for call in (standby.check, lambda: standby.create(make_job("j2"))):
        with pytest.raises(LedgerUnavailable, match="read-only"):
            call()
    assert standby.get("acme", "j1").id == "j1"
    standby.close()


def test_fence_holds_against_a_slow_write(ledger, another, clock):
    """A write that has checked its fence ends before a successor can get the lease, so none lands after it."""
    old = ledger.acquire_lease("coordinator-1", 30.0)
    for i in range(20):
        ledger.create(make_job(f"j{i}"))
    jobs = ledger.claim(old, 20)
    clock.advance(31)
    with ThreadPoolExecutor(2) as pool:
        write = pool.submit(ledger.apply_many, old, [JobUpdate(after(job, Claimed()), job.version) for job in jobs])
        take = pool.submit(another.acquire_lease, "coordinator-2", 30.0)
        new = take.result()
        seen = {job.state for job in another.list(None).jobs}
        error = write.exception()
    assert {job.state for job in another.list(None).jobs} == seen
    assert len(seen) == 1, "all jobs of a write change or none"
    assert (error is None) == (seen == {JobState.TRANSCRIBING})
    with pytest.raises(type(error) if error else Exception):
        ledger.apply(old, replace(jobs[0], detail="late"), jobs[0].version)
    assert another.heartbeat(new).fence == new.fence


def test_nobody_listens():
    """A server that cannot be reached makes the ledger unavailable."""
    with pytest.raises(LedgerUnavailable):
        open_ledger(f"postgresql+psycopg://meetmemo@127.0.0.1:{free_port()}/meetmemo")


def test_the_server_gives_up_connections_of_hosts_that_are_cut_off(url):
    """A host that is cut off within a transaction does not keep its locks: the server notices within seconds."""
    opened = database.Database(url)
    try:
        with opened.writing() as connection:
            shown = {
                name: connection.exec_driver_sql(f"SHOW {name}").scalar()
                for name in ("tcp_user_timeout", "tcp_keepalives_idle", "idle_in_transaction_session_timeout")
            }
    finally:
        opened.close()
    assert shown == {
        "tcp_user_timeout": "15000",
        "tcp_keepalives_idle": "10",
        "idle_in_transaction_session_timeout": "10s",
    }


def test_a_connection_in_use_is_closed_when_it_comes_back(url):
    """A thread that is within a transaction when the ledger is closed leaves no session at the server."""
    opened = database.Database(url)
    with opened.reading() as connection:
        raw = connection.connection.dbapi_connection
        opened.close()
        assert connection.exec_driver_sql("SELECT 1").scalar() == 1
    assert raw.closed
