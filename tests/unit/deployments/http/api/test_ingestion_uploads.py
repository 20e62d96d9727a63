"""Uploads that are large, slow, torn, too many or too big: bounded memory, early answers, nothing left behind."""

import asyncio
import contextlib
import hashlib
import json
import os
import subprocess
import sys
import threading
import tracemalloc

import httpx
import pytest

from deployments.intake import gates
from deployments.intake.gates import Gate
from deployments.intake.spool import Spool
from deployments.intake.spool_sweep import sweep
from pipelines.errors import Overloaded, StoreUnavailable, TooLarge
from pipelines.storage.open import open_store
from tests.fakes.store import MemoryStore
from tests.support.api_harness import Connection
from tests.support.waiting import until

MIB = 1 << 20
BOUNDARY = "frontier"
HEAD = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="big.wav"\r\n\r\n'.encode()
TAIL = f"\r\n--{BOUNDARY}--\r\n".encode()
MULTIPART = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}
RAW = {"content-type": "audio/wav"}


async def blocks(n_mib, digest, *, head=b"", tail=b""):
    """Make a body up as it is sent: 64 KiB at a time, so that the test itself holds none of it."""
    if head:
        yield head
    block = os.urandom(64 << 10)
    for number in range(n_mib * 16):
        piece = (b"OggS" if not number else b"more") + number.to_bytes(4, "big") + block[8:]
        digest.update(piece)
        yield piece
    if tail:
        yield tail


@pytest.mark.parametrize("form", ["raw", "multipart"])
async def test_large_upload_in_little_memory(make_api, tmp_path, form):
    """64 MiB pass with less than 8 MiB of memory, whole and with the right digest."""
    api = await make_api(store=open_store(f"file://{tmp_path}/blobs"))
    digest = hashlib.sha256()
    headers, head, tail = (RAW, b"", b"") if form == "raw" else (MULTIPART, HEAD, TAIL)
    tracemalloc.start()
    try:
        answer = await api.client.post(
            "/v1/jobs", headers=headers, content=blocks(64, digest, head=head, tail=tail), timeout=120
        )
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert answer.status_code == 202, answer.text
    assert answer.json()["source"] == {"n_bytes": 64 * MIB, "sha256": digest.hexdigest(), "url": None}
    with api.store.open(f"default/{answer.json()['id']}/source") as stored:
        assert hashlib.file_digest(stored, "sha256").hexdigest() == digest.hexdigest()
    assert peak < 8 * MIB
    assert api.spooled == []


async def test_announced_too_large(make_api):
    """A body that announces too much is refused before a byte of it is read."""
    api = await make_api(max_upload_bytes=1000)
    connection = Connection(api.app, "POST", "/v1/jobs", {**RAW, "content-length": "1001"})
    start = await connection.next()
    assert start["status"] == 413
    assert json.loads((await connection.next())["body"])["reason"] == "too_large"
    await connection.done()
    assert api.spooled == []


@pytest.mark.parametrize("form", ["raw", "multipart"])
async def test_too_large_while_sending(make_api, form):
    """A body without a length is cut off at the limit, although the client would send on."""
    api = await make_api(max_upload_bytes=100_000)
    headers = RAW if form == "raw" else MULTIPART
    connection = Connection(api.app, "POST", "/v1/jobs", headers)
    if form == "multipart":
        connection.send(HEAD)
    connection.send(b"OggS".ljust(100_000))
    connection.send(b"x" * 50_000)
    assert (await connection.next())["status"] == 413
    await connection.done()
    assert (api.blobs, api.spooled) == ([], [])


async def test_exactly_at_the_limit(make_api):
    """A recording of exactly the limit is taken."""
    api = await make_api(max_upload_bytes=1000)
    assert (await api.client.post("/v1/jobs", content=b"OggS".ljust(1000))).status_code == 202
    assert (await api.client.post("/v1/jobs", content=b"OggS".ljust(1001))).status_code == 413


@pytest.mark.parametrize("headers", [RAW, MULTIPART])
async def test_client_goes_away(api, headers):
    """A client that disconnects in the middle of the body leaves no job, no blob and no spool file."""
    connection = Connection(api.app, "POST", "/v1/jobs", headers)
    if headers is MULTIPART:
        connection.send(HEAD)
    connection.send(b"OggS".ljust(3 * MIB))
    await until(lambda: api.n_spooled_bytes)
    connection.disconnect()
    await connection.done()
    assert (api.blobs, api.spooled) == ([], [])
    assert (await api.client.get("/v1/jobs")).json()["jobs"] == []


async def test_request_is_cancelled(api):
    """A server that cancels the request's task, as Ray Serve does on a disconnect, leaves nothing either."""
    connection = Connection(api.app, "POST", "/v1/jobs", RAW)
    connection.send(b"OggS".ljust(3 * MIB))
    await until(lambda: api.n_spooled_bytes)
    connection.task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await connection.task
    assert (api.blobs, api.spooled) == ([], [])
    assert (await api.client.post("/v1/jobs", content=b"RIFF")).status_code == 202


class SlowStore(MemoryStore):
    """A store whose writes wait until the test lets them go."""

    def __init__(self):
        super().__init__()
        self.writing = threading.Event()
        self.go = threading.Event()

    def put(self, key, data, *, sha256=""):
        self.writing.set()
        assert self.go.wait(30)
        return super().put(key, data, sha256=sha256)


async def test_cancelled_while_storing(make_api):
    """A request cancelled while its blob is being stored ends as a whole job or as nothing, never as half of one."""
    api = await make_api(store=SlowStore())
    connection = Connection(api.app, "POST", "/v1/jobs", RAW)
    connection.send(b"RIFF", more=False)
    await until(api.store.writing.is_set)
    connection.task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await connection.task
    api.store.go.set()
    await until(lambda: api.blobs)
    await until(lambda: api.ledger.list("default").jobs)
    (job,) = api.ledger.list("default").jobs
    assert api.blobs == [job.source.key]
    assert api.spooled == []


async def test_torn_body(api):
    """A body that ends before its announced length is refused, not taken for a shorter recording."""
    connection = Connection(api.app, "POST", "/v1/jobs", {**RAW, "content-length": "100"})
    connection.send(b"OggS".ljust(60), more=False)
    assert (await connection.next())["status"] == 400
    assert b"60 of 100 bytes" in (await connection.next())["body"]
    await connection.done()
    assert (api.blobs, api.spooled) == ([], [])


async def test_stalled_body(make_api):
    """A client that stops sending without going away is let go after the idle time-out."""
    api = await make_api(upload_idle_timeout_s=0.05)
    connection = Connection(api.app, "POST", "/v1/jobs", RAW)
    connection.send(b"OggS".ljust(60))
    assert (await connection.next())["status"] == 408
    assert json.loads((await connection.next())["body"])["reason"] == "upload_stalled"
    await connection.done()
    assert api.spooled == []


async def test_too_many_uploads(make_api):
    """One upload more than may run at once is refused with Retry-After; when one ends there is room again."""
    api = await make_api(max_concurrent_uploads=2)
    slow = [Connection(api.app, "POST", "/v1/jobs", RAW) for _ in range(2)]
    await until(lambda: len(api.spooled) == 2)
    answer = await api.client.post("/v1/jobs", content=b"RIFF")
    assert answer.status_code == 429
    assert answer.json()["reason"] == "overloaded"
    assert int(answer.headers["retry-after"]) >= 1
    slow[0].disconnect()
    await slow[0].done()
    assert (await api.client.post("/v1/jobs", content=b"RIFF")).status_code == 202
    slow[1].disconnect()
    await slow[1].done()


async def test_other_requests_go_on(api):
    """While an upload waits for its client, other requests are answered."""
    connection = Connection(api.app, "POST", "/v1/jobs", RAW)
    connection.send(b"OggS".ljust(MIB))
    async with asyncio.timeout(30):
        assert (await api.client.get("/healthz")).status_code == 200
    connection.disconnect()
    await connection.done()


async def test_disk_nearly_full(api, tmp_path):
    """A body that would leave too little room on the spool disk is refused before it is read."""
    with Spool(tmp_path, max_bytes=1 << 62, min_free_bytes=0) as spool:
        spool.expect(1)
        with pytest.raises(StoreUnavailable, match="nearly full"):
            spool.expect(1 << 60)


async def test_spool_folder_is_gone(api):
    """A spool folder that cannot be written is an outage, not an internal error."""
    api.spool_dir.rmdir()
    answer = await api.client.post("/v1/jobs", content=b"RIFF")
    assert (answer.status_code, answer.json()["reason"]) == (503, "store_unavailable")


async def test_full_disk(api):
    """A disk that fills up in the middle of an upload is an outage, and what was written is removed."""

    def limited():
        """Let this process write files of 1 MiB at most: the nearest thing to a full disk."""
        import resource
        import signal

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (MIB, MIB))

    program = """
import asyncio, sys
from pathlib import Path
from deployments.intake.spool import Spool
from pipelines.errors import StoreUnavailable

async def main(folder):
    try:
        with Spool(folder, max_bytes=1 << 30) as spool:
            for _ in range(4):
                await spool.write(b"x" * (1 << 20))
            await spool.finish()
    except StoreUnavailable as error:
        print(error, list(folder.iterdir()))

asyncio.run(main(Path(sys.argv[1])))
"""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, str(api.spool_dir), stdout=subprocess.PIPE, preexec_fn=limited
    )
    told, _ = await process.communicate()
    assert process.returncode == 0
    assert b"cannot be written" in told
    assert told.rstrip().endswith(b"[]")


async def test_spool_writes_everything_in_order(tmp_path):
    """Blocks of any size end up in the file in their order, and the digest is that of the file."""
    pieces = [os.urandom(size) for size in (1, 0, MIB - 1, 3 * MIB, 17)]
    with Spool(tmp_path, max_bytes=10 * MIB) as spool:
        for piece in pieces:
            await spool.write(piece)
        await spool.finish()
        content = spool.path.read_bytes()
        assert content == b"".join(pieces)
        assert spool.sha256 == hashlib.sha256(content).hexdigest()
        assert spool.n_bytes == len(content)
    assert list(tmp_path.iterdir()) == []


async def test_spool_refuses_the_first_byte_too_many(tmp_path):
    """The limit holds for the sum of the blocks."""
    with Spool(tmp_path, max_bytes=10) as spool:
        await spool.write(b"x" * 10)
        with pytest.raises(TooLarge):
            await spool.write(b"x")


def test_sweep(tmp_path):
    """The sweep takes what a killed process left, and leaves a living one's files and other files alone."""
    folder = tmp_path / "spool"
    assert sweep(folder) == 0
    program = """
import os, sys
from pathlib import Path
from deployments.intake.spool import Spool
spool = Spool(Path(sys.argv[1]), max_bytes=1)
spool.open()
os._exit(9)
"""
    subprocess.run([sys.executable, "-c", program, str(folder)], check=False)
    (left,) = folder.iterdir()
    (folder / "notes.txt").write_text("mine")
    with Spool(folder, max_bytes=1) as living:
        assert sweep(folder) == 1
        assert not left.exists()
        assert {path.name for path in folder.iterdir()} == {"notes.txt", living.path.name}


def test_gate():
    """A gate lets its number in, refuses the next, and opens again."""
    gate = Gate(1, "uploads")
    with gate.acquire():
        with pytest.raises(Overloaded, match="1 uploads are already under way") as refusal:
            gate.acquire()
        assert refusal.value.retry_after_s == gates.RETRY_AFTER_S
    gate.acquire()


async def test_over_a_real_server(make_api, real_server):
    """Over a socket too, a body beyond the limit is answered with 413 and a good one with 202."""
    api = await make_api(max_upload_bytes=2 * MIB)
    async with real_server(api.app) as url, httpx.AsyncClient(base_url=url, timeout=60) as client:
        digest = hashlib.sha256()
        answer = await client.post("/v1/jobs", headers=RAW, content=blocks(2, digest))
        assert answer.status_code == 202
        assert answer.json()["source"]["sha256"] == digest.hexdigest()
        refused = await client.post("/v1/jobs", headers=RAW, content=blocks(32, digest))
        assert refused.status_code == 413
