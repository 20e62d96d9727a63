"""The disk that uploads share: what is promised to some is not promised to others, whichever process promises."""

import asyncio
import contextlib
import re
import shutil
import subprocess
import sys
import threading
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor

import pytest

from deployments.intake.resumable import uploads as resumable_uploads
from deployments.intake.resumable.piece_writer import PIECE_BYTES
from deployments.intake.resumable.uploads import ResumableUploads
from deployments.intake.spool import Spool
from deployments.intake.spool_space import SpoolSpace
from deployments.limits import TenantLimits
from pipelines.errors import Overloaded, StoreFull
from pipelines.ids import new_id
from pipelines.jobs.job import JobOptions
from pipelines.storage.folder import LocalStore
from tests.fakes.ledger import ManualClock, MemoryLedger
from tests.support.api_harness import Connection
from tests.support.waiting import until
from tests.unit.deployments.http.api.test_limits import Tenants, of
from tests.unit.deployments.http.api.test_tus import PIECE, TUS, metadata

MIB = 1 << 20
PIECE_NAME = re.compile(r"\d{15}-\d+")
RAW = {"content-type": "audio/wav"}
Usage = namedtuple("Usage", "total used free")


class Disk:
    """A disk of ``n_bytes`` with uploads in the spool folder, pieces in the store, and ``n_others`` bytes besides."""

    def __init__(self, root, n_bytes):
        self.root = root
        self.n_bytes = n_bytes
        self.n_others = 0

    def usage(self, folder):
        used = self.n_others
        assert self.root == folder or self.root in folder.parents
        for path in self.root.rglob("*"):
            if path.suffix == ".upload" or PIECE_NAME.match(path.name):
                with contextlib.suppress(FileNotFoundError):  # renamed or deleted meanwhile
                    used += path.stat().st_size
        return Usage(self.n_bytes, used, self.n_bytes - used)


@pytest.fixture
def disk(monkeypatch, tmp_path):
    """A disk of 100 MiB."""
    disk = Disk(tmp_path, 100 * MIB)
    monkeypatch.setattr(shutil, "disk_usage", disk.usage)
    return disk


async def begin(api, n_mib, tenant="a"):
    headers = {**TUS, **of(tenant), "upload-length": str(n_mib * MIB), "upload-metadata": metadata(filename="a.wav")}
    return await api.client.post("/v1/uploads", headers=headers)


async def send(api, url, offset, data, tenant="a"):
    headers = {**PIECE, **of(tenant), "upload-offset": str(offset)}
    return await api.client.patch(url, content=data, headers=headers)


async def in_blocks(n_mib):
    """A body without a length, sent bit by bit."""
    for _ in range(n_mib):
        yield b"OggS" * (MIB // 4)


def announced(api, n_mib, tenant="b"):
    """An upload that says how long it is and has sent nothing of it."""
    return Connection(api.app, "POST", "/v1/jobs", {**RAW, **of(tenant), "content-length": str(n_mib * MIB)})


def claimed(api):
    return [path for path in api.spooled if path.name.count(".") == 2]


async def reason_of(connection):
    status = (await connection.next())["status"]
    return status, (await connection.next())["body"]


@pytest.fixture
def store(tmp_path):
    return LocalStore(tmp_path / "blobs", min_free_bytes=0)


@pytest.fixture
async def api(make_api, disk, store):
    return await make_api(authenticator=Tenants(), store=store)


async def test_a_resumable_upload_claims_its_room(api, disk):
    """What is announced is promised: nobody is promised it again, while it is sent and until it is ended."""
    first = await begin(api, 60)
    assert first.status_code == 201
    refused = await begin(api, 50, "b")
    assert (refused.status_code, refused.json()["reason"]) == (507, "insufficient_storage")
    assert (await begin(api, 40, "b")).status_code == 201
    assert (await begin(api, 1, "c")).status_code == 507
    assert (await send(api, first.headers["location"], 0, b"OggS" * (MIB // 4))).status_code == 204
    assert (await begin(api, 1, "c")).status_code == 507
    await api.client.delete(first.headers["location"], headers={**TUS, **of("a")})
    assert (await begin(api, 50, "c")).status_code == 201


async def test_one_tenant_leaves_half_of_the_disk(api):
    """Beyond its first upload a tenant has half of the disk for uploads, also for what has arrived already."""
    first = await begin(api, 40)
    assert (await send(api, first.headers["location"], 0, b"OggS".ljust(40 * MIB - 1))).status_code == 204
    refused = await begin(api, 11)
    assert (refused.status_code, refused.json()["reason"]) == (429, "overloaded")
    assert int(refused.headers["retry-after"]) >= 1
    assert (await begin(api, 10)).status_code == 201
    assert (await begin(api, 50, "b")).status_code == 201


async def test_a_tenants_bound(make_api, disk, store):
    """``max_open_upload_bytes`` holds for all of a tenant's open uploads, and for each by itself."""
    disk.n_bytes = 1000 * MIB
    tenants = {"a": TenantLimits(max_open_upload_bytes=30 * MIB)}
    api = await make_api(authenticator=Tenants(), store=store, tenants=tenants)
    assert (await begin(api, 31)).status_code == 413
    assert (await begin(api, 20)).status_code == 201
    assert (await begin(api, 11)).status_code == 429
    assert (await begin(api, 10)).status_code == 201
    assert (await begin(api, 300, "b")).status_code == 201


async def test_a_piece_is_refused_by_a_full_disk(api, disk):
    """When others have filled the disk meanwhile, no more is stored of a piece than leaves free what has to stay so."""
    url = (await begin(api, 20)).headers["location"]
    disk.n_others = 90 * MIB
    refused = await send(api, url, 0, in_blocks(12))
    assert (refused.status_code, refused.json()["reason"]) == (507, "insufficient_storage")
    told = int((await api.client.head(url, headers={**TUS, **of("a")})).headers["upload-offset"])
    assert told == PIECE_BYTES
    disk.n_others = 0
    assert (await send(api, url, told, b"x" * (20 * MIB - told))).status_code == 204
    assert len(api.ledger.list("a").jobs) == 1


async def test_an_upload_that_is_ended_takes_no_more(api):
    """A piece on its way when its upload is deleted is refused: it would fill the disk with what nobody counts."""
    url = (await begin(api, 40)).headers["location"]
    under_way = Connection(api.app, "PATCH", url, {**PIECE, **of("a"), "upload-offset": "0"})
    under_way.send(b"OggS".ljust(PIECE_BYTES))
    await until(lambda: any(PIECE_NAME.match(key.rpartition("/")[2]) for key in api.blobs))
    assert (await api.client.delete(url, headers={**TUS, **of("a")})).status_code == 204
    under_way.send(bytes(PIECE_BYTES))
    assert (await under_way.next())["status"] == 404
    await under_way.done()
    assert api.blobs == []


async def test_announced_uploads_do_not_oversubscribe(api):
    """Of many that announce together more than there is, as many as fit are waited for, the others refused at once."""
    uploads = [announced(api, 30, str(number)) for number in range(8)]
    await until(lambda: sum(upload.task.done() for upload in uploads) == 5)
    waits = [upload for upload in uploads if not upload.task.done()]
    for upload in (upload for upload in uploads if upload.task.done()):
        status, body = await reason_of(upload)
        assert status == 507
        assert b"insufficient_storage" in body
    assert len(claimed(api)) == 3
    for upload in waits:
        upload.disconnect()
        await upload.done()
    assert api.spooled == []


async def test_each_kind_counts_the_other(api):
    """A resumable upload keeps room from an ordinary one, and the other way round."""
    assert (await begin(api, 60)).status_code == 201
    refused = announced(api, 50)
    assert (await reason_of(refused))[0] == 507
    waits = announced(api, 30)
    await until(lambda: claimed(api))
    assert (await begin(api, 20, "c")).status_code == 507
    waits.disconnect()
    await waits.done()
    assert (await begin(api, 20, "c")).status_code == 201


async def test_a_body_without_a_length_is_checked_as_it_grows(api):
    """It takes what nobody was promised, and is refused at the first byte of what somebody was."""
    assert (await begin(api, 90)).status_code == 201
    fits = await api.client.post("/v1/jobs", content=in_blocks(9), headers={**RAW, **of("b")})
    assert fits.status_code == 202, fits.text
    refused = await api.client.post("/v1/jobs", content=in_blocks(30), headers={**RAW, **of("b")})
    assert (refused.status_code, refused.json()["reason"]) == (507, "insufficient_storage")
    assert api.spooled == []


async def test_a_whole_upload_wants_no_more(disk, tmp_path):
    """What was promised beyond its length is free again when an upload is whole, before the store has it."""
    space = SpoolSpace(folder=tmp_path, min_free_bytes=0)
    with Spool(tmp_path, max_bytes=1 << 40) as spool:
        await spool.write(b"x" * MIB)
        assert space.n_promised() > 10 * MIB
        await spool.finish()
        assert space.n_promised() == 0
        assert spool.path.stat().st_size == MIB


async def test_min_free_bytes_stay_free(make_api, disk, tmp_path):
    """Of every kind of upload what has to stay free is not promised."""
    uploads = open_uploads(tmp_path, min_free_bytes=40 * MIB)
    with pytest.raises(StoreFull):
        create(uploads, 61)
    create(uploads, 50)
    with Spool(tmp_path, 1 << 40, 40 * MIB, promised=uploads.n_promised) as spool:
        with pytest.raises(StoreFull):
            spool.expect(11 * MIB)
        spool.expect(10 * MIB)


def open_uploads(folder, *, clock=None, min_free_bytes=0):
    return ResumableUploads(
        LocalStore(folder / "blobs", min_free_bytes=0),
        MemoryLedger(),
        folder,
        clock=clock or ManualClock(),
        new_id=new_id,
        min_free_bytes=min_free_bytes,
        max_open=64,
    )


def create(uploads, n_mib, tenant="a"):
    return uploads.create(tenant, n_mib * MIB, "a.wav", JobOptions(model="base"), TenantLimits())


def test_a_claim_ends_with_its_upload(disk, tmp_path):
    """An upload that expires, and one whose job is made, want nothing any more."""
    clock = ManualClock()
    uploads = open_uploads(tmp_path, clock=clock)
    create(uploads, 60)
    assert uploads.n_promised() == 60 * MIB
    clock.advance(resumable_uploads.LIFETIME_S + 1)
    assert uploads.n_promised() == 0
    for other in (False, True):
        record = create(uploads, 70)
        uploads.finish(record, "another" if other else record.id)
        assert uploads.n_promised() == 0


def test_many_begin_at_the_same_moment(disk, tmp_path):
    """Tenants that ask at once, each by its own replica's object, are together promised no more than there is."""
    barrier = threading.Barrier(16)
    replicas = [open_uploads(tmp_path) for _ in range(16)]

    def ask(number):
        barrier.wait()
        try:
            return create(replicas[number], 20, str(number))
        except StoreFull:
            return None

    with ThreadPoolExecutor(16) as threads:
        begun = [record for record in threads.map(ask, range(16)) if record]
    assert len(begun) == 5


def test_one_tenant_begins_many_at_the_same_moment(disk, tmp_path):
    """What one tenant may have is counted as strictly when it asks many times at once."""
    barrier = threading.Barrier(16)

    def ask(number):
        barrier.wait()
        try:
            return create(open_uploads(tmp_path), 10)
        except Overloaded:
            return None

    with ThreadPoolExecutor(16) as threads:
        assert len([record for record in threads.map(ask, range(16)) if record]) == 5


def test_other_processes_count(disk, tmp_path):
    """What another process' upload wants is counted while that process lives."""
    program = """
import sys
from pathlib import Path
from deployments.intake.spool import Spool
with Spool(Path(sys.argv[1]), max_bytes=1 << 40) as spool:
    spool.expect(70 << 20)
    print("claimed", flush=True)
    sys.stdin.read()
"""
    space = SpoolSpace(folder=tmp_path, min_free_bytes=0)
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"claimed\n"
        assert space.n_promised() == 70 * MIB
        with Spool(tmp_path, max_bytes=1 << 40) as spool, pytest.raises(StoreFull):
            spool.expect(40 * MIB)
        other.kill()
    assert space.n_promised() == 0


async def test_presigned_uploads_have_a_share(make_api, disk):
    """What is put to URLs of ours waits on our disk for its job: a tenant has its share of it."""
    api = await make_api(authenticator=Tenants())

    async def announce(n_mib, tenant="a"):
        wanted = {"n_bytes": n_mib * MIB}
        return await api.client.post("/v1/uploads/presigned", json=wanted, headers=of(tenant))

    assert (await announce(45)).status_code == 201
    refused = await announce(45)
    assert (refused.status_code, refused.json()["reason"]) == (429, "overloaded")
    assert (await announce(45, "b")).status_code == 201


async def test_a_piece_that_is_cut_while_the_disk_works(api, monkeypatch):
    """A cancelled request's thread ends its piece before others may append."""
    url = (await begin(api, 4)).headers["location"]
    go, writing = threading.Event(), threading.Event()
    put = api.store.put

    def slow(*args, **given):
        writing.set()
        assert go.wait(30)
        return put(*args, **given)

    monkeypatch.setattr(api.store, "put", slow)
    cut = Connection(api.app, "PATCH", url, {**PIECE, **of("a"), "upload-offset": "0"})
    cut.send(b"OggS" * (MIB // 4), more=False)
    await until(writing.is_set)
    cut.task.cancel()
    assert (await send(api, url, 0, b"y")).status_code == 423
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await cut.task
    answer = None
    async with asyncio.timeout(30):
        while answer is None or answer.status_code == 423:
            answer = await send(api, url, MIB, b"y" * (3 * MIB))
    assert answer.status_code == 204
    (job,) = api.ledger.list("a").jobs
    assert api.store.get(job.source.key) == b"OggS" * (MIB // 4) + b"y" * (3 * MIB)
