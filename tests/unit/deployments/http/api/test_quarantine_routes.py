"""The quarantine and draining over HTTP."""

import httpx
import pytest

from cluster.client.http import ApiError, Client
from deployments.artifacts import quarantine
from pipelines.codec import encode
from pipelines.core import BlobRef, Chunk, ModelInfo, SourceSummary, Span, SpeechInterval
from pipelines.errors import Reason
from pipelines.jobs.events import ChunkFinished, Claimed, Failed, ResultsStored, Segmented, SpanStored, TranscriptStored
from pipelines.scheduling.work_item import WorkItem
from pipelines.storage.layout import JobKeys
from tests.support.waiting import until

CHUNK = Chunk(index=0, channel=0, span=0, pieces=(SpeechInterval(start=16_000, end=48_000),))
ENDED = (
    Claimed(),
    SpanStored(audio_s=4.0, chunks=(CHUNK,)),
    Segmented(n_chunks=2),
    ChunkFinished(index=0, audio_s=2.0, failed=True),
    ChunkFinished(index=1, audio_s=2.0),
    TranscriptStored(),
    ResultsStored(names=("transcript.json",)),
)


def lose_chunk(api, job_id, *, with_samples=True, with_rest=True, audible=True):
    """Put a job's only chunk into quarantine, as the Coordinator does."""
    keys = JobKeys(tenant="default", job_id=job_id)
    item = WorkItem(tenant="default", job_id=job_id, chunk=CHUNK, language="en", errors=("burnt", "burnt down"))
    span = Span(index=0, channel=0, start=0, end=64_000, pcm=BlobRef(key=keys.pcm(0, 0), n_bytes=0), chunks=(CHUNK,))
    if with_samples:
        api.store.put(keys.pcm(0, 0), bytes(128_000))
        api.store.put(keys.span(0), encode(span))
    quarantine.keep_chunk(
        api.store, item, "burnt down", model=ModelInfo(name="mini-en"), at_s=1_800_000_000.0, audible=audible
    )
    if with_rest:
        summary = SourceSummary(duration_s=4.0, n_channels=1, n_spans=1, n_chunks=1)
        kept = quarantine.Kept(summary=summary, spans=(span,), results=(), votes=())
        quarantine.keep_rest(api.store, api.ledger.get("default", job_id), kept, [0])
    api.store.delete_prefix(keys.work)


async def given_up(api, **how):
    job_id = await api.submit(filename="call.wav")
    api.advance(job_id, *ENDED)
    lose_chunk(api, job_id, **how)
    return job_id


async def test_list_and_clip(any_api):
    """The list tells what was lost, where and why, and its clip can be heard."""
    await any_api.submit()
    job_id = await given_up(any_api)
    answer = await any_api.client.get("/v1/quarantine")
    (chunk,) = answer.json()["chunks"]
    assert chunk == {
        "job_id": job_id,
        "filename": "call.wav",
        "index": 0,
        "channel": 0,
        "start_s": 1.0,
        "end_s": 3.0,
        "language": "en",
        "model": "mini-en",
        "error": "burnt down",
        "attempts": ["burnt", "burnt down"],
        "at": "2027-01-15T08:00:00Z",
        "clip": f"/v1/jobs/{job_id}/quarantine/0/clip",
    }
    clip = await any_api.client.get(chunk["clip"])
    assert (clip.headers["content-type"], len(clip.content)) == ("audio/wav", 44 + 64_000)
    missing = await any_api.client.get(f"/v1/jobs/{job_id}/quarantine/1/clip")
    assert (missing.status_code, missing.json()["reason"]) == (404, Reason.BLOB_MISSING)


async def test_the_list_is_bounded(api):
    """It shows the newest jobs first, as many as asked for."""
    for _ in range(3):
        newest = await given_up(api)
    chunks = (await api.client.get("/v1/quarantine", params={"limit": 1})).json()["chunks"]
    assert [chunk["job_id"] for chunk in chunks] == [newest]


async def test_only_jobs_that_gave_up_chunks_are_read(any_api, monkeypatch):
    """However many others a tenant has, the ledger returns those jobs, and no more of them than are to be shown."""
    lost = [await given_up(any_api) for _ in range(3)]
    for _ in range(20):
        await any_api.submit()
    read: list[str] = []
    listing = any_api.ledger.list

    def counted(*args, **kwargs):
        page = listing(*args, **kwargs)
        read.extend(job.id for job in page.jobs)
        return page

    monkeypatch.setattr(any_api.ledger, "list", counted)
    chunks = (await any_api.client.get("/v1/quarantine")).json()["chunks"]
    assert [chunk["job_id"] for chunk in chunks] == read == lost[::-1]
    read.clear()
    chunks = (await any_api.client.get("/v1/quarantine", params={"limit": 2})).json()["chunks"]
    assert [chunk["job_id"] for chunk in chunks] == read == lost[:0:-1]


async def test_jobs_whose_quarantine_is_gone_are_passed_over(api):
    """They take no place in the list, and what comes after them on another page is shown."""
    oldest, *replayed = [await given_up(api) for _ in range(4)]
    for job_id in replayed:
        api.store.delete_prefix(JobKeys(tenant="default", job_id=job_id).quarantine)
    chunks = (await api.client.get("/v1/quarantine", params={"limit": 1})).json()["chunks"]
    assert [chunk["job_id"] for chunk in chunks] == [oldest]


@pytest.mark.parametrize("body", [None, {}, {"chunks": [0]}, {"chunks": [0, 0]}])
async def test_replay(any_api, body):
    """A replay is a new job with the options of the old one, and wakes the Coordinator."""
    job_id = await given_up(any_api)
    n_wakes = any_api.coordinator.n_wakes
    answer = await any_api.client.post(f"/v1/jobs/{job_id}/replay", json=body)
    assert answer.status_code == 202, answer.text
    again = answer.json()
    assert answer.headers["location"] == f"/v1/jobs/{again['id']}"
    assert (again["state"], again["replay_of"], again["filename"]) == ("queued", job_id, "call.wav")
    stored = any_api.ledger.get("default", again["id"])
    assert stored.replay_chunks == (0,)
    assert (await any_api.client.get(f"/v1/jobs/{job_id}")).json()["replay_of"] is None
    await until(lambda: any_api.coordinator.n_wakes > n_wakes)


async def test_a_failed_job_is_retried_from_its_quarantine(api):
    """A job of which no chunk could be transcribed has no recording any more, but what its chunks heard."""
    job_id = await api.submit(filename="call.wav")
    api.advance(job_id, Claimed(), Failed(reason=Reason.TRANSCRIPTION_FAILED, detail="not one"))
    lose_chunk(api, job_id)
    job = (await api.client.post(f"/v1/jobs/{job_id}/retry")).json()
    assert job["replay_of"] == job_id
    assert api.ledger.get("default", job["id"]).replay_chunks == (0,)


async def test_a_repeated_replay_is_one_job(api):
    """Under an idempotency key, sending a replay twice makes one job."""
    job_id = await given_up(api)
    headers = {"Idempotency-Key": "k"}
    first = await api.client.post(f"/v1/jobs/{job_id}/replay", headers=headers)
    second = await api.client.post(f"/v1/jobs/{job_id}/replay", headers=headers)
    assert (first.status_code, second.status_code) == (202, 200)
    assert first.json()["id"] == second.json()["id"]


@pytest.mark.parametrize(
    ("how", "body", "status", "reason"),
    [
        ({}, {"chunks": [7]}, 404, Reason.NOT_FOUND),
        ({}, {"chunks": []}, 422, Reason.INVALID_OPTION),
        ({}, {"chunks": [-1]}, 422, Reason.INVALID_OPTION),
        ({}, {"parts": [0]}, 422, Reason.INVALID_OPTION),
        ({"with_samples": False}, None, 409, Reason.ILLEGAL_TRANSITION),
        ({"with_rest": False}, None, 409, Reason.ILLEGAL_TRANSITION),
    ],
)
async def test_refusals(api, how, body, status, reason):
    """What cannot be replayed is refused with the reason, and no job is made."""
    job_id = await given_up(api, **how)
    n_jobs = len(api.ledger.list(None).jobs)
    answer = await api.client.post(f"/v1/jobs/{job_id}/replay", json=body)
    assert (answer.status_code, answer.json()["reason"]) == (status, reason)
    assert len(api.ledger.list(None).jobs) == n_jobs


async def test_jobs_without_quarantine_cannot_be_replayed(api):
    """Neither live jobs, nor unknown ones, nor those that lost nothing."""
    live = await api.submit()
    failed = await api.submit()
    api.advance(failed, Claimed(), Failed(reason=Reason.CORRUPT_AUDIO, detail="torn"))
    for job_id, status in ((live, 409), (failed, 404), ("nobody", 404)):
        answer = await api.client.post(f"/v1/jobs/{job_id}/replay")
        assert answer.status_code == status, answer.text


async def test_purge_takes_the_quarantine_along(any_api):
    """Erasing a job lists and deletes what is in quarantine, too."""
    job_id = await given_up(any_api)
    answer = await any_api.client.delete(f"/v1/jobs/{job_id}", params={"purge": "true"})
    deleted = answer.json()["deleted"]
    root = f"default/{job_id}/"
    names = {
        "quarantine/kept.json",
        *(f"quarantine/000000/{name}" for name in ("chunk.json", "clip.wav", "samples.pcm")),
    }
    assert {root + name for name in names} <= set(deleted)
    assert any_api.blobs == []


async def test_draining(api):
    """Draining begins, is seen, and ends; new jobs are still taken unless they are to be refused."""
    assert (await api.client.post("/v1/admin/drain")).json() == {"draining": True, "refusing": False, "live_jobs": 3}
    await api.submit()
    assert (await api.client.get("/v1/admin/drain")).json()["draining"] is True
    await api.client.post("/v1/admin/drain", params={"refuse": "true"})
    answer = await api.client.post("/v1/jobs", content=b"RIFF")
    assert (answer.status_code, answer.json()["reason"]) == (503, Reason.DRAINING)
    assert int(answer.headers["retry-after"]) > 0
    assert (await api.client.delete("/v1/admin/drain")).json()["draining"] is False
    await api.submit()


async def test_draining_needs_the_coordinator(api):
    """When nobody answers, the operator is told so; submissions go on."""
    api.coordinator.broken = ConnectionError("dead")
    answer = await api.client.post("/v1/admin/drain")
    assert (answer.status_code, answer.json()["reason"]) == (503, Reason.REPLICA_LOST)
    await api.submit()


async def test_a_job_tells_its_history(any_api):
    """One job shows what happened to it; the list leaves that out."""
    job_id = await given_up(any_api)
    events = (await any_api.client.get(f"/v1/jobs/{job_id}")).json()["events"]
    assert [event["name"] for event in events] == ["created", "transcribing", "summarizing", "succeeded"]
    assert "events" not in (await any_api.client.get("/v1/jobs")).json()["jobs"][0]


async def test_the_command_lines_client(api):
    """What `meetmemo quarantine` and `meetmemo drain` call does what it says, and refusals keep their reason."""
    job_id = await given_up(api)
    async with Client("http://meetmemo.test", transport=httpx.ASGITransport(app=api.app)) as client:
        (chunk,) = (await client.quarantine(10))["chunks"]
        assert (chunk["job_id"], chunk["index"]) == (job_id, 0)
        for chunks in ((), (0,)):
            assert (await client.replay(job_id, chunks))["replay_of"] == job_id
        with pytest.raises(ApiError, match="no chunk 3") as refused:
            await client.replay(job_id, (3,))
        assert refused.value.code == Reason.NOT_FOUND
        assert (await client.drain(refuse=True))["refusing"] is True
        assert (await client.end_drain())["draining"] is False


async def test_a_job_that_hides_words_has_no_clip(api):
    """Nobody hears a chunk of which nobody knows what is said; it can be decoded again all the same."""
    job_id = await api.submit(mask="names")
    api.advance(job_id, *ENDED)
    lose_chunk(api, job_id, audible=False)
    (chunk,) = (await api.client.get("/v1/quarantine")).json()["chunks"]
    assert chunk["clip"] is None
    answer = await api.client.get(f"/v1/jobs/{job_id}/quarantine/0/clip")
    assert answer.status_code == 404
    assert (await api.client.post(f"/v1/jobs/{job_id}/replay")).status_code == 202
