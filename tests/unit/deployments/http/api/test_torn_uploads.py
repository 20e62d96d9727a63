"""Uploads that end in any way at any moment leave no file: at once, or at the next sweep."""

import asyncio
import contextlib
import functools
import os
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
    """By kind: how many files, their bytes, and how long nothing has come for the stillest."""
    assert spool_use(tmp_path, 0.0) == {"upload": SpoolUse(), "resumable": SpoolUse()}
    (tmp_path / "resumable").mkdir()
    for name, n_bytes, written_s in (("a.9.upload", 5, 100), ("b.upload", 7, 160), ("resumable/c.part", 11, 50)):
        (tmp_path / name).write_bytes(b"x" * n_bytes)
        os.utime(tmp_path / name, (written_s, written_s))
    assert spool_use(tmp_path, 200.0) == {
        "upload": SpoolUse(n_files=2, n_bytes=12, idle_s=100.0),
        "resumable": SpoolUse(n_files=1, n_bytes=11, idle_s=150.0),
    }


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
