"""A process that is replaced answers everybody whom it cannot serve to the end, in the form they expect."""

import asyncio
import json

import pytest

from deployments.http import shutdown as shutdowns
from deployments.http.shutdown import Shutdown
from pipelines.storage.layout import JobKeys
from tests.support.api_harness import Connection, scope_of
from tests.support.waiting import until
from tests.unit.deployments.http.api.test_ingestion_uploads import MULTIPART, RAW

SETTLED_IN_STEPS = 1000  # of the loop, in which what is due at once happens
SPEECH = b"""--b\r
Content-Disposition: form-data; name="model"\r
\r
whisper-1\r
--b\r
Content-Disposition: form-data; name="%s"\r
\r
%s\r
--b\r
Content-Disposition: form-data; name="file"; filename="a.ogg"\r
\r
OggS0000\r
--b--\r
"""


@pytest.fixture
async def shutdown(monkeypatch):
    """A process of which the last moment is its first."""
    monkeypatch.setattr(shutdowns, "ANSWER_S", 0.0)
    shutdown = Shutdown()
    async with shutdown.running():
        yield shutdown


@pytest.fixture
async def api(make_api, shutdown):
    return await make_api(shutdown=shutdown, cors_origins=("https://portal.example",), keep_alive_s=60.0)


async def head_of(connection):
    """The status and the headers of an answer."""
    start = await connection.next()
    return start["status"], {name.decode(): value.decode() for name, value in start["headers"]}


@pytest.mark.parametrize(
    ("path", "headers"), [("/v1/jobs", RAW), ("/v1/recordings/a.ogg", RAW), ("/v1/jobs", MULTIPART)]
)
async def test_a_slow_upload_is_told_to_come_again(api, shutdown, path, headers):
    """503 with ``Retry-After`` as problem+json, readable by pages, and its spool file is gone."""
    method = "PUT" if "recordings" in path else "POST"
    connection = Connection(api.app, method, path, {**headers, "origin": "https://portal.example"})
    connection.send(b"OggS".ljust(2 << 20) if headers is RAW else b"")
    await until(lambda: api.spooled)
    shutdown.begin(0.0)
    status, told = await head_of(connection)
    assert (status, told["content-type"], told["retry-after"]) == (503, "application/problem+json", "5")
    assert told["access-control-allow-origin"] == "https://portal.example"
    assert "x-request-id" in told
    assert json.loads((await connection.next())["body"])["reason"] == "replica_lost"
    await connection.done()
    await until(lambda: not api.spooled)


async def test_who_waits_for_a_text_gets_the_id_of_the_job(api, shutdown):
    """In OpenAI's form, with ``Retry-After`` and where the job goes on; the job is there."""
    connection = Connection(
        api.app, "POST", "/v1/audio/transcriptions", {"content-type": "multipart/form-data; boundary=b"}
    )
    connection.send(SPEECH % (b"language", b"en"), more=False)
    await until(lambda: api.coordinator.n_watching)
    shutdown.begin(0.0)
    status, told = await head_of(connection)
    (job,) = api.ledger.list(None).jobs
    assert (status, told["retry-after"], told["x-meetmemo-job"]) == (503, "5", job.id)
    assert told["location"] == f"/v1/jobs/{job.id}"
    error = json.loads((await connection.next())["body"])["error"]
    assert (error["type"], error["code"]) == ("server_error", "replica_lost")
    assert not api.spooled


async def test_a_stream_of_text_ends_with_an_error(api, shutdown):
    """Its client must not take the text so far for all of it."""
    connection = Connection(
        api.app, "POST", "/v1/audio/transcriptions", {"content-type": "multipart/form-data; boundary=b"}
    )
    connection.send(SPEECH % (b"stream", b"true"), more=False)
    assert (await head_of(connection))[0] == 200
    shutdown.begin(0.0)
    last = await connection.next()
    while last.get("more_body"):
        last = await connection.next()
    name, data = last["body"].decode().strip().split("\n")
    assert name == "event: error"
    assert json.loads(data.removeprefix("data: "))["error"]["code"] == "replica_lost"


async def test_a_stream_of_events_just_ends(api, shutdown):
    """A browser's EventSource connects again by itself."""
    connection = Connection(api.app, "GET", "/v1/events")
    assert (await head_of(connection))[0] == 200
    await connection.next()
    shutdown.begin(0.0)
    last = await connection.next()
    while last.get("more_body"):
        last = await connection.next()
    assert last["body"] == b""
    await connection.done()


async def test_a_download_is_torn(make_api, shutdown):
    """A part of a recording must not look like the whole."""
    api = await make_api(shutdown=shutdown)
    job_id = await api.submit(keep_audio="true")
    api.store.put(JobKeys(tenant="default", job_id=job_id).playback, bytes(1 << 20))
    begun = asyncio.Event()

    async def read_slowly(message):
        if message["type"] == "http.response.body":
            begun.set()
            await asyncio.Event().wait()

    async def wait_for_the_end():
        await asyncio.Event().wait()

    scope = scope_of("GET", f"/v1/jobs/{job_id}/audio")
    task = asyncio.create_task(api.app(scope, wait_for_the_end, read_slowly))
    await begun.wait()
    shutdown.begin(0.0)
    with pytest.raises(TimeoutError):
        await task


async def test_what_comes_afterwards_is_refused(api, shutdown):
    """Until the process is gone; whoever came earlier and was answered noticed nothing."""
    assert (await api.client.get("/healthz")).status_code == 200
    shutdown.begin(0.0)
    await until(lambda: shutdown.over)
    late = await api.client.get("/v1/jobs")
    assert (late.status_code, late.json()["reason"]) == (503, "replica_lost")
    assert "retry-after" in late.headers


async def test_there_is_time_until_then(make_api, monkeypatch):
    """Requests may go on until shortly before the end; a second call changes nothing."""
    monkeypatch.setattr(shutdowns, "ANSWER_S", 10.0)
    shutdown = Shutdown()
    api = await make_api(shutdown=shutdown)
    async with shutdown.running():
        shutdown.begin(70.0)
        shutdown.begin(0.0)
        for _ in range(SETTLED_IN_STEPS):
            await asyncio.sleep(0)
        assert (await api.client.get("/healthz")).status_code == 200
        assert not shutdown.over
