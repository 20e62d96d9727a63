"""Following a job: which events come, in which order, and what happens when somebody does not answer."""

import asyncio
import contextlib
import json
from dataclasses import replace

import httpx
import pytest

from deployments.http import job_events
from deployments.tenant import coordinator_client
from pipelines.jobs.events import CancelRequested, Claimed, ResultsStored, Segmented, SpanStored, TranscriptStored
from pipelines.jobs.job import Progress
from tests.support.api_harness import Connection

SPAN = SpanStored(audio_s=30.0, chunks=())


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Shorten the waits that exist for the sake of the other side."""
    monkeypatch.setattr(job_events, "MIN_INTERVAL_S", 0.001)
    monkeypatch.setattr(coordinator_client, "POLL_S", 0.01)


class Events:
    """Reads server-sent events from a connection as they come."""

    def __init__(self, api, job_id, headers=None):
        self.connection = Connection(api.app, "GET", f"/v1/jobs/{job_id}/events", headers or {})
        self._buffer = b""

    async def start(self):
        return await self.connection.next()

    async def next(self):
        """The next event as (name, id, data), or None for a comment; "over" at the end of the stream."""
        while b"\n\n" not in self._buffer:
            message = await self.connection.next()
            self._buffer += message.get("body", b"")
            if not message.get("more_body") and b"\n\n" not in self._buffer:
                return "over"
        event, _, self._buffer = self._buffer.partition(b"\n\n")
        if event.startswith(b":"):
            return None
        fields = dict(line.split(": ", 1) for line in event.decode().split("\n"))
        return fields["event"], int(fields["id"]), json.loads(fields["data"])


async def test_whole_life(any_api):
    """The state comes first, then progress and new states as they happen, then the end, and the stream closes."""
    job_id = await any_api.submit()
    events = Events(any_api, job_id)
    start = await events.start()
    assert start["status"] == 200
    assert (b"content-type", b"text/event-stream; charset=utf-8") in start["headers"]
    name, version, data = await events.next()
    assert (name, data["id"], data["state"]) == ("state", job_id, "queued")
    steps = [
        (Claimed(), "state", "transcribing"),
        (SPAN, "progress", "transcribing"),
        (Segmented(n_chunks=0), "progress", "transcribing"),
        (TranscriptStored(), "state", "summarizing"),
        (ResultsStored(names=("transcript.txt",)), "end", "succeeded"),
    ]
    for event, expected_name, state in steps:
        any_api.advance(job_id, event)
        name, next_version, data = await events.next()
        assert (name, data["state"]) == (expected_name, state)
        assert next_version > version
        version = next_version
    assert data["results"] == {"transcript.txt": f"/v1/jobs/{job_id}/results/transcript.txt"}
    assert await events.next() == "over"
    await events.connection.done()


async def test_progress_the_ledger_does_not_know(api):
    """Progress that only the Coordinator knows yet is told, under the version it belongs to."""
    job_id = await api.submit()
    job = api.advance(job_id, Claimed())
    events = Events(api, job_id)
    await events.start()
    assert (await events.next())[0] == "state"
    api.coordinator.views[job_id] = replace(job, progress=Progress(audio_s=60.0, done_s=20.0))
    api.coordinator.announce()
    name, version, data = await events.next()
    assert (name, version, data["progress"]) == ("progress", job.version, {"audio_s": 60.0, "done_s": 20.0})
    events.connection.disconnect()
    await events.connection.done()


async def test_ended_job(api):
    """The stream of a job that has ended is its end."""
    job_id = await api.submit()
    api.advance(job_id, CancelRequested())
    answer = await api.client.get(f"/v1/jobs/{job_id}/events")
    assert answer.text.startswith("event: end\n")
    assert answer.text.count("event:") == 1


async def test_last_event_id(api):
    """Who has seen a version is told only what came later; who has seen the end is told to stop."""
    job_id = await api.submit()
    seen = api.advance(job_id, Claimed()).version
    events = Events(api, job_id, {"last-event-id": str(seen)})
    await events.start()
    ended = api.advance(job_id, SPAN, CancelRequested())
    name, version, _ = await events.next()
    assert (name, version) == ("end", ended.version)
    assert await events.next() == "over"
    again = await api.client.get(f"/v1/jobs/{job_id}/events", headers={"last-event-id": str(ended.version)})
    assert (again.status_code, again.content) == (204, b"")


@pytest.mark.parametrize("given", ["-1", "x", "²", "1.5"])
async def test_bad_last_event_id(api, given):
    """An id that no event had is refused."""
    job_id = await api.submit()
    answer = await api.client.get(f"/v1/jobs/{job_id}/events", headers={"last-event-id": given.encode("utf-8")})
    assert (answer.status_code, answer.json()["reason"]) == (400, "invalid_request")


async def test_keep_alive(make_api):
    """While nothing happens, comments keep the connection from being cut."""
    api = await make_api(keep_alive_s=0.02)
    events = Events(api, await api.submit())
    await events.start()
    assert (await events.next())[0] == "state"
    assert await events.next() is None
    assert await events.next() is None
    events.connection.disconnect()
    await events.connection.done()


async def test_silent_coordinator(make_api):
    """Without a Coordinator the ledger is asked, and the stream still tells everything that matters."""
    api = await make_api()
    api.coordinator.broken = RuntimeError("ActorDiedError")
    job_id = await api.submit()
    events = Events(api, job_id)
    await events.start()
    assert (await events.next())[2]["eta_s"] is None
    api.advance(job_id, Claimed())
    assert (await events.next())[2]["state"] == "transcribing"
    api.advance(job_id, CancelRequested())
    assert (await events.next())[0] == "end"
    await events.connection.done()


async def test_hanging_coordinator(make_api, monkeypatch):
    """A Coordinator that takes the call and never answers is given up after a while."""
    monkeypatch.setattr(coordinator_client, "ANSWER_TIMEOUT_S", 0.02)
    api = await make_api(keep_alive_s=0.02)
    job_id = await api.submit()

    async def hang(*args):
        await asyncio.Event().wait()

    api.coordinator.watch = api.coordinator.eta = hang
    events = Events(api, job_id)
    await events.start()
    assert (await events.next())[0] == "state"
    api.advance(job_id, CancelRequested())
    while (event := await events.next()) is None:
        pass
    assert event[0] == "end"
    await events.connection.done()


async def test_outage_of_both(make_api):
    """While neither answers the stream lives on comments, and goes on when the ledger is back."""
    api = await make_api(keep_alive_s=0.02)
    job_id = await api.submit()
    api.coordinator.broken = RuntimeError("ActorDiedError")
    events = Events(api, job_id)
    await events.start()
    assert (await events.next())[0] == "state"
    api.ledger.outage = "locked"
    assert await events.next() is None
    api.ledger.outage = ""
    api.advance(job_id, CancelRequested())
    while (event := await events.next()) is None:
        pass
    assert event[0] == "end"
    await events.connection.done()


async def test_deleted_meanwhile(api):
    """The stream of a job that somebody deletes ends with a problem."""
    job_id = await api.submit()
    events = Events(api, job_id)
    await events.start()
    await events.next()
    api.ledger.delete("default", job_id)
    api.coordinator.announce()
    name, _, data = await events.next()
    assert (name, data["reason"], data["status"]) == ("error", "job_unknown", 404)
    assert await events.next() == "over"


async def test_too_many_streams(make_api):
    """One stream more than may be open is refused; a stream whose client goes away makes room."""
    api = await make_api(max_event_streams=1)
    job_id = await api.submit()
    events = Events(api, job_id)
    await events.start()
    await events.next()
    answer = await api.client.get(f"/v1/jobs/{job_id}/events")
    assert (answer.status_code, answer.json()["reason"]) == (429, "overloaded")
    events.connection.disconnect()
    await events.connection.done()
    other = Events(api, job_id)
    assert (await other.start())["status"] == 200
    other.connection.task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await other.connection.task


async def test_over_a_real_server(api, real_server):
    """Over a socket each event arrives when it happens, not at the end."""
    job_id = await api.submit()
    async with (
        real_server(api.app) as url,
        httpx.AsyncClient(base_url=url, timeout=30) as client,
        client.stream("GET", f"/v1/jobs/{job_id}/events") as answer,
    ):
        lines = answer.aiter_lines()
        assert await anext(lines) == "event: state"
        api.advance(job_id, CancelRequested())
        rest = [line async for line in lines]
    assert "event: end" in rest
