"""Erasure: what writers leave after it, what tenants have beside their jobs, and what deleted rows leave in a file."""

import asyncio
import sqlite3
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from deployments.artifacts.parked_minutes import DeferredMinutes
from deployments.ports import MinutesRequest
from deployments.retention.erasure import erase, erase_blobs, scrub
from deployments.retention.housekeeping import DAY_S, Retention, enforce_retention, sweep
from deployments.retention.scrubber import Scrubber
from deployments.retention.tenant_leftovers import SPENDING_DAYS
from deployments.workers.minutes_writer import MinutesWriter
from pipelines.codec import encode
from pipelines.core import Minutes, Usage
from pipelines.errors import JobUnknown, LedgerUnavailable, StoreUnavailable
from pipelines.ids import created_at_s, new_id
from pipelines.ledger.database import Database
from pipelines.ledger.open import open_ledger
from pipelines.ledger.sql_ledger import SqlLedger
from pipelines.minutes.llm.cache import MinutesCache
from pipelines.minutes.protocol import PaidMinutes
from pipelines.storage.layout import JobKeys, TenantKeys
from tests.contracts.ledger_base import make_job
from tests.fakes.ledger import ManualClock, MemoryLedger
from tests.fakes.store import MemoryStore
from tests.support.llm_lab import meeting
from tests.support.waiting import until
from tests.unit.deployments.retention.test_housekeeping import SUCCESS, Site
from tests.unit.pipelines.storage.test_key_layout import made_by

NOW_S = 1_900_000_000.0
PAID = PaidMinutes(
    minutes=Minutes(title="Secret", language="en", writer="llm", model="m", summary="secret"), usage=Usage()
)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


# The list of places


async def test_every_place_of_the_layout_is_erased(store: MemoryStore) -> None:
    """Whatever key the layout makes for a job, a blob there is gone afterwards, and another job's stay."""
    keys, other = JobKeys(tenant="t", job_id=new_id()), JobKeys(tenant="t", job_id=new_id())
    for own in (keys, other):
        for key in made_by(own).values():
            store.put(f"{key}x" if key.endswith(("/", "-")) else key, b"x")
        await MinutesCache(store).put("t", own.job_id, f"digest-{own.job_id}", PAID)
    origin = JobKeys(tenant="t", job_id=new_id())
    store.put(origin.rewriting(keys.job_id), b"")
    before = set(store.list(""))
    deleted = erase_blobs(store, keys, version_of=origin.job_id)
    assert set(deleted) == {key for key in before if keys.job_id in key}
    assert set(store.list("")) == before - set(deleted)
    assert store.exists(TenantKeys(tenant="t").paid_minutes_of(f"digest-{other.job_id}"))


async def test_minutes_that_another_job_paid_for_since_are_still_found(store: MemoryStore) -> None:
    """What the tenant's cache says is of another job stays."""
    first, second = new_id(), new_id()
    for job_id in (first, second):
        await MinutesCache(store).put("t", job_id, "digest", PAID)
    erase_blobs(store, JobKeys(tenant="t", job_id=first))
    known = await MinutesCache(store).get("t", "digest")
    assert known is not None
    assert known.job_id == second


def test_an_erasure_that_failed_is_repeated(store: MemoryStore) -> None:
    """The ledger knows a job until its blobs are gone."""
    ledger = MemoryLedger()
    job, _ = ledger.create(make_job())
    store.put(job.source.key, b"x")
    store.outage = "away"
    with pytest.raises(StoreUnavailable):
        erase(ledger, store, job)
    store.outage = ""
    assert erase(ledger, store, ledger.get("acme", "j1")).keys == [job.source.key]
    with pytest.raises(JobUnknown):
        ledger.get("acme", "j1")


def test_a_scrub_that_fails_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who erases a job is not told that the file could not be rewritten: housekeeping tries again."""
    ledger = MemoryLedger()

    def busy(max_bytes: int) -> bool:
        raise LedgerUnavailable("database is locked")

    monkeypatch.setattr(ledger, "scrub", busy)
    scrub(ledger, 1)


async def others_done() -> None:
    """Wait for the tasks that this one has begun."""
    await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()})


async def test_many_erasures_share_a_scrub(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first is followed by one at once; others by one for all of them, which takes a tenth of the time at most."""
    ledger, clock, n_scrubs, slept = MemoryLedger(), ManualClock(), [], []

    def take_a_second(max_bytes: int) -> bool:
        n_scrubs.append(1)
        clock.advance(1.0)
        return True

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(ledger, "scrub", take_a_second)
    scrubber = Scrubber(ledger, clock, sleep)
    await scrubber.scrub()
    assert len(n_scrubs) == 1
    clock.advance(0.5)
    for _ in range(100):
        await scrubber.scrub()
    await others_done()
    assert len(n_scrubs) == 2
    assert slept == [pytest.approx(8.5)]
    clock.advance(9.0)
    await scrubber.scrub()
    assert (len(n_scrubs), len(slept)) == (3, 1)


async def test_what_is_erased_during_a_scrub_gets_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """A scrub that has begun may have passed over it."""
    ledger, going, n_begun = MemoryLedger(), threading.Event(), []

    def wait(max_bytes: int) -> bool:
        n_begun.append(1)
        return going.wait(30)

    monkeypatch.setattr(ledger, "scrub", wait)
    scrubber = Scrubber(ledger, clock=lambda: 0.0)
    first = asyncio.create_task(scrubber.scrub())
    await until(lambda: len(n_begun) == 1)
    await scrubber.scrub()
    await scrubber.scrub()
    going.set()
    await first
    await others_done()
    assert len(n_begun) == 2


# Writers that are late


@pytest.mark.parametrize("parked", [False, True])
async def test_minutes_that_come_after_an_erasure_leave_nothing(store: MemoryStore, parked: bool) -> None:
    """A job is erased while its minutes are being written: neither documents nor minutes nor a mark stay."""
    request = MinutesRequest(tenant="acme", job_id="a1", title="Call", minutes="llm", language=None)
    keys = JobKeys(tenant="acme", job_id="a1")
    store.put(keys.transcript, encode(meeting(1)))

    class Slow:
        async def write(self, transcript, options):
            await asyncio.to_thread(erase_blobs, store, keys)
            return PAID.minutes

    writer = MinutesWriter(store=store, writers={"llm": Slow()}, clock=lambda: NOW_S)
    if parked:
        DeferredMinutes(store).park(request, "later")
        assert await writer.follow_up(SimpleNamespace(minutes_followed=pytest.fail)) == 1
    else:
        with pytest.raises(JobUnknown):
            await writer.write(request)
    assert list(store.list("")) == []


async def test_what_is_written_even_later_is_swept(store: MemoryStore) -> None:
    """A call that was paid for ends after the erasure: its minutes are found by there being no transcript."""
    job_id = new_id()
    born_s = created_at_s(job_id)
    assert born_s is not None
    ledger = MemoryLedger()
    await MinutesCache(store).put("t", job_id, "digest", PAID)
    enforce_retention(ledger, store, Retention(), born_s + 3599)
    assert len(list(store.list(""))) == 2
    enforce_retention(ledger, store, Retention(), born_s + 3601)
    assert list(store.list("")) == []


def test_results_of_unknown_jobs_with_a_transcript_stay(store: MemoryStore) -> None:
    """A ledger that was restored from a copy may not know them: results are no leftovers."""
    keys = JobKeys(tenant="t", job_id=new_id())
    for key in (keys.transcript, keys.result("minutes.md"), keys.source):
        store.put(key, b"x")
    enforce_retention(MemoryLedger(), store, Retention(), NOW_S)
    assert list(store.list("")) == [keys.transcript, keys.result("minutes.md")]


def test_a_job_that_runs_keeps_its_results(store: MemoryStore) -> None:
    """Minutes of a part come before any transcript's documents; a job that the ledger knows is not touched."""
    site = Site(store)
    job = site.job()
    keys = JobKeys(tenant="t", job_id=job.id)
    store.delete(keys.transcript)
    store.put(keys.minutes("digest"), b"x")
    enforce_retention(site.ledger, store, Retention(), NOW_S)
    assert store.exists(keys.minutes("digest"))


def test_the_ledger_is_asked_about_leftovers_only(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A round costs no query for each of the many jobs that have results and nothing else."""
    site = Site(store)
    keys = JobKeys(tenant="t", job_id=site.job(*SUCCESS).id)
    store.delete(keys.source)
    store.delete_prefix(keys.work)
    store.put(keys.result("minutes.md"), b"x")
    monkeypatch.setattr(site.ledger, "get", pytest.fail)
    assert sweep(site.ledger, store, now_s=NOW_S) == []


def test_parked_minutes_of_jobs_that_are_gone_are_forgotten(store: MemoryStore) -> None:
    """Also where nobody writes minutes any more; those of a job that is there stay."""
    site = Site(store)
    job = site.job(*SUCCESS)
    gone = new_id()
    for job_id in (job.id, gone):
        request = MinutesRequest(tenant="t", job_id=job_id, title="Call", minutes="llm", language=None)
        DeferredMinutes(store).park(request, "later")
    enforce_retention(site.ledger, store, Retention(), site.clock())
    assert [entry.request.job_id for entry in DeferredMinutes(store).list()] == [job.id]


# What tenants have beside their jobs


async def test_names_of_minutes_that_are_gone_expire(store: MemoryStore) -> None:
    """An entry of the cache outlives its minutes by one round of housekeeping."""
    site = Site(store)
    job = site.job(*SUCCESS)
    keys, cache = JobKeys(tenant="t", job_id=job.id), MinutesCache(store)
    await cache.put("t", job.id, "kept", PAID)
    await cache.put("t", job.id, "gone", PAID)
    store.delete(keys.minutes("gone"))
    store.put(TenantKeys(tenant="t").paid_minutes_of("torn"), b"torn")
    enforce_retention(site.ledger, store, Retention(), site.clock())
    assert list(store.list(TenantKeys(tenant="t").paid_minutes)) == [TenantKeys(tenant="t").paid_minutes_of("kept")]
    assert await cache.get("t", "kept") is not None


def test_spending_expires(store: MemoryStore) -> None:
    """Days of long ago go, this month's stay, and what is no day."""
    today = datetime.fromtimestamp(NOW_S, UTC).date()
    keys = TenantKeys(tenant="t")
    days = [today - timedelta(days=n) for n in (0, 1, SPENDING_DAYS, SPENDING_DAYS + 1, 400)]
    for day in days:
        store.put(keys.spending_of(day), b"{}")
    store.put(f"{keys.spending}notes.txt", b"x")
    enforce_retention(MemoryLedger(), store, Retention(), NOW_S)
    kept = {*map(keys.spending_of, days[:3]), f"{keys.spending}notes.txt"}
    assert set(store.list(keys.spending)) == kept


def test_clips_of_voices_do_not_stay(store: MemoryStore) -> None:
    """A process that was killed leaves one behind; one that is being heard stays, and so do profiles."""
    keys = TenantKeys(tenant="t")
    old, new = (f"{round((NOW_S - age_s) * 1000):012x}{'0' * 20}" for age_s in (7200, 60))
    for key in (keys.voice_clip(old), keys.voice_clip(new), keys.voice(old)):
        store.put(key, b"x")
    enforce_retention(MemoryLedger(), store, Retention(), NOW_S)
    assert set(store.list("t/")) == {keys.voice_clip(new), keys.voice(old)}


def test_another_ledgers_store_keeps_its_own(store: MemoryStore) -> None:
    """What no job of this ledger explains is the other ledger's."""
    store.claim("somebody else's")
    store.put(TenantKeys(tenant="t").paid_minutes_of("torn"), b"torn")
    store.put(TenantKeys(tenant="t").spending_of(datetime(2020, 1, 1, tzinfo=UTC).date()), b"{}")
    store.put(JobKeys(tenant="t", job_id=new_id()).minutes("late"), b"x")
    before = list(store.list(""))
    enforce_retention(MemoryLedger(), store, Retention(), NOW_S)
    assert list(store.list("")) == before


# The ledger's file


def _traces(folder: Path, word: bytes) -> list[str]:
    return [path.name for path in sorted(folder.iterdir()) if word in path.read_bytes()]


def test_deleted_rows_leave_no_bytes(tmp_path: Path) -> None:
    """Many jobs of many sizes, written again and again: balancing copies rows about, and none of it is left."""
    ledger = open_ledger(f"sqlite:///{tmp_path}/ledger.sqlite3")
    jobs = [ledger.create(make_job(f"j{n:03d}", filename=f"secret-{n:03d}-" * (n % 90 + 1)))[0] for n in range(300)]
    for job in jobs:
        ledger.request_cancel("acme", job.id)
    for job in jobs[::2]:
        ledger.delete("acme", job.id)
    words = [f"secret-{n:03d}-".encode() for n in range(0, 300, 2)]
    assert any(_traces(tmp_path, word) for word in words)  # although every connection overwrites what it deletes
    assert ledger.scrub(1 << 30)
    assert not [word for word in words if _traces(tmp_path, word)]
    assert _traces(tmp_path, b"secret-001-") == ["ledger.sqlite3"]
    ledger.close()


def test_a_large_file_is_left_to_others(tmp_path: Path) -> None:
    """Beyond the bound the file is not rewritten, which is told; once it was, there is nothing to do."""
    ledger = open_ledger(f"sqlite:///{tmp_path}/ledger.sqlite3")
    ledger.create(make_job())
    ledger.delete("acme", "j1")
    assert not ledger.scrub(1000)
    assert ledger.scrub(1 << 30)
    assert ledger.scrub(1000)
    ledger.create(make_job())
    assert ledger.scrub(1000)
    ledger.delete("acme", "j1")
    assert not ledger.scrub(1000)
    ledger.close()


def test_a_reader_puts_it_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody still reads an old page: the log stays, which is told, and goes the next time."""
    monkeypatch.setattr("pipelines.ledger.database.CHECKPOINT_TIMEOUT_MS", 1)
    path = tmp_path / "ledger.sqlite3"
    ledger = open_ledger(f"sqlite:///{path}")
    ledger.create(make_job(filename="secret"))
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM jobs").fetchone()
    ledger.delete("acme", "j1")
    assert not ledger.scrub(1 << 30)
    reader.execute("COMMIT")
    assert ledger.scrub(1 << 30)
    assert not _traces(tmp_path, b"secret")
    reader.close()
    ledger.close()


def test_rows_deleted_meanwhile_are_not_forgotten(tmp_path: Path) -> None:
    """Writers go on while the file is rewritten; what they delete is work for the next time."""
    url = f"sqlite:///{tmp_path}/ledger.sqlite3"
    ledger, other = open_ledger(url), open_ledger(url)
    for n in range(200):
        ledger.create(make_job(f"j{n}", filename="secret" * 100))

    def delete_all() -> None:
        for n in range(200):
            other.delete("acme", f"j{n}")

    deleting = threading.Thread(target=delete_all)
    deleting.start()
    while deleting.is_alive():
        ledger.scrub(1 << 30)
    deleting.join()
    assert ledger.scrub(1 << 30)
    assert not _traces(tmp_path, b"secret")
    ledger.close()
    other.close()


def test_a_scrub_that_cannot_be_done_is_an_outage(tmp_path: Path) -> None:
    """A file that cannot be rewritten now stays as it was, can be used, and is rewritten the next time."""
    path = tmp_path / "ledger.sqlite3"
    ledger = open_ledger(f"sqlite:///{path}")
    ledger.create(make_job(filename="secret"))
    ledger.delete("acme", "j1")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipelines.ledger.database.LOCK_TIMEOUT_S", 0.01)
        with pytest.raises(LedgerUnavailable):
            SqlLedger(f"sqlite:///{path}").scrub(1 << 30)
    other.execute("COMMIT")
    other.close()
    assert ledger.create(make_job("j2"))[1]
    assert ledger.scrub(1 << 30)
    assert not _traces(tmp_path, b"secret")
    ledger.close()


def test_every_connection_overwrites(tmp_path: Path) -> None:
    """Those of keys and batches, too, which have a pool of their own."""
    database = Database(f"sqlite:///{tmp_path}/x.sqlite3")
    with database.reading() as connection:
        assert connection.exec_driver_sql("PRAGMA secure_delete").scalar_one() == 1
    database.close()


def test_retention_leaves_no_bytes(tmp_path: Path, store: MemoryStore) -> None:
    """What expires is overwritten as well, in the same round of housekeeping."""
    site = Site(store)
    ledger = open_ledger(f"sqlite:///{tmp_path}/ledger.sqlite3")
    site.ledger = ledger
    site.job(*SUCCESS)
    ledger.create(make_job("live", filename="stays"))
    assert _traces(tmp_path, b"a.wav")
    enforce_retention(ledger, store, Retention(results_days=1.0), site.clock() + 4e9 + DAY_S)
    assert not _traces(tmp_path, b"a.wav")
    assert _traces(tmp_path, b"stays")
    ledger.close()
