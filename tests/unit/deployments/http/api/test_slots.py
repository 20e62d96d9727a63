"""Streams and waiting requests: a slot is taken before anything is done, held to the end, and shared among tenants."""

import asyncio
import contextlib
import threading
from itertools import count

import pytest

from deployments.limits import TenantLimits
from tests.fakes.ledger import MemoryLedger
from tests.support.api_harness import Connection
from tests.support.waiting import until
from tests.unit.deployments.http.api.test_limits import Tenants, of

FORM = {"content-type": "multipart/form-data; boundary=x"}
SPEECH = (
    b'--x\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n'
    b'--x\r\nContent-Disposition: form-data; name="stream"\r\n\r\n%s\r\n'
    b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\nRIFF%d\r\n--x--\r\n'
)
N_AT_ONCE = 12
RECORDINGS = count()  # equal ones would share a job


async def follow(api, path, headers=None):
    return Connection(api.app, "GET", path, headers or {})


def speak(api, *, stream=False, headers=None):
    connection = Connection(api.app, "POST", "/v1/audio/transcriptions", {**FORM, **(headers or {})})
    connection.send(SPEECH % (b"true" if stream else b"false", next(RECORDINGS)), more=False)
    return connection


async def leave(*connections):
    for connection in connections:
        connection.disconnect()
        await connection.done()


@pytest.mark.parametrize("all_jobs", [False, True])
async def test_of_many_streams_at_once_each_is_whole_or_refused(make_api, all_jobs):
    """None is answered with 200 and then broken off: it gets its first event, or 429 with Retry-After."""
    api = await make_api(max_event_streams=3)
    job_id = await api.submit()
    path = "/v1/events" if all_jobs else f"/v1/jobs/{job_id}/events"
    streams = [await follow(api, path) for _ in range(N_AT_ONCE)]
    starts = [await stream.next() for stream in streams]
    assert sorted(start["status"] for start in starts) == [200] * 3 + [429] * (N_AT_ONCE - 3)
    for stream, start in zip(streams, starts, strict=True):
        body = await stream.next()
        assert body["body"].startswith(b"event: ") is (start["status"] == 200)
        assert (b"retry-after" in dict(start["headers"])) is (start["status"] == 429)
    await leave(*streams)
    again = await follow(api, path)
    assert (await again.next())["status"] == 200
    await leave(again)


async def test_requests_for_text_share_their_places_in_every_dialect(make_api):
    """While one waits in OpenAI's dialect, one in Deepgram's is refused in its own form, and leaves no job."""
    api = await make_api(max_event_streams=1)
    waiting = speak(api)
    await until(lambda: api.ledger.jobs)
    refused = await api.client.post("/deepgram/v1/listen", content=b"RIFF")
    assert (refused.status_code, refused.json()["err_code"]) == (429, "TOO_MANY_REQUESTS")
    assert "retry-after" in refused.headers
    assert len(api.ledger.jobs) == 1
    await leave(waiting)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_refused_request_for_text_leaves_no_job(make_api, stream):
    """Of many at once those beyond the limit get 429 before anything is stored, and only the others have a job."""
    api = await make_api(max_event_streams=3, max_concurrent_uploads=100)
    waiting = [speak(api, stream=stream) for _ in range(N_AT_ONCE)]
    await until(lambda: sum(connection.task.done() for connection in waiting) == N_AT_ONCE - 3)
    refused = [connection for connection in waiting if connection.task.done()]
    served = [connection for connection in waiting if not connection.task.done()]
    assert [(await connection.next())["status"] for connection in refused] == [429] * (N_AT_ONCE - 3)
    await until(lambda: len(api.ledger.list("default").jobs) == 3)
    await until(lambda: not api.spooled)
    if stream:
        assert [(await connection.next())["status"] for connection in served] == [200] * 3
    await leave(*served)
    assert len(api.ledger.list("default").jobs) == 3


async def test_a_tenant_has_its_share_of_each_kind(make_api):
    """One tenant's streams and waiting requests end at its share; another's are served."""
    api = await make_api(authenticator=Tenants(), tenants={"a": TenantLimits(max_streams=1)})
    for open_one in (
        lambda tenant: Connection(api.app, "GET", "/v1/events", of(tenant)),
        lambda tenant: speak(api, stream=True, headers=of(tenant)),
    ):
        first, second, other = open_one("a"), open_one("a"), open_one("b")
        answers = [(await connection.next())["status"] for connection in (first, second, other)]
        assert answers == [200, 429, 200]
        await leave(first, second, other)
        third = open_one("a")
        assert (await third.next())["status"] == 200
        await leave(third)


async def test_the_last_streams_are_for_newcomers(make_api):
    """A tenant whose share is everything still leaves a quarter to those that have no stream."""
    api = await make_api(authenticator=Tenants(), max_event_streams=4, max_streams=100)
    greedy = [Connection(api.app, "GET", "/v1/events", of("a")) for _ in range(4)]
    assert [(await connection.next())["status"] for connection in greedy] == [200, 200, 200, 429]
    other = Connection(api.app, "GET", "/v1/events", of("b"))
    assert (await other.next())["status"] == 200
    await leave(*greedy, other)


class SlowLedger(MemoryLedger):
    """A ledger whose answers wait until the test lets them go."""

    def __init__(self):
        super().__init__()
        self.asked = 0
        self.go = None

    def get(self, tenant, job_id):
        if self.go is not None:
            self.asked += 1
            assert self.go.wait(30)
        return super().get(tenant, job_id)


async def test_a_client_that_is_gone_before_the_answer_gives_its_slot_back(make_api):
    """A task that is cancelled before its stream has begun leaves no slot taken."""
    api = await make_api(max_event_streams=1, ledger=SlowLedger())
    job_id = await api.submit()
    path = f"/v1/jobs/{job_id}/events"
    api.ledger.go = threading.Event()
    gone = await follow(api, path)
    await until(lambda: api.ledger.asked)
    assert (await api.client.get(path)).status_code == 429
    gone.task.cancel()
    api.ledger.go.set()
    with contextlib.suppress(asyncio.CancelledError):
        await gone.task
    api.ledger.go = None
    after = await follow(api, path)
    assert (await after.next())["status"] == 200
    await leave(after)


async def test_a_stream_is_charged_as_one_request(make_api):
    """Holding a slot asks who it is for, and counts no second request against the rate."""
    api = await make_api(requests_per_s=0.001, request_burst=5)
    job_id = await api.submit()
    stream = await follow(api, f"/v1/jobs/{job_id}/events")
    start = await stream.next()
    assert dict(start["headers"])[b"ratelimit"].startswith(b'"requests";r=3;')
    await leave(stream)


async def test_one_tenant_does_not_take_all_uploads(make_api):
    """With every slot it may have taken by a tenant that sends nothing, another tenant's upload is accepted."""
    api = await make_api(authenticator=Tenants(), max_concurrent_uploads=4)
    slow = [Connection(api.app, "POST", "/v1/jobs", {"content-type": "audio/wav", **of("a")}) for _ in range(4)]
    await until(lambda: len(api.spooled) == 3 and slow[3].task.done())
    assert (await slow[3].next())["status"] == 429
    assert (await api.client.post("/v1/jobs", content=b"RIFF", headers=of("b"))).status_code == 202
    await leave(*slow[:3])
    assert api.spooled == []
