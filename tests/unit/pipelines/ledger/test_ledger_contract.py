"""The ledgers that need no server, and what only the one in a SQLite file does."""

import os
import resource
import sqlite3
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, event

from pipelines.errors import ConfigurationError, JobUnknown, LedgerUnavailable
from pipelines.ledger import database, migrations
from pipelines.ledger.job_filter import JobFilter
from pipelines.ledger.open import open_ledger
from pipelines.ledger.schema import SCHEMA_REVISION, is_ours, metadata
from pipelines.scheduling.shards import WHOLE, Shard
from tests.contracts.keeping import BatchHoldsContract
from tests.contracts.ledger import LedgerContract, make_job
from tests.contracts.review import BatchReviewContract
from tests.contracts.search import BatchSearchContract, SearchContract, speech
from tests.fakes.ledger import ManualClock, MemoryLedger
from tests.support.earlier_ledger import UNDO_0019, UNDO_0020, UNDO_0021


@pytest.fixture
def clock():
    return ManualClock()


class TestMemoryLedger(LedgerContract):
    @pytest.fixture
    def ledger(self, clock):
        return MemoryLedger(clock=clock)

    @pytest.fixture
    def another(self, ledger):
        return ledger

    def test_outage(self, ledger):
        """During an outage every call fails as a real ledger would, and afterwards everything is there again."""
        ledger.create(make_job("j1"))
        ledger.outage = "switched off"
        for call in (ledger.check, ledger.counts, lambda: ledger.create(make_job("j2")), lambda: ledger.list(None)):
            with pytest.raises(LedgerUnavailable, match="switched off"):
                call()
        ledger.outage = ""
        assert [job.id for job in ledger.list(None).jobs] == ["j1"]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "new folder" / "ledger.db"


class TestSqliteLedger(LedgerContract, BatchSearchContract, BatchReviewContract, BatchHoldsContract):
    @pytest.fixture
    def url(self, path):
        return f"sqlite:///{path}"

    @pytest.fixture
    def ledger(self, path, clock):
        ledger = open_ledger(f"sqlite:///{path}", clock=clock)
        yield ledger
        ledger.close()

    @pytest.fixture
    def another(self, ledger, path, clock):
        ledger = open_ledger(f"sqlite:///{path}", clock=clock)
        yield ledger
        ledger.close()


@pytest.fixture
def ledger(path):
    ledger = open_ledger(f"sqlite:///{path}")
    yield ledger
    ledger.close()


@contextmanager
def before_each_statement(look):
    """Call ``look`` on the connection of every statement within the block, whichever engine sends it."""
    event.listen(Engine, "before_cursor_execute", look)
    try:
        yield
    finally:
        event.remove(Engine, "before_cursor_execute", look)


def run_python(script, **options):
    """Run a script in a process of its own that finds MeetMemo."""
    return subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.getcwd(), "PYTHONDONTWRITEBYTECODE": "1"},
        **options,
    )


def test_commits_reach_the_disk(ledger):
    """Acceptance means synced to disk: write-ahead log, a full sync per commit, foreign keys on."""
    found = {}

    def look(connection, cursor, *_statement):
        for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout"):
            (found[name],) = cursor.execute(f"PRAGMA {name}").fetchone()

    with before_each_statement(look):
        ledger.counts()
    assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 10_000}


def test_kill_after_create(path):
    """A job whose creation returned is there after its process was killed."""
    process = run_python(
        f"""
import os, signal
from pipelines.ledger.open import open_ledger
from tests.contracts.ledger import make_job
open_ledger("sqlite:///{path}").create(make_job("j1"))
os.kill(os.getpid(), signal.SIGKILL)
"""
    )
    process.communicate(timeout=120)
    assert process.returncode == -9
    ledger = open_ledger(f"sqlite:///{path}")
    assert ledger.get("acme", "j1").version == 1
    ledger.close()


def test_processes_migrate_at_once(path):
    """Several processes that open a new ledger at the same moment all succeed, and the tables are made once."""
    script = f"""
from pipelines.ledger.open import open_ledger
from tests.contracts.ledger import make_job
import os, sys
sys.stdin.read(1)
open_ledger("sqlite:///{path}").create(make_job(f"j{{os.getpid()}}"))
"""
    processes = [run_python(script, stdin=subprocess.PIPE) for _ in range(3)]
    for process in processes:
        process.stdin.write("x")
        process.stdin.close()
    for process in processes:
        assert process.wait(timeout=120) == 0
        process.stdout.close()
    ledger = open_ledger(f"sqlite:///{path}")
    assert sum(ledger.counts().values()) == 3
    ledger.close()


def test_locked_file(path, monkeypatch):
    """A ledger that another program keeps locked is unavailable, can still be read, and recovers by itself."""
    monkeypatch.setattr(database, "LOCK_TIMEOUT_S", 0.1)
    ledger = open_ledger(f"sqlite:///{path}")
    ledger.create(make_job("j1"))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    for call in (ledger.check, lambda: ledger.create(make_job("j2"))):
        with pytest.raises(LedgerUnavailable, match="locked"):
            call()
    assert ledger.get("acme", "j1").id == "j1"
    other.execute("ROLLBACK")
    other.close()
    ledger.check()
    with pytest.raises(JobUnknown):
        ledger.get("acme", "j2")
    ledger.close()


def test_full_disk(path):
    """When the system refuses to write more, creation fails and what was there stays."""
    process = run_python(
        f"""
from pipelines.errors import LedgerUnavailable
from pipelines.ledger.open import open_ledger
from tests.contracts.ledger import make_job
ledger = open_ledger("sqlite:///{path}")
for i in range(1000):
    try:
        ledger.create(make_job(f"j{{i}}"))
    except LedgerUnavailable as error:
        print(i)
        break
""",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, 600_000)),
    )
    refused, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    ledger = open_ledger(f"sqlite:///{path}")
    assert sum(ledger.counts().values()) == int(refused) > 0
    ledger.create(make_job("afterwards"))
    ledger.close()


def test_file_that_is_no_ledger(path):
    """A file that holds something else is reported, not overwritten."""
    path.parent.mkdir()
    path.write_bytes(b"My diary. " * 1_000)
    with pytest.raises(LedgerUnavailable, match="not a database"):
        open_ledger(f"sqlite:///{path}")
    assert path.read_bytes().startswith(b"My diary.")


def test_folder_that_cannot_be_made(tmp_path):
    """A ledger below a file cannot be made."""
    (tmp_path / "file").write_text("x")
    with pytest.raises(LedgerUnavailable):
        open_ledger(f"sqlite:///{tmp_path}/file/ledger.db")


def test_ledger_of_a_newer_version(path, ledger):
    """Tables that this program does not know are not touched."""
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(ConfigurationError, match="newer"):
        open_ledger(f"sqlite:///{path}")


def test_migrations_give_the_tables(ledger, path):
    """The migrations, one after another, make exactly the tables the program works with."""
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "include_name": is_ours})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_jobs_from_before_get_their_bucket(path, ledger):
    """Jobs that wait when the ledger is upgraded are found by the shard that they belong to."""
    ids = [f"j{number}" for number in range(20)]
    for job_id in ids:
        ledger.create(make_job(job_id))
    ledger.close()
    with sqlite3.connect(path) as connection:
        for statement in (*UNDO_0021, *UNDO_0020, *UNDO_0019):
            connection.execute(statement)
        connection.execute("ALTER TABLE jobs DROP COLUMN bucket")
        connection.execute("UPDATE alembic_version SET version_num = '0017'")
    connection.close()
    ledger.migrate()
    leases = [ledger.acquire_lease(f"owner-{index}", 30.0, Shard(index, 3)) for index in range(3)]
    claimed = [[job.id for job in ledger.claim(lease, 100)] for lease in leases]
    assert sorted(job_id for some in claimed for job_id in some) == sorted(ids)
    assert all(lease.shard.owns(job_id) for lease, some in zip(leases, claimed, strict=True) for job_id in some)


def test_jobs_from_before_that_lost_chunks_are_found(path, ledger):
    """Quarantine lists jobs that gave up chunks before the ledger counted these in a column."""
    ledger.create(make_job("whole"))
    ledger.create(replace(make_job("torn"), n_failed_chunks=3))
    ledger.close()
    with sqlite3.connect(path) as connection:
        for statement in UNDO_0021:
            connection.execute(statement)
    connection.close()
    ledger.migrate()
    assert [job.id for job in ledger.list("acme", JobFilter(with_failed_chunks=True)).jobs] == ["torn"]


def test_schema_revision_is_the_last_migration():
    """The program knows the name of the newest migration, and there is one line of them."""
    config = Config()
    config.set_main_option("script_location", os.path.dirname(migrations.__file__))
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_heads() == [SCHEMA_REVISION]


@pytest.fixture
def plans():
    """How SQLite goes about each query of jobs that is asked."""
    plans = []

    def explain(connection, cursor, statement, parameters, context, executemany):
        if "FROM jobs" in statement:
            cursor.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
            plans.append(" / ".join(row[3] for row in cursor.fetchall()))

    with before_each_statement(explain):
        yield plans


@pytest.mark.parametrize(
    ("index", "ask"),
    [
        ("ix_jobs_tenant_newest", lambda ledger, lease: ledger.list("acme")),
        ("ix_jobs_newest", lambda ledger, lease: ledger.list(None)),
        ("ix_jobs_external_id", lambda ledger, lease: ledger.list("acme", JobFilter(external_id="c1"))),
        ("ix_jobs_tenant_state", lambda ledger, lease: ledger.counts("acme")),
        ("ix_jobs_queue", lambda ledger, lease: ledger.claim(lease, 5)),
        ("ix_jobs_to_cancel", lambda ledger, lease: ledger.cancel_requests(lease)),
        ("ix_jobs_started", lambda ledger, lease: ledger.live(lease)),
    ],
    ids=["list", "list_all", "external_id", "counts", "claim", "cancel_requests", "live"],
)
@pytest.mark.parametrize("shard", [WHOLE, Shard(0, 2)], ids=["whole", "shard"])
def test_queries_use_indexes(ledger, plans, index, ask, shard):
    """What is asked all the time reads the index made for it, in its order, for one of several shards too."""
    ledger.create(make_job("waiting"))
    lease = ledger.acquire_lease("coordinator", 30.0, shard)
    plans.clear()
    ask(ledger, lease)
    found = [plan for plan in plans if f"INDEX {index}" in plan]
    assert found
    assert not any("TEMP B-TREE" in plan for plan in found)
    assert not any("SCAN jobs" in plan and "INDEX" not in plan for plan in plans)


def test_what_streams_ask_for_is_one_query_each(ledger, plans):
    """What changed of many tenants, their counts and many jobs are found by index, and never by a look at all jobs."""
    tenants = [f"tenant-{number}" for number in range(300)]
    plans.clear()
    ledger.changed(dict.fromkeys(tenants, 1.0), limit=500)
    ledger.counts_by_tenant(tenants)
    ledger.get_many([(tenant, "j1") for tenant in tenants])
    assert len(plans) == 3
    assert plans[0].count("ix_jobs_tenant_updated (tenant=? AND updated_at_s>?)") == 300
    assert "ix_jobs_tenant_state (tenant=?)" in plans[1]
    assert not any("SCAN jobs" in plan for plan in plans)


@pytest.mark.parametrize(
    "url",
    ["", "ledger.db", "sqlite://", "sqlite:///:memory:", "sqlite:///x?cache=shared", "mysql://u:secret@h/d", "x://"],
)
def test_urls_that_name_no_ledger(url):
    """A URL that names no ledger is a configuration error, and a password in it is not repeated."""
    with pytest.raises(ConfigurationError) as caught:
        open_ledger(url)
    assert "secret" not in str(caught.value)


def test_no_word_of_an_erased_transcript_stays_in_the_file(ledger, path):
    """The search index keeps words of deleted passages in lists of its own until a scrub merges them."""
    lease = ledger.acquire_lease("coordinator-1", 30.0)
    contract = SearchContract()
    for job_id in ("j1", "j2"):
        contract.put(ledger, lease, job_id, speech("usual words"), speech("xylophone" if job_id == "j1" else "usual"))
    ledger.delete("acme", "j1")
    assert ledger.scrub(1 << 30)
    ledger.close()
    assert b"xylophon" not in b"".join(each.read_bytes() for each in path.parent.iterdir())
