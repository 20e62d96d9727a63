"""What the store holds of uploads, and a machine's disk of recordings, goes with its job, its time or its process."""

import tempfile
from pathlib import Path

import pytest

from deployments.intake.adoption import FOLDER, adopt_spooled
from deployments.intake.resumable.records import Resumable
from deployments.intake.resumable.uploads import LIFETIME_S, ResumableUploads, job_key
from deployments.intake.spool_sweep import SpoolUse
from deployments.limits import TenantLimits
from deployments.retention.erasure import erase_blobs
from deployments.retention.housekeeping import sweep as sweep_jobs
from deployments.workers.scratch import scratch_folder, sweep_scratch
from pipelines.codec import encode
from pipelines.errors import NotFound
from pipelines.ids import new_id
from pipelines.jobs.job import JobOptions
from pipelines.jobs.reference import Reference
from pipelines.storage.layout import JobKeys, PieceKeys
from tests.contracts.ledger_base import make_job
from tests.fakes.ledger import ManualClock, MemoryLedger
from tests.fakes.store import MemoryStore

OPTIONS = JobOptions(model="m", prompt="quagga")
REFERENCE = Reference(external_id="zanzibar", metadata=(("caller", "zanzibar"),))


class Site:
    """The uploads of a store and a ledger; time stands still."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock()
        self.store = MemoryStore()
        self.ledger = MemoryLedger(clock=self.clock)
        self.uploads = ResumableUploads(
            self.store, self.ledger, folder, clock=self.clock, new_id=self.new_id, min_free_bytes=0, max_open=10
        )

    def new_id(self) -> str:
        return f"{int(self.clock() * 1000):012x}{new_id()[12:]}"

    def begin(self, tenant: str = "t", concat: str = "") -> Resumable:
        return self.uploads.create(tenant, 3, "zanzibar.wav", OPTIONS, TenantLimits(), REFERENCE, concat)

    @property
    def blobs(self) -> list[str]:
        return list(self.store.list(""))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_nothing_stays_of_an_upload_that_became_its_job(site: Site) -> None:
    """Which job it became, the ledger tells clients that heard no answer, for a day."""
    record = site.begin()
    site.uploads.keep(record, 0, b"abc")
    site.ledger.create(make_job(record.id, tenant="t", created_at_s=site.clock()), idempotency_key=job_key(record.id))
    site.uploads.finish(record, record.id)
    assert site.blobs == []
    again, _ = site.uploads.get("t", record.id)
    assert again.job_id == record.id
    with pytest.raises(NotFound):
        site.uploads.get("u", record.id)
    site.clock.advance(LIFETIME_S + 1)
    with pytest.raises(NotFound):
        site.uploads.get("t", record.id)


def test_a_job_that_was_no_upload_is_none(site: Site) -> None:
    """The id of another job is no upload's."""
    job = make_job(site.new_id(), tenant="t", created_at_s=site.clock())
    site.ledger.create(job)
    with pytest.raises(NotFound):
        site.uploads.get("t", job.id)


@pytest.mark.parametrize("concat", ["", "final;/v1/uploads/1"])
def test_the_record_of_a_job_holds_no_words(site: Site, concat: str) -> None:
    """Where a record has to stay, it says which job, and not what the upload was called and wanted."""
    record = site.begin(concat=concat)
    site.uploads.keep(record, 0, b"abc")
    site.uploads.finish(record, "another" if not concat else record.id)
    assert site.blobs == [record.keys.record]
    text = site.store.get(record.keys.record).decode()
    assert "zanzibar" not in text
    assert "quagga" not in text
    again, n_there = site.uploads.get("t", record.id)
    assert (again.job_id, n_there) == ("another" if not concat else record.id, 3)


def test_a_purge_takes_along_what_a_killed_process_left(site: Site) -> None:
    """A job's purge deletes pieces that its upload's process did not live to delete, and no other upload's."""
    mine, other, theirs = site.begin(), site.begin(), site.begin("u")
    for record in (mine, other, theirs):
        site.uploads.keep(record, 0, b"abc")
    deleted = erase_blobs(site.store, JobKeys(tenant="t", job_id=mine.id))
    assert deleted == [mine.keys.piece(0, 3), mine.keys.record]
    assert {*site.blobs} == {key for record in (other, theirs) for key in (record.keys.record, record.keys.piece(0, 3))}


def test_what_is_abandoned_goes(site: Site) -> None:
    """Uploads that expired, and nothing of those that did not."""
    old = site.begin()
    site.uploads.keep(old, 0, b"ab")
    site.clock.advance(LIFETIME_S - 1)
    young = site.begin()
    site.uploads.keep(young, 0, b"a")
    assert site.uploads.sweep() == SpoolUse(n_files=2, n_bytes=3, idle_s=LIFETIME_S - 1)
    site.clock.advance(2)
    assert site.uploads.sweep() == SpoolUse(n_files=1, n_bytes=1, idle_s=2.0)
    assert site.blobs == [young.keys.piece(0, 1), young.keys.record]
    assert site.uploads.use.n_files == 1


def test_leftovers_of_killed_processes_go(site: Site) -> None:
    """Pieces without a record, and records that cannot be read, go after a day; what is no upload stays."""
    torn, lost = (PieceKeys(tenant="t", upload_id=site.new_id()) for _ in range(2))
    site.store.put(torn.record, b"{")
    site.store.put(lost.piece(0, 3), b"abc")
    site.store.put("_uploads/t/no-id/record.json", b"{")
    site.uploads.sweep()
    assert len(site.blobs) == 3
    site.clock.advance(LIFETIME_S + 1)
    site.uploads.sweep()
    assert site.blobs == ["_uploads/t/no-id/record.json"]


def test_a_record_that_names_another_upload_is_none(site: Site) -> None:
    """A record under another upload's id is not believed."""
    record = site.begin()
    other = PieceKeys(tenant="t", upload_id="0" * 32)
    site.store.put(other.record, site.store.get(record.keys.record))
    with pytest.raises(NotFound):
        site.uploads.get("t", "0" * 32)
    assert site.uploads.get("t", record.id) == (record, 0)


def test_a_source_that_is_just_put_together_stays(site: Site) -> None:
    """Housekeeping deletes sources of jobs that nobody knows: not while an upload is about to become that job."""
    record = site.begin()
    source = JobKeys(tenant="t", job_id=record.id).source
    site.store.put(source, b"abc")
    site.clock.advance(7200)
    sweep_jobs(site.ledger, site.store, now_s=site.clock())
    assert source in site.blobs
    site.uploads.delete(record)
    sweep_jobs(site.ledger, site.store, now_s=site.clock())
    assert site.blobs == []


def test_uploads_of_an_earlier_version_are_adopted(site: Site, tmp_path: Path) -> None:
    """What lies in the spool folder goes on in the store: pieces, their records, and which upload became which job."""
    folder = tmp_path / FOLDER
    folder.mkdir()
    under_way, new, done = site.begin(), site.begin(), site.begin()
    for record in (under_way, new, done):
        site.uploads.delete(record)
    (folder / f"{under_way.id}.json").write_bytes(encode(under_way))
    (folder / f"{under_way.id}.part").write_bytes(b"ab")
    (folder / f"{new.id}.json").write_bytes(encode(new))
    (folder / f"{new.id}.part").touch()
    done = Resumable(
        id=done.id, tenant="t", n_bytes=3, filename="", options=OPTIONS, expires_at_s=done.expires_at_s, job_id="j"
    )
    (folder / f"{done.id}.json").write_bytes(encode(done))
    (folder / "torn.json").write_bytes(b"{")
    assert adopt_spooled(tmp_path, site.store) == 3
    assert not folder.exists()
    assert site.uploads.get("t", under_way.id) == (under_way, 2)
    assert b"".join(site.uploads.blocks(under_way)) == b"ab"
    assert site.uploads.get("t", new.id) == (new, 0)
    assert site.uploads.get("t", done.id) == (done, 3)
    assert adopt_spooled(tmp_path, site.store) == 0


def test_an_adoption_that_fails_is_tried_again(site: Site, tmp_path: Path) -> None:
    """While the store is away the files stay."""
    folder = tmp_path / FOLDER
    folder.mkdir()
    record = site.begin()
    site.uploads.delete(record)
    (folder / f"{record.id}.json").write_bytes(encode(record))
    (folder / f"{record.id}.part").write_bytes(b"ab")
    site.store.outage = "away"
    assert adopt_spooled(tmp_path, site.store) == 0
    site.store.outage = ""
    assert adopt_spooled(tmp_path, site.store) == 1
    assert site.uploads.get("t", record.id) == (record, 2)


def test_scratch_of_killed_processes_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that a living process holds stays, one that nobody holds goes with its recording; links stay."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "scratch.lock").touch()
    (tmp_path / "meetmemo-scratch-link").symlink_to(outside)
    (tmp_path / "meetmemo-scratch-new").mkdir()
    dead = tmp_path / "meetmemo-scratch-dead"
    dead.mkdir()
    (dead / "scratch.lock").touch()
    (dead / "source").write_bytes(b"a recording")
    with scratch_folder() as folder:
        (folder / "source").write_bytes(b"another")
        assert sweep_scratch() == 1
        assert (folder / "source").exists()
    assert {path.name for path in tmp_path.iterdir()} == {"outside", "meetmemo-scratch-link", "meetmemo-scratch-new"}
    assert (outside / "scratch.lock").exists()
