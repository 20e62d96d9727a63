"""What a machine's disk holds of uploads and recordings goes with its job, its time or its process."""

import os
import tempfile
from pathlib import Path

import pytest

from deployments.intake.resumable_leftovers import BETWEEN_LIFETIME_S, forget_job, sweep_leftovers
from deployments.intake.resumable_records import FOLDER
from deployments.intake.resumable_uploads import LIFETIME_S, ResumableUploads
from deployments.limits import TenantLimits
from deployments.workers.scratch import scratch_folder, sweep_scratch
from pipelines.errors import NotFound
from pipelines.ids import new_id
from pipelines.jobs.job import JobOptions
from pipelines.jobs.reference import Reference
from tests.fakes.ledger import ManualClock

OPTIONS = JobOptions(model="m", prompt="quagga")
REFERENCE = Reference(external_id="zanzibar", metadata=(("caller", "zanzibar"),))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def uploads(tmp_path: Path, clock: ManualClock) -> ResumableUploads:
    return ResumableUploads(tmp_path, clock=clock, new_id=new_id, min_free_bytes=0, max_open=10)


def begin(uploads: ResumableUploads, tenant: str = "t"):
    return uploads.create(tenant, 3, "zanzibar.wav", OPTIONS, TenantLimits(), REFERENCE)


def files(folder: Path) -> set[str]:
    return {path.name for path in (folder / FOLDER).iterdir()}


def aged(path: Path, now_s: float, age_s: float) -> Path:
    path.touch()
    os.utime(path, (now_s - age_s, now_s - age_s))
    return path


def test_the_record_of_a_job_holds_no_words(uploads: ResumableUploads, tmp_path: Path) -> None:
    """What an upload was called and wanted is its job's; the record only says which job, for clients that ask again."""
    record = begin(uploads)
    uploads.finish(record, "job-1")
    text = (tmp_path / FOLDER / f"{record.id}.json").read_text()
    assert "zanzibar" not in text
    assert "quagga" not in text
    again, n_there = uploads.get("t", record.id)
    assert (again.job_id, n_there) == ("job-1", 3)


def test_a_purge_takes_the_record_along(uploads: ResumableUploads, tmp_path: Path) -> None:
    """Only that of this job of this tenant."""
    mine, other, theirs = begin(uploads), begin(uploads), begin(uploads, "u")
    uploads.finish(mine, "job-1")
    uploads.finish(other, "job-2")
    uploads.finish(theirs, "job-1")
    forget_job(tmp_path, "t", "job-1")
    assert f"{mine.id}.json" not in files(tmp_path)
    assert {f"{other.id}.json", f"{theirs.id}.json"} <= files(tmp_path)
    forget_job(tmp_path / "never", "t", "job-1")


def test_what_is_abandoned_goes_without_another_creation(
    uploads: ResumableUploads, tmp_path: Path, clock: ManualClock
) -> None:
    """Parts and records of uploads that expired, and nothing of those that did not."""
    begin(uploads)
    clock.advance(LIFETIME_S - 1)
    young = begin(uploads)
    for name in (f"{young.id}.json", f"{young.id}.part"):
        aged(tmp_path / FOLDER / name, clock(), 0)
    assert sweep_leftovers(tmp_path, clock()) == 0
    clock.advance(2)
    assert sweep_leftovers(tmp_path, clock()) == 2
    assert files(tmp_path) == {f"{young.id}.json", f"{young.id}.part"}


def test_leftovers_of_killed_processes_go(uploads: ResumableUploads, tmp_path: Path, clock: ManualClock) -> None:
    """Files between two steps, and a record whose part became a job's source."""
    taken = begin(uploads)
    uploads.data(taken).unlink()
    folder = tmp_path / FOLDER
    old, young = BETWEEN_LIFETIME_S + 1, BETWEEN_LIFETIME_S - 1
    lost = [
        aged(folder / f"{taken.id}.json", clock(), old),
        aged(folder / "a.new", clock(), old),
        aged(folder / "b.part", clock(), old),
        aged(folder / "torn.json", clock(), LIFETIME_S + 1),
    ]
    kept = [
        aged(folder / "c.new", clock(), young),
        aged(folder / "d.part", clock(), young),
        aged(folder / "half.json", clock(), young),
    ]
    assert sweep_leftovers(tmp_path, clock()) == len(lost)
    assert not [path for path in lost if path.exists()]
    assert all(path.exists() for path in kept)


def test_a_record_that_names_another_upload_is_none(uploads: ResumableUploads, tmp_path: Path) -> None:
    """A file under another upload's id is not believed."""
    record = begin(uploads)
    (tmp_path / FOLDER / f"{'0' * 32}.json").write_bytes((tmp_path / FOLDER / f"{record.id}.json").read_bytes())
    with pytest.raises(NotFound):
        uploads.get("t", "0" * 32)
    assert uploads.get("t", record.id) == (record, 0)


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
