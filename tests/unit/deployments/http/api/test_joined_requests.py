"""Equal requests at several endpoints: one job, one decoding, and nobody loses another's."""

import asyncio

import pytest

from pipelines.jobs.events import CancelRequested
from pipelines.jobs.job import JobState
from tests.support.waiting import until

AUDIO = b"RIFF" + bytes(range(256)) * 4
SPEECH = {"files": {"file": ("a.wav", AUDIO)}, "data": {"model": "whisper-1"}}


@pytest.fixture
async def endpoints(make_api):
    """Two endpoints over one ledger and one store."""
    first = await make_api()
    return first, await make_api(ledger=first.ledger, store=first.store)


async def test_retries_of_an_impatient_client_are_one_job(endpoints):
    """It hangs up twice and asks again elsewhere: the third request waits for the job of the first."""
    first, second = endpoints
    waiting = []
    for api in (first, second, first):
        waiting.append(asyncio.ensure_future(api.client.post("/v1/audio/transcriptions", **SPEECH)))
        await until(lambda: len(history(first)) == len(waiting))
    for request in waiting[:2]:
        request.cancel()
    first.advance(only(first).id, CancelRequested())
    answer = await waiting[2]
    assert answer.headers["x-meetmemo-job"] == only(first).id
    assert len(first.blobs) == 1, "the bytes of repeated requests are gone"
    assert first.spooled == second.spooled == []


async def test_equal_submissions_are_one_job(endpoints):
    """At once and later, with 200 for those that joined; bytes, options, external id or `reuse` keep them apart."""
    first, second = endpoints
    sent = [api.client.post("/v1/jobs", content=AUDIO) for api in (first, second) * 4]
    answers = await asyncio.gather(*sent)
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [202]
    assert {answer.json()["id"] for answer in answers} == {only(first).id}
    others = (
        {"content": AUDIO + b"more"},
        {"params": {"beam_size": "2"}},
        {"params": {"external_id": "call-1"}},
        {"params": {"reuse": "false"}},
        {"headers": {"idempotency-key": "k"}},
    )
    for other in others:
        answer = await second.client.post("/v1/jobs", **{"content": AUDIO, **other})
        assert answer.status_code == 202, other
    assert len(first.ledger.list(None).jobs) == 1 + len(others)


async def test_a_job_is_cancelled_by_all(endpoints):
    """Who cancels takes back their own request; `everyone` ends the job."""
    first, second = endpoints
    for api in endpoints:
        await api.client.post("/v1/jobs", content=AUDIO)
    path = f"/v1/jobs/{only(first).id}"
    assert (await first.client.delete(path)).status_code == 202
    assert not only(first).cancel_requested
    assert (await second.client.delete(path)).status_code == 202
    assert only(first).cancel_requested
    again = (await first.client.post("/v1/jobs", content=AUDIO)).json()["id"]
    await second.client.post("/v1/jobs", content=AUDIO)
    await second.client.delete(f"/v1/jobs/{again}", params={"everyone": "true"})
    assert first.ledger.get("default", again).cancel_requested


async def test_an_ended_job_is_not_joined(endpoints):
    """A later request makes a job of its own."""
    first, second = endpoints
    ended = (await first.client.post("/v1/jobs", content=AUDIO)).json()["id"]
    first.advance(ended, CancelRequested())
    assert first.ledger.get("default", ended).state is JobState.CANCELLED
    assert (await second.client.post("/v1/jobs", content=AUDIO)).status_code == 202


def history(api):
    """The events of the jobs there are."""
    return [event for job in api.ledger.list(None).jobs for event in api.ledger.events("default", job.id)]


def only(api):
    (job,) = api.ledger.list(None).jobs
    return job
