"""Backup of a ledger and a store that are in use, and their restoration elsewhere."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.backup import ledger_copy
from pipelines.backup.manifest import INDEX, MANIFEST, STORE, read_manifest, table_key
from pipelines.backup.restore import restore_backup
from pipelines.backup.write import write_backup
from pipelines.codec import encode
from pipelines.core import BlobRef
from pipelines.errors import ConfigurationError, StorageError
from pipelines.jobs.job import Job, JobOptions, JobState
from pipelines.ledger.open import ledger_revision, open_ledger
from pipelines.ledger.protocol import DrainMode, Ledger
from pipelines.ledger.schema import SCHEMA_REVISION, metadata
from pipelines.storage.layout import JobKeys
from pipelines.storage.open import open_store
from pipelines.storage.protocol import BlobStore
from tests.contracts.ledger_base import won
from tests.fakes.api_keys import OPERATOR
from tests.fakes.store import MemoryStore
from tests.support.in_process_cluster import InProcessCluster, succeeded
from tests.support.waiting import until

TABLES_SINCE_0013 = {
    *("review_items", "audit_heads", "sessions", "audit_entries", "legal_holds", "receipts"),
    *("minutes_spending", "minutes_reservations", "minutes_places"),
}
COLUMNS_SINCE_0013 = {"jobs": {"bucket", "n_failed_chunks"}}


class Installation:
    """A ledger in SQLite and a store in a folder."""

    def __init__(self, folder: Path) -> None:
        self.ledger_url = f"sqlite:///{folder}/ledger.sqlite3"
        self.ledger: Ledger = open_ledger(self.ledger_url)
        self.store: BlobStore = open_store(f"file://{folder}/store")

    def submit(self, job_id: str, *, tenant: str = "acme", **changes: object) -> Job:
        """Store a recording and a queued job."""
        source = self.store.put(JobKeys(tenant=tenant, job_id=job_id).source, b"sound of " + job_id.encode())
        job = Job(
            id=job_id,
            tenant=tenant,
            options=JobOptions(model="m"),
            source=BlobRef(key=source.key, n_bytes=source.n_bytes, sha256=source.sha256),
            filename=f"{job_id} \u2028 人.wav",
            created_at_s=1_000.0,
        )
        return self.ledger.create(replace(job, **changes))[0]  # type: ignore[arg-type]  # fields of a job

    def end(self, job: Job) -> None:
        """End a job as the Coordinator does: results in the store, the state in the ledger, then its data deleted."""
        keys = JobKeys(tenant=job.tenant, job_id=job.id)
        self.store.put(keys.result("transcript.txt"), b"text of " + job.id.encode())
        lease = won(self.ledger.acquire_lease("test", 60.0))
        self.ledger.claim(lease, 100)
        self.ledger.apply(lease, replace(job, state=JobState.SUCCEEDED), job.version)
        self.store.delete_prefix(keys.work)
        self.store.delete(keys.source)


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Installation]:
    (tmp_path / "here").mkdir()
    made = Installation(tmp_path / "here")
    yield made
    made.ledger.close()


@pytest.fixture
def backup() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def there_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/there.sqlite3"


def taken(installation: Installation, target: BlobStore, say: Callable[[str], None] = lambda line: None) -> None:
    write_backup(installation.ledger_url, installation.store, target, version="1", by=OPERATOR, say=say)


def restored(backup: BlobStore, ledger_url: str) -> tuple[Ledger, MemoryStore]:
    store = MemoryStore()
    restore_backup(backup, ledger_url, store)
    return open_ledger(ledger_url), store


def test_everything_is_there_again(here: Installation, backup: MemoryStore, there_url: str) -> None:
    """Jobs with history, keys of requests, switches, the identity, all blobs byte for byte, large ones too."""
    queued = here.submit("queued")
    here.end(here.submit("done"))
    here.ledger.create(replace(queued, id="keyed"), idempotency_key="k", fingerprint="f")
    here.ledger.set_drain_mode(DrainMode.QUEUEING)
    large = bytes(range(256)) * (40 << 10)  # more than is held in memory at once
    here.store.put("acme/voices/large", large)
    taken(here, backup)
    ledger, store = restored(backup, there_url)
    with closing(ledger):
        for name in ("queued", "done", "keyed"):
            assert ledger.get("acme", name) == here.ledger.get("acme", name)
            assert ledger.events("acme", name) == here.ledger.events("acme", name)
        assert ledger.create(replace(queued, id="again"), idempotency_key="k", fingerprint="f") == (
            here.ledger.get("acme", "keyed"),
            False,
        )
        assert ledger.drain_mode() is DrainMode.QUEUEING
        assert ledger.identity() == here.ledger.identity()
        assert [page.id for page in ledger.list("acme").jobs] == [page.id for page in here.ledger.list("acme").jobs]
    assert {key: store.get(key) for key in store.list("")} == {key: here.store.get(key) for key in here.store.list("")}
    assert store.get("acme/voices/large") == large


def test_the_lease_of_the_old_coordinator_is_over(here: Installation, backup: MemoryStore, there_url: str) -> None:
    """Another Coordinator begins at once, under a fence that is newer than every job's."""
    here.submit("queued")
    old = won(here.ledger.acquire_lease("old", 3600.0))
    here.ledger.claim(old, 1)
    taken(here, backup)
    ledger, _ = restored(backup, there_url)
    with closing(ledger):
        new = won(ledger.acquire_lease("new", 3600.0))
        assert new.fence == old.fence + 1
        assert [job.id for job in ledger.claim(new, 10)] == ["queued"]


async def test_a_restored_cluster_goes_on(here: Installation, backup: MemoryStore, there_url: str) -> None:
    """A job that has ended, one half transcribed and one queued, copied while a cluster works on them."""
    cluster = InProcessCluster(here.ledger, here.store, max_live_jobs=1)
    await cluster.coordinator.start()
    try:
        done = cluster.submit("done", range(1, 30))
        assert succeeded(await cluster.ended(done))
        cluster.engine.gate.clear()
        half, waits = cluster.submit("half", range(1, 90)), cluster.submit("waits", range(100, 140))
        await until(lambda: here.ledger.get("t", "half").state is JobState.TRANSCRIBING)
        taken(here, backup)
        cluster.engine.gate.set()
    finally:
        await cluster.coordinator.stop()
    ledger, store = restored(backup, there_url)
    with closing(ledger):
        assert ledger.get("t", "half").state is JobState.TRANSCRIBING
        other = InProcessCluster(ledger, store, owner="elsewhere")
        await other.coordinator.start()
        try:
            assert succeeded(await other.ended(done, half, waits))
        finally:
            await other.coordinator.stop()
        assert [other.words(each) for each in (done, half, waits)] == [
            list(range(1, 30)),
            list(range(1, 90)),
            list(range(100, 140)),
        ]


def test_what_comes_while_blobs_are_copied(here: Installation, backup: MemoryStore, there_url: str) -> None:
    """A job that came, and one that ended, between the first look at the store and the ledger's copy."""
    early = here.submit("early")

    def meanwhile(line: str) -> None:
        if "now the ledger" in line:
            here.submit("late")
            here.end(early)

    taken(here, backup, meanwhile)
    ledger, store = restored(backup, there_url)
    with closing(ledger):
        assert ledger.get("acme", "late").state is JobState.QUEUED
        assert ledger.get("acme", "early").state is JobState.SUCCEEDED
    late, gone = JobKeys(tenant="acme", job_id="late"), JobKeys(tenant="acme", job_id="early")
    assert store.get(late.source) == b"sound of late"
    assert store.get(gone.result("transcript.txt")) == b"text of early"
    assert not store.exists(gone.source)


def test_a_job_that_comes_and_ends_meanwhile(
    here: Installation, backup: MemoryStore, there_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its recording was in no look at the store: the ledger is copied once more, and knows it as ended."""
    lines: list[str] = []
    copy_out = ledger_copy.copy_out
    jobs: list[Job] = []

    def then_it_ends(url: str, folder: Path) -> dict[str, int]:
        if not jobs:
            jobs.append(here.submit("quick"))
        found = copy_out(url, folder)
        if len(jobs) == 1:
            here.end(jobs[0])
            jobs.append(jobs[0])
        return found

    monkeypatch.setattr(ledger_copy, "copy_out", then_it_ends)
    taken(here, backup, lines.append)
    assert any("once more" in line for line in lines)
    ledger, store = restored(backup, there_url)
    with closing(ledger):
        assert ledger.get("acme", "quick").state is JobState.SUCCEEDED
    assert store.get(JobKeys(tenant="acme", job_id="quick").result("transcript.txt")) == b"text of quick"


def test_working_data_that_are_being_deleted(
    here: Installation, backup: MemoryStore, there_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job whose data go while they are copied begins with its recording again: half of them would be a lie."""
    job = here.submit("ending")
    keys = JobKeys(tenant="acme", job_id="ending")
    for key in (keys.pcm(0, 0), keys.span(0), keys.summary):
        here.store.put(key, b"work")
    copy_out = ledger_copy.copy_out

    def then_it_ends(url: str, folder: Path) -> dict[str, int]:
        found = copy_out(url, folder)
        here.end(job)
        return found

    monkeypatch.setattr(ledger_copy, "copy_out", then_it_ends)
    taken(here, backup)
    ledger, store = restored(backup, there_url)
    with closing(ledger):
        assert ledger.get("acme", "ending").state is JobState.QUEUED
    assert store.get(keys.source) == b"sound of ending"
    assert list(store.list(keys.work)) == []


def test_what_is_erased_meanwhile_is_not_kept(here: Installation, backup: MemoryStore) -> None:
    """A job that is erased while the backup is taken is not in it, neither in the ledger nor among the blobs."""
    job = here.submit("secret")
    here.end(job)

    def erase(line: str) -> None:
        if "now the ledger" in line:
            here.ledger.delete("acme", "secret")
            here.store.delete_prefix(JobKeys(tenant="acme", job_id="secret").root)

    taken(here, backup, erase)
    assert [key for key in backup.list("") if "secret" in key] == []
    assert b"secret" not in backup.get(table_key("jobs")) + backup.get(INDEX)


def test_blobs_of_ended_jobs_are_copied_once(here: Installation, backup: MemoryStore) -> None:
    """What cannot have changed is not copied again after the ledger."""
    job = here.submit("old")
    here.end(job)
    read: list[str] = []
    opened = here.store.open

    class Watched:
        def __getattr__(self, name: str) -> object:
            return getattr(here.store, name)

        def open(self, key: str) -> object:
            read.append(key)
            return opened(key)

    soon = time.time() + 3600
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time", lambda: soon)
        write_backup(here.ledger_url, Watched(), backup, version="1", by=OPERATOR)  # type: ignore[arg-type]  # a store
    assert read == [JobKeys(tenant="acme", job_id="old").result("transcript.txt")]


def test_a_backup_is_not_written_over_another(here: Installation, backup: MemoryStore) -> None:
    taken(here, backup)
    with pytest.raises(ConfigurationError, match="a backup here already"):
        taken(here, backup)


def test_without_its_last_part_there_is_no_backup(here: Installation, backup: MemoryStore, there_url: str) -> None:
    here.submit("j")
    taken(here, backup)
    backup.delete(MANIFEST)
    with pytest.raises(ConfigurationError, match="no backup here"):
        restored(backup, there_url)


@pytest.mark.parametrize("part", [INDEX, table_key("jobs"), f"{STORE}acme/j/source"])
def test_a_damaged_backup(here: Installation, backup: MemoryStore, there_url: str, part: str) -> None:
    """Is refused, and the ledger stays without tables."""
    here.submit("j")
    taken(here, backup)
    backup.put(part, backup.get(part)[:-1] + b"?")
    with pytest.raises(StorageError, match="damaged"):
        restored(backup, there_url)
    assert ledger_revision(there_url) is None


def test_only_into_what_is_empty(here: Installation, backup: MemoryStore, there_url: str) -> None:
    """A ledger with jobs and a store with other blobs are refused, both untouched."""
    here.submit("j")
    taken(here, backup)
    with pytest.raises(ConfigurationError, match="ledger is not empty"):
        restore_backup(backup, here.ledger_url, MemoryStore())
    used = MemoryStore()
    used.put("acme/other/source", b"x")
    with pytest.raises(ConfigurationError, match="store is not empty"):
        restore_backup(backup, there_url, used)
    assert list(used.list("")) == ["acme/other/source"]


def test_an_interrupted_restoration_is_begun_again(here: Installation, backup: MemoryStore, there_url: str) -> None:
    """What the first one left in the store, also a torn part, is the backup's own."""
    here.submit("j")
    taken(here, backup)
    store = MemoryStore()
    store.put("acme/j/source", b"sou")
    restore_backup(backup, there_url, store)
    assert store.get("acme/j/source") == b"sound of j"


def test_a_backup_of_an_older_version(here: Installation, backup: MemoryStore, there_url: str) -> None:
    """Its tables are made as they were, and brought up to date with the rows in them."""
    here.submit("j")
    taken(here, backup)
    manifest = read_manifest(backup)
    tables = {name: copied for name, copied in manifest.tables.items() if name not in TABLES_SINCE_0013}
    for name, columns in COLUMNS_SINCE_0013.items():
        lines = [json.loads(line) for line in backup.get(table_key(name)).splitlines()]
        kept = [place for place, column in enumerate(lines[0]) if column not in columns]
        text = b"".join(json.dumps([line[place] for place in kept]).encode() + b"\n" for line in lines)
        tables[name] = replace(tables[name], sha256=backup.put(table_key(name), text).sha256)
    backup.put(MANIFEST, encode(replace(manifest, revision="0013", tables=tables)))
    ledger, _ = restored(backup, there_url)
    with closing(ledger):
        assert ledger.get("acme", "j").state is JobState.QUEUED
    assert ledger_revision(there_url) == SCHEMA_REVISION


def test_a_backup_of_a_newer_version(here: Installation, backup: MemoryStore, there_url: str) -> None:
    here.submit("j")
    taken(here, backup)
    backup.put(MANIFEST, encode(replace(read_manifest(backup), revision="9999")))
    with pytest.raises(ConfigurationError, match="newer"):
        restored(backup, there_url)


def test_every_table_is_copied_or_left_out_on_purpose(here: Installation, backup: MemoryStore) -> None:
    """A table that is added to the schema is in the backup: each has its line of columns."""
    taken(here, backup)
    manifest = read_manifest(backup)
    assert set(manifest.tables) == {table.name for table in metadata.sorted_tables} - ledger_copy.LEFT_OUT
    for name in manifest.tables:
        assert json.loads(backup.get(table_key(name)).splitlines()[0])
