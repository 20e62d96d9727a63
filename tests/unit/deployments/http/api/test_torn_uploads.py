"""Uploads that end in any way at any moment leave no file: at once, or at the next sweep."""

import asyncio
import contextlib
import functools
import os
import random
import socket
import struct
import subprocess
import sys
import time

import pytest

from deployments.http import app
from deployments.intake import spool_sweep
from deployments.intake.spool_sweep import SpoolSweeper, SpoolUse, spool_use, sweep
from pipelines.errors import StoreUnavailable
from tests.support.api_harness import Connection
from tests.support.virtual_time import run_in_virtual_time
from tests.support.waiting import until
from tests.unit.deployments.http.api.test_ingestion_uploads import HEAD, MULTIPART, RAW
from tests.unit.deployments.http.api.test_metrics import samples

MIB = 1 << 20
LEFT_BY_THE_DEAD = """
import os, sys
from pathlib import Path
from deployments.intake.spool import Spool
spool = Spool(Path(sys.argv[1]), max_bytes=1 << 30)
spool.open()
spool.expect(1 << 20)
os._exit(9)
"""


@pytest.mark.parametrize("headers", [RAW, MULTIPART])
@pytest.mark.parametrize("n_steps", range(12))
async def test_cut_and_cancelled(api, headers, n_steps):
    """The client is gone, and while that is being dealt with the server cancels the request, at whatever moment."""
    connection = Connection(api.app, "POST", "/v1/jobs", headers)
    if headers is MULTIPART:
        connection.send(HEAD)
    connection.send(b"OggS".ljust(2 * MIB))
    await until(lambda: api.n_spooled_bytes)
    connection.disconnect()
    for _ in range(n_steps):
        await asyncio.sleep(0)
    connection.task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await connection.task
    await until(lambda: not api.spooled)
    assert (await api.client.post("/v1/jobs", content=b"RIFF")).status_code == 202


@pytest.mark.parametrize("n_steps", range(16))
async def test_cancelled_again_and_again(api, n_steps):
    """A request that is cancelled at every step from some moment on, its opening included, leaves nothing."""
    connection = Connection(api.app, "POST", "/v1/jobs", RAW)
    connection.send(b"OggS".ljust(MIB))
    for _ in range(n_steps):
        await asyncio.sleep(0)
    while not connection.task.done():
        connection.task.cancel()
        await asyncio.sleep(0)
    # All threads that open or delete have ended when one more upload has gone its way and nothing is there.
    assert (await api.client.post("/v1/jobs", content=b"RIFF")).status_code == 202
    await until(lambda: not api.spooled)


DOORS = (("POST", "/v1/jobs", RAW), ("POST", "/v1/jobs", MULTIPART), ("PUT", "/v1/recordings/call.ogg", RAW))
SPEECH = ("POST", "/v1/audio/transcriptions", MULTIPART)


async def _torn(api, draw: random.Random) -> None:
    """Begin an upload at some door and tear it at some moment: by its client, by the server, or by both."""
    method, path, headers = draw.choice([*DOORS, SPEECH])
    connection = Connection(api.app, method, path, headers)
    if headers is MULTIPART:
        connection.send(HEAD)
    for number in range(draw.randrange(3)):
        connection.send(b"OggS".ljust(256 << 10) if not number else bytes(256 << 10))
    for _ in range(draw.randrange(40)):
        await asyncio.sleep(0)
    ways = draw.choice(("client", "server", "client then server", "server then client"))
    for way in ways.split(" then "):
        if way == "client":
            connection.disconnect()
        else:
            connection.task.cancel()
        for _ in range(draw.randrange(5)):
            await asyncio.sleep(0)
    with contextlib.suppress(asyncio.CancelledError):
        await connection.done()


@pytest.mark.parametrize("seed", range(5))
async def test_a_thousand_torn_uploads_leave_nothing(make_api, seed):
    """Five times two hundred, five at a time: no file, no job, and no slot is lost."""
    api = await make_api(max_concurrent_uploads=6)  # a tenant gets five of them while others might come
    draw = random.Random(seed)
    for _ in range(40):
        await asyncio.gather(*(_torn(api, draw) for _ in range(5)))
    await until(lambda: not api.spooled)
    assert api.ledger.list(None).jobs == ()
    assert api.blobs == []
    uploads = [api.client.post("/v1/jobs", content=b"RIFF" + bytes([number])) for number in range(5)]
    assert [answer.status_code for answer in await asyncio.gather(*uploads)] == [202] * 5


async def test_connections_that_are_reset_leave_nothing(make_api, real_server):
    """Over a real server: a hundred clients that vanish in the middle of their body."""
    api = await make_api(max_concurrent_uploads=8)

    async def torn(url: str, number: int) -> None:
        reader, writer = await asyncio.open_connection(*url.removeprefix("http://").split(":"))
        path = "/v1/jobs" if number % 2 else "/v1/recordings/call.ogg"
        writer.write(f"{'POST' if number % 2 else 'PUT'} {path} HTTP/1.1\r\nHost: localhost\r\n".encode())
        writer.write(b"Content-Type: audio/ogg\r\nContent-Length: 60000000\r\n\r\n" + b"OggS".ljust(200_000))
        await writer.drain()
        if number % 3:
            await asyncio.sleep(0.002 * (number % 7))
        linger = struct.pack("ii", 1, 0)  # a reset, not a polite end
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.transport.abort()
        del reader

    async with real_server(api.app) as url:
        for start in range(0, 100, 8):
            await asyncio.gather(*(torn(url, number) for number in range(start, min(start + 8, 100))))
        await until(lambda: not api.spooled)
        assert (await api.client.post("/v1/jobs", content=b"RIFF")).status_code == 202


def test_the_sweep_spares_what_lives(tmp_path):
    """Files of requests under way stay, however old they are; once their process was killed they go at once."""
    program = LEFT_BY_THE_DEAD.replace("os._exit(9)", "print(flush=True); sys.stdin.read()")
    writer = subprocess.Popen([sys.executable, "-c", program, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert writer.stdout is not None
    writer.stdout.readline()
    (claimed,) = tmp_path.iterdir()
    os.utime(claimed, (0, 0))
    assert sweep(tmp_path) == 0
    writer.kill()
    writer.communicate()
    assert sweep(tmp_path) == 1
    assert not [*tmp_path.iterdir()]


def test_the_sweep_takes_what_was_never_named(tmp_path):
    """A process killed between a file's creation and its lock leaves a name without suffix; it goes after an hour."""
    subprocess.run([sys.executable, "-c", LEFT_BY_THE_DEAD, str(tmp_path)], check=False)
    (claimed,) = tmp_path.iterdir()
    unnamed = tmp_path / ("0123456789abcdef" * 2)
    unnamed.touch()
    (tmp_path / "notes").touch()
    assert sweep(tmp_path) == 1
    assert not claimed.exists()
    assert sweep(tmp_path, now_s=time.time() + 3601) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["notes"]


def test_the_sweeper_goes_on(tmp_path):
    """Every five minutes each sweep runs, whatever another one did; with its context it ends."""
    swept = []

    def fails():
        swept.append("fails")
        raise StoreUnavailable("read-only")

    async def program():
        async with SpoolSweeper(sweeps=(fails, lambda: swept.append("works"))).running():
            await asyncio.sleep(3 * spool_sweep.SWEEP_INTERVAL_S + 1)
        await asyncio.sleep(3 * spool_sweep.SWEEP_INTERVAL_S)

    run_in_virtual_time(program())
    assert swept == ["fails", "works"] * 3


async def test_a_running_endpoint_sweeps(make_api, monkeypatch):
    """What another process left is gone while the application runs, without a restart."""
    slept = asyncio.Event()

    async def sleep(seconds):
        assert seconds == spool_sweep.SWEEP_INTERVAL_S
        if slept.is_set():
            await asyncio.Event().wait()
        slept.set()

    monkeypatch.setattr(app, "SpoolSweeper", functools.partial(SpoolSweeper, sleep=sleep))
    api = await make_api()
    await asyncio.to_thread(subprocess.run, [sys.executable, "-c", LEFT_BY_THE_DEAD, str(api.spool_dir)], check=False)
    assert len(api.spooled) == 1
    async with api.app.router.lifespan_context(api.app):
        await until(lambda: not api.spooled)


def test_what_lies_in_the_spool_folder(tmp_path):
    """How many files, their bytes, and how long nothing has come for the stillest."""
    assert spool_use(tmp_path, 0.0) == SpoolUse()
    for name, n_bytes, written_s in (("a.9.upload", 5, 100), ("b.upload", 7, 160), ("c.other", 11, 50)):
        (tmp_path / name).write_bytes(b"x" * n_bytes)
        os.utime(tmp_path / name, (written_s, written_s))
    assert spool_use(tmp_path, 200.0) == SpoolUse(n_files=2, n_bytes=12, idle_s=100.0)


async def test_a_scrape_tells_of_the_spool_folder(api):
    """Prometheus sees how many uploads lie there, their bytes, and how long they have been still."""
    connection = Connection(api.app, "POST", "/v1/jobs", RAW)
    connection.send(b"OggS".ljust(MIB))
    await until(lambda: api.n_spooled_bytes == MIB)
    found = samples((await api.client.get("/metrics")).content)
    assert found[("meetmemo_spool_files", "upload")] == 1
    assert found[("meetmemo_spool_bytes", "upload")] == MIB
    assert found[("meetmemo_spool_idle_seconds", "resumable")] == 0
    connection.disconnect()
    await connection.done()
