"""Resumable uploads that several endpoints take, which share a store and a ledger and no folder."""

import asyncio
import contextlib
import hashlib
import random
import uuid
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from tusclient.client import TusClient

from deployments.http.dependencies import BACKEND
from deployments.intake.resumable.piece_writer import PIECE_BYTES
from deployments.intake.resumable.uploads import job_key
from deployments.tenant import resumable_uploads
from deployments.tenant.resumable_uploads import HOLD_S, PATIENCE_S
from pipelines.ledger.open import open_ledger
from pipelines.ledger.protocol import Ledger
from pipelines.storage.open import open_store
from pipelines.storage.protocol import BlobStore
from tests.fakes.ledger import ManualClock, MemoryLedger
from tests.fakes.store import MemoryStore
from tests.servers.s3 import s3_server
from tests.support.api_harness import Api, Connection
from tests.support.waiting import until
from tests.unit.deployments.http.api.test_tus import PIECE, TUS, begin, join, keys_of, part, send

AUDIO = b"RIFF" + random.Random(1).randbytes(3 * PIECE_BYTES)


@pytest.fixture(scope="module")
def s3():
    with pytest.MonkeyPatch.context() as environment, s3_server() as port:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            environment.setenv(name, "test")
        environment.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield f"http://127.0.0.1:{port}"


def bucket_in(url):
    name = f"meetmemo-{uuid.uuid4().hex}"
    client = boto3.client("s3", endpoint_url=url, region_name="us-east-1")
    client.create_bucket(Bucket=name)
    client.close()
    return f"s3://{name}/prefix?endpoint={url}&region=us-east-1"


@dataclass
class Pair:
    """Two endpoints, each with a spool folder of its own."""

    a: Api
    b: Api

    def job_of(self, answer):
        return self.a.ledger.get("default", answer.headers["x-meetmemo-job"])


@pytest.fixture(params=["memory", "folder", "bucket"])
async def pair(request, make_api, tmp_path):
    """Over fakes, over SQLite and a folder, and over SQLite and a bucket."""
    if request.param == "memory":
        ledger: Ledger = MemoryLedger()
        store: BlobStore = MemoryStore()
    else:
        ledger = open_ledger(f"sqlite:///{tmp_path}/ledger.db")
        in_folder = request.param == "folder"
        store = open_store(f"file://{tmp_path}/blobs" if in_folder else bucket_in(request.getfixturevalue("s3")))
    yield Pair(*[await make_api(ledger=ledger, store=store, spool_dir=tmp_path / name) for name in ("a", "b")])
    if request.param != "memory":
        ledger.close()


async def offset_of(api, url):
    return int((await api.client.head(url, headers=TUS)).headers["upload-offset"])


async def test_each_takes_the_next_piece(pair):
    """The job that the last piece makes has all bytes in their order; nothing else stays, and both tell of it."""
    url = (await begin(pair.a, len(AUDIO))).headers["location"]
    step = PIECE_BYTES // 2 + 1
    for number, start in enumerate(range(0, len(AUDIO), step)):
        api = (pair.a, pair.b)[number % 2]
        assert await offset_of(api, url) == start
        answer = await send(api, url, start, AUDIO[start : start + step])
        assert answer.status_code == 204
    job = pair.job_of(answer)
    assert (job.source.n_bytes, job.source.sha256) == (len(AUDIO), hashlib.sha256(AUDIO).hexdigest())
    assert pair.a.store.get(job.source.key) == AUDIO
    assert pair.a.blobs == [job.source.key]
    for api in (pair.a, pair.b):
        told = await api.client.head(url, headers=TUS)
        assert (told.headers["upload-offset"], told.headers["x-meetmemo-job"]) == (str(len(AUDIO)), job.id)
        assert list(api.spool_dir.iterdir()) == []


async def test_one_goes_midway(pair):
    """An endpoint that is stopped in the middle of a piece leaves what it had; the other one takes the rest."""
    url = (await begin(pair.a, len(AUDIO))).headers["location"]
    cut = Connection(pair.a.app, "PATCH", url, {**PIECE, "upload-offset": "0"})
    cut.send(AUDIO[: PIECE_BYTES + 5_000_000])
    await until(lambda: any(key.startswith(keys_of(url).piece(0, PIECE_BYTES)[:-8]) for key in pair.a.blobs))
    cut.task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await cut.task
    there = await offset_of(pair.b, url)
    assert there == PIECE_BYTES + 5_000_000
    answer = await send(pair.b, url, there, AUDIO[there:])
    assert pair.a.store.get(pair.job_of(answer).source.key) == AUDIO
    assert len(pair.a.ledger.list(None).jobs) == 1


async def test_one_is_killed_midway(make_api, tmp_path, monkeypatch):
    """What it held counts as busy for a few seconds, for which clients wait; pieces that were stored stay."""
    clock = ManualClock()
    ledger, store = MemoryLedger(clock=clock), MemoryStore()
    a, b = [await make_api(ledger=ledger, store=store, spool_dir=tmp_path / name) for name in ("a", "b")]
    url = (await begin(a, 100)).headers["location"]
    assert (await send(a, url, 0, AUDIO[:40])).status_code == 204
    upload_id = keys_of(url).upload_id
    ledger.holds.hold("default", f"{job_key(upload_id)}/piece", "killed", HOLD_S)
    assert HOLD_S < PATIENCE_S, "clients that do not try again are not refused"
    looks, hold = [], ledger.holds.hold

    def watched(*arguments: Any) -> Any:
        looks.append(1)
        return hold(*arguments)

    monkeypatch.setattr(ledger.holds, "hold", watched)
    going_on = asyncio.create_task(send(b, url, 40, AUDIO[40:100]))
    await until(lambda: len(looks) > 2)
    clock.advance(HOLD_S + 0.1)
    answer = await going_on
    assert answer.status_code == 204
    assert store.get(ledger.get("default", answer.headers["x-meetmemo-job"]).source.key) == AUDIO[:100]


async def test_one_writes_at_a_time(pair, monkeypatch):
    """A piece that comes to one endpoint while the other takes one is refused in the end, and passes afterwards."""
    monkeypatch.setattr(resumable_uploads, "PATIENCE_S", 0.3)
    url = (await begin(pair.a, 1000)).headers["location"]
    busy = Connection(pair.a.app, "PATCH", url, {**PIECE, "upload-offset": "0"})
    busy.send(AUDIO[:500])
    await until(lambda: BACKEND.of(pair.a.app).resumable.n_writers)
    assert (await send(pair.b, url, 0, b"")).status_code == 423
    busy.send(b"", more=False)
    assert (await busy.next())["status"] == 204
    await busy.done()
    assert (await send(pair.b, url, 500, AUDIO[500:1000])).status_code == 204


async def test_both_are_told_at_once_that_all_is_there(pair):
    """One job is made, by whichever comes first."""
    url = (await begin(pair.a, 1000)).headers["location"]
    pair.a.store.put(keys_of(url).piece(0, 1000), AUDIO[:1000])
    await asyncio.gather(*(api.client.head(url, headers=TUS) for api in (pair.a, pair.b) * 3))
    (job,) = pair.a.ledger.list(None).jobs
    assert pair.a.store.get(job.source.key) == AUDIO[:1000]
    assert pair.a.blobs == [job.source.key]
    assert (await pair.b.client.head(url, headers=TUS)).headers["x-meetmemo-job"] == job.id


async def test_parts_at_either(pair):
    """Parts that went to different endpoints become one recording at any."""
    urls = [await part(api, data) for api, data in ((pair.a, AUDIO[:1000]), (pair.b, AUDIO[1000:5000]))]
    answer = await join(pair.b, *urls, filename="a.wav")
    assert answer.status_code == 201
    (job,) = pair.a.ledger.list(None).jobs
    assert pair.a.store.get(job.source.key) == AUDIO[:5000]
    told = await pair.a.client.head(answer.headers["location"], headers=TUS)
    assert told.headers["x-meetmemo-job"] == job.id
    assert {(await pair.a.client.head(url, headers=TUS)).status_code for url in urls} == {404}


async def test_given_up_at_the_other(pair):
    """What one endpoint took the other one deletes."""
    url = (await begin(pair.a, 1000)).headers["location"]
    assert (await send(pair.a, url, 0, AUDIO[:500])).status_code == 204
    assert (await pair.b.client.delete(url, headers=TUS)).status_code == 204
    assert (await pair.a.client.head(url, headers=TUS)).status_code == 404
    assert pair.a.blobs == []


async def test_the_reference_client_goes_on_at_the_other(pair, real_server, tmp_path):
    """tuspy sends half of a recording to a server that then ends, and the other half to another one."""
    path = tmp_path / "call.wav"
    path.write_bytes(AUDIO)

    def upload(url, location=None, stop_at=None):
        with path.open("rb") as file:
            uploader = TusClient(f"{url}/v1/uploads").uploader(
                file_stream=file,
                chunk_size=PIECE_BYTES + 11,
                metadata={"filename": "call.wav"},
                upload_checksum=True,
                url=location,
            )
            uploader.upload(stop_at=stop_at)
            return uploader.url

    async with real_server(pair.a.app) as url:
        location = await asyncio.to_thread(upload, url, None, PIECE_BYTES)
    async with real_server(pair.b.app) as other:
        await asyncio.to_thread(upload, other, location.replace(url, other))
    told = await pair.a.client.head(location.removeprefix(url), headers=TUS)
    assert pair.a.store.get(pair.job_of(told).source.key) == AUDIO
