"""Trying a failed job again over HTTP."""

from pipelines.codec import encode
from pipelines.errors import Reason
from pipelines.jobs.events import CancelRequested, Claimed, Failed, ResultsStored, Segmented, TranscriptStored
from pipelines.storage.layout import JobKeys

FAILED = Failed(reason=Reason.SOURCE_UNREACHABLE, detail="no route")
SOURCE = "https://recordings.example.com/1.mp3?signature=secret"


async def pulled(api) -> str:
    answer = await api.client.post("/v1/jobs", json={"source": SOURCE, "options": {"language": "en"}})
    job_id: str = answer.json()["id"]
    return job_id


async def retry(api, job_id, **headers):
    return await api.client.post(f"/v1/jobs/{job_id}/retry", headers=headers)


async def test_a_recording_with_a_url(any_api) -> None:
    """A new job fetches it again with the same options; under one key there is one; the old one stays as it ended."""
    job_id = await pulled(any_api)
    any_api.advance(job_id, Claimed(), FAILED)
    answer = await retry(any_api, job_id, **{"Idempotency-Key": "k"})
    job = answer.json()
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/v1/jobs/{job['id']}"
    assert (job["state"], job["options"]["language"], job["filename"]) == ("queued", "en", "1.mp3")
    assert job["source"]["url"] == SOURCE.partition("?")[0]
    assert any_api.ledger.get("default", job["id"]).source_url == SOURCE
    again = await retry(any_api, job_id, **{"Idempotency-Key": "k"})
    assert (again.status_code, again.json()["id"]) == (200, job["id"])
    assert (await any_api.client.get(f"/v1/jobs/{job_id}")).json()["state"] == "failed"


async def test_minutes_that_failed(api) -> None:
    """Writing minutes anew is retried with its own options, from the transcript of the first job."""
    first = await api.submit(filename="call.wav")
    api.advance(first, Claimed(), Segmented(n_chunks=0), TranscriptStored(), ResultsStored(names=()))
    api.store.put(JobKeys(tenant="default", job_id=first).transcript, encode("text"))
    second = (await api.client.post(f"/v1/jobs/{first}/minutes", json={"minutes_title": "Board"})).json()["id"]
    api.advance(second, CancelRequested())
    job = (await retry(api, second)).json()
    assert (job["minutes_of"], job["options"]["minutes_title"]) == (first, "Board")
    await api.client.delete(f"/v1/jobs/{first}", params={"purge": "true"})
    assert (await retry(api, second)).json()["reason"] == "illegal_transition"


async def test_what_cannot_be_retried(api) -> None:
    """An uploaded recording is gone, a job in hand or done has nothing to retry, an unknown one is unknown."""
    job_id = await api.submit()
    assert (await retry(api, job_id)).json()["reason"] == "illegal_transition"
    api.advance(job_id, Claimed(), FAILED)
    answer = await retry(api, job_id)
    assert (answer.status_code, answer.json()["reason"]) == (409, "illegal_transition")
    assert "send it again" in answer.json()["detail"]
    assert (await retry(api, "nobody")).json()["reason"] == "job_unknown"
    assert len((await api.client.get("/v1/jobs")).json()["jobs"]) == 1
