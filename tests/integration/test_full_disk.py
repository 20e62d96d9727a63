"""A disk that is really full: new work is refused with 507, accepted work waits, and nothing is lost."""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from deployments.artifacts.storage_retry import StorageRetry
from deployments.http.app import build_api
from deployments.http.config import ApiServices
from deployments.limits import IngestionLimits
from pipelines.backoff import Backoff
from pipelines.ledger.open import open_ledger
from pipelines.storage.open import open_store
from tests.support.api_harness import SteeredCoordinator, api_config
from tests.support.in_process_cluster import InProcessCluster, succeeded
from tests.support.waiting import until

SIZE_MB = 4
MIB = 1 << 20


@dataclass(frozen=True)
class Disk:
    """A small file system of its own; ``ballast`` is what fills it."""

    path: Path

    @property
    def ballast(self) -> Path:
        return self.path / "ballast"

    def fill(self) -> None:
        """Leave not one byte."""
        with self.ballast.open("wb") as file:
            try:
                while True:
                    os.write(file.fileno(), bytes(4096))
            except OSError:
                pass

    def free(self) -> None:
        self.ballast.unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    path = tmp_path / "disk"
    path.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m", "tmpfs", path], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    try:
        yield Disk(path)
    finally:
        subprocess.run(["umount", "--lazy", path], check=True)


@pytest.mark.parametrize("full", ["spool", "store", "ledger"])
async def test_uploads_are_refused_until_there_is_room(disk: Disk, tmp_path: Path, full: str) -> None:
    """Whichever of the three is full: 507 (the ledger: 503) with Retry-After, no trace, and the next one is taken."""
    places = {name: disk.path if name == full else tmp_path / name for name in ("spool", "store", "ledger")}
    ledger = open_ledger(f"sqlite:///{places['ledger']}/ledger.db")
    store = open_store(f"file://{places['store']}/blobs")
    app = build_api(
        ApiServices(ledger=ledger, store=store, coordinator=SteeredCoordinator(ledger)),
        api_config(IngestionLimits(spool_dir=places["spool"] / "spool", min_free_bytes=0)),
    )
    recording = b"RIFF\xff\xff\xff\xffWAVE" + os.urandom(2 * MIB)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://meetmemo.test") as client:
        kept = (await client.post("/v1/jobs", content=b"RIFF")).json()["id"]
        blobs = list(store.list(""))
        disk.fill()
        refused = await client.post("/v1/jobs", content=recording)
        expected = (503, "ledger_unavailable") if full == "ledger" else (507, "insufficient_storage")
        assert (refused.status_code, refused.json()["reason"]) == expected, refused.text
        assert refused.headers["content-type"] == "application/problem+json"
        assert int(refused.headers["retry-after"]) > 0
        assert list((places["spool"] / "spool").iterdir()) == []
        assert list(store.list("")) == blobs
        assert [job.id for job in ledger.list("default").jobs] == [kept]
        disk.free()
        assert (await client.post("/v1/jobs", content=recording)).status_code == 202
        assert len(ledger.list("default").jobs) == 2
    ledger.close()


async def test_work_waits_for_room(disk: Disk, tmp_path: Path) -> None:
    """A job whose store is full goes on by itself when there is room, with every word."""
    ledger = open_ledger(f"sqlite:///{tmp_path}/ledger.db")
    cluster = InProcessCluster(
        ledger,
        open_store(f"file://{disk.path}/blobs"),
        storage_retry=(storage_retry := StorageRetry(Backoff(first_s=0.05, longest_s=0.2))),
    )
    job = cluster.submit("j", range(1, 60))
    disk.fill()
    await cluster.coordinator.start()
    await until(lambda: not storage_retry.store_ok)
    assert not ledger.get("t", "j").state.final
    disk.free()
    ended = await cluster.ended(job)
    assert succeeded(ended), ended[0].detail
    assert cluster.words(job) == list(range(1, 60))
    await cluster.coordinator.stop()
    ledger.close()
