"""Showing, listing, ending and purging jobs, and fetching what they brought."""

from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import quote

import pytest

from pipelines.core import SAMPLE_RATE, Chunk, SpeechInterval
from pipelines.errors import Reason
from pipelines.jobs.events import (
    CancelRequested,
    Claimed,
    Failed,
    ResultsStored,
    Segmented,
    SpanStored,
    TranscriptStored,
)
from pipelines.jobs.job import RESULT_FORMATS
from pipelines.storage.layout import JobKeys
from tests.fakes.ledger import ManualClock, MemoryLedger
from tests.fakes.store import MemoryStore
from tests.support.waiting import until

CHUNK = Chunk(index=0, channel=0, span=0, pieces=(SpeechInterval(start=0, end=20 * SAMPLE_RATE),))
TRANSCRIBED = (Claimed(), Segmented(n_chunks=0), TranscriptStored())


def finish(api, job_id, names=("transcript.json", "transcript.txt")):
    """Let a job succeed with results whose content is their name."""
    keys = JobKeys(tenant="default", job_id=job_id)
    for name in names:
        api.store.put(keys.result(name), name.encode())
    return api.advance(job_id, *TRANSCRIBED, ResultsStored(names=tuple(names)))


async def test_life_of_a_job(any_api):
    """A job's JSON follows it: queued, transcribing with progress, succeeded with result URLs that work."""
    job_id = await any_api.submit(filename="weekly.wav")
    any_api.advance(job_id, Claimed(), SpanStored(audio_s=60.00049, chunks=(CHUNK,)))
    body = (await any_api.client.get(f"/v1/jobs/{job_id}")).json()
    assert (body["state"], body["progress"]) == ("transcribing", {"audio_s": 60.0, "done_s": 40.0})
    assert body["eta_s"] == 12.5
    created = datetime.fromisoformat(body["created_at"])
    assert created.tzinfo is not None
    assert datetime.fromisoformat(body["updated_at"]) >= created
    keys = JobKeys(tenant="default", job_id=job_id)
    any_api.store.put(keys.result("transcript.txt"), b"hello")
    any_api.advance(job_id, Segmented(n_chunks=0), TranscriptStored(), ResultsStored(names=("transcript.txt",)))
    body = (await any_api.client.get(f"/v1/jobs/{job_id}")).json()
    assert (body["state"], body["eta_s"]) == ("succeeded", None)
    assert body["results"] == {"transcript.txt": f"/v1/jobs/{job_id}/results/transcript.txt"}
    result = await any_api.client.get(body["results"]["transcript.txt"])
    assert (result.status_code, result.content) == (200, b"hello")


async def test_failed_job(api):
    """A failed job says why, by enumerated reason and in words."""
    job_id = await api.submit()
    api.advance(job_id, Claimed(), Failed(reason=Reason.UNSUPPORTED_FORMAT, detail="this is a PDF"))
    body = (await api.client.get(f"/v1/jobs/{job_id}")).json()
    assert (body["state"], body["reason"], body["detail"]) == ("failed", "unsupported_format", "this is a PDF")


@pytest.mark.parametrize("job_id", ["nothing", "%00", "%ff", "ä", "x" * 500])
@pytest.mark.parametrize("path", ["", "/events", "/results/transcript.json"])
async def test_unknown_job(any_api, job_id, path):
    """Whatever an unknown job is called, the answer is 404 job_unknown."""
    answer = await any_api.client.get(f"/v1/jobs/{job_id}{path}")
    assert (answer.status_code, answer.json()["reason"]) == (404, "job_unknown")


async def test_other_tenants_job_is_unknown(api):
    """A job of another tenant does not exist here, to show, to cancel or to purge."""
    job_id = await api.submit()
    job = api.ledger.get("default", job_id)
    api.ledger.delete("default", job_id)
    api.ledger.create(replace(job, tenant="other", version=0))
    for method, query in (("GET", ""), ("DELETE", ""), ("DELETE", "?purge=true")):
        answer = await api.client.request(method, f"/v1/jobs/{job_id}{query}")
        assert answer.status_code == 404


class TestList:
    @pytest.fixture
    def clock(self):
        return ManualClock()

    @pytest.fixture
    async def api(self, make_api, clock):
        return await make_api(ledger=MemoryLedger(clock=clock))

    async def names(self, api, **params):
        answer = await api.client.get("/v1/jobs", params=params)
        assert answer.status_code == 200, answer.text
        return [job["filename"] for job in answer.json()["jobs"]]

    async def test_pages(self, any_api):
        """Following ``next`` visits every job once, newest first, and keeps the filters."""
        for number in range(7):
            await any_api.submit(filename=f"call {number}.wav")
        await any_api.submit(filename="other.wav")
        url, seen, n_pages = "/v1/jobs?limit=3&filename=CALL&state=queued&state=failed", [], 0
        while url:
            page = (await any_api.client.get(url)).json()
            seen += [job["filename"] for job in page["jobs"]]
            url, n_pages = page["next"], n_pages + 1
        assert seen == [f"call {number}.wav" for number in reversed(range(7))]
        assert n_pages == 3

    async def test_states(self, api):
        """The state filter takes several states, and none means all."""
        one, two = await api.submit(filename="one"), await api.submit(filename="two")
        await api.submit(filename="three")
        api.advance(one, CancelRequested())
        api.advance(two, Claimed())
        assert await self.names(api, state="cancelled") == ["one"]
        assert set(await self.names(api, state=["cancelled", "transcribing"])) == {"one", "two"}
        assert len(await self.names(api)) == 3

    async def test_times(self, any_api):
        """Created before is exclusive and created after inclusive, in any time zone."""
        await any_api.submit(filename="it")
        created = (await any_api.client.get("/v1/jobs")).json()["jobs"][0]["created_at"]
        assert await self.names(any_api, created_after=created) == ["it"]
        assert await self.names(any_api, created_before=created) == []
        assert await self.names(any_api, created_before="2100-01-01T00:00:00+08:00") == ["it"]
        assert await self.names(any_api, created_after="2100-01-01T00:00:00+08:00") == []

    @pytest.mark.parametrize(
        ("params", "status", "reason"),
        [
            ({"limit": "501"}, 422, "invalid_option"),
            ({"limit": "0"}, 422, "invalid_option"),
            ({"state": "done"}, 422, "invalid_option"),
            ({"created_after": "yesterday"}, 422, "invalid_option"),
            ({"created_after": "2026-01-01T00:00:00"}, 422, "invalid_option"),
            ({"filename": "a\0b"}, 422, "invalid_option"),
            ({"offset": "3"}, 422, "invalid_option"),
            ({"cursor": "garbage"}, 400, "invalid_request"),
        ],
    )
    async def test_bad_query(self, any_api, params, status, reason):
        """A filter that is unknown or cannot be read is refused, never ignored."""
        answer = await any_api.client.get("/v1/jobs", params=params)
        assert (answer.status_code, answer.json()["reason"]) == (status, reason)
        assert answer.headers["content-type"] == "application/problem+json"

    async def test_estimates_only_for_live_jobs(self, api):
        """Only live jobs have an estimate, and an estimate that is missing is null."""
        ended = await api.submit(filename="ended")
        await api.submit(filename="live")
        api.advance(ended, CancelRequested())
        jobs = (await api.client.get("/v1/jobs")).json()["jobs"]
        assert {job["filename"]: job["eta_s"] for job in jobs} == {"ended": None, "live": 12.5}


class TestEnd:
    async def test_cancel_live(self, any_api):
        """Cancelling a live job notes the wish durably and wakes the Coordinator; the job ends a little later."""
        job_id = await any_api.submit()
        n_wakes = any_api.coordinator.n_wakes
        answer = await any_api.client.delete(f"/v1/jobs/{job_id}")
        assert (answer.status_code, answer.json()["state"]) == (202, "queued")
        assert answer.json()["cancel_requested"]
        lease = any_api.ledger.acquire_lease("test", 60.0)
        assert [job.id for job in any_api.ledger.cancel_requests(lease)] == [job_id]
        await until(lambda: any_api.coordinator.n_wakes > n_wakes)

    async def test_cancel_ended(self, any_api):
        """Cancelling a job that has ended changes nothing and says how it ended."""
        job_id = await any_api.submit()
        before = finish(any_api, job_id)
        answer = await any_api.client.delete(f"/v1/jobs/{job_id}")
        assert (answer.status_code, answer.json()["state"]) == (200, "succeeded")
        assert any_api.ledger.get("default", job_id) == before

    async def test_purge(self, any_api):
        """Purging erases source, results and the job itself, names what it deleted, and touches no other job."""
        other = await any_api.submit()
        job_id = await any_api.submit()
        finish(any_api, job_id)
        any_api.coordinator.stories[job_id] = ()
        answer = await any_api.client.delete(f"/v1/jobs/{job_id}?purge=true")
        assert answer.status_code == 200
        assert job_id not in any_api.coordinator.stories
        root = f"default/{job_id}/"
        keys = [f"{root}results/transcript.json", f"{root}results/transcript.txt", f"{root}source"]
        told = answer.json()
        assert (told["id"], told["deleted"]) == (job_id, keys)
        assert [blob["key"] for blob in told["receipt"]["blobs"]] == keys
        assert any_api.blobs == [f"default/{other}/source"]
        assert (await any_api.client.get(f"/v1/jobs/{job_id}")).status_code == 404
        assert (await any_api.client.delete(f"/v1/jobs/{job_id}?purge=true")).status_code == 404

    async def test_purge_live(self, api):
        """A live job is not purged: its workers would write again what was erased."""
        job_id = await api.submit()
        answer = await api.client.delete(f"/v1/jobs/{job_id}?purge=true")
        assert (answer.status_code, answer.json()["reason"]) == (409, "illegal_transition")
        assert api.blobs == [f"default/{job_id}/source"]

    async def test_purge_can_be_repeated(self, api):
        """A purge that the store interrupts leaves the job, so that it can be purged again."""
        job_id = await api.submit()
        finish(api, job_id)
        api.store.outage = "gone"
        assert (await api.client.delete(f"/v1/jobs/{job_id}?purge=true")).status_code == 503
        api.store.outage = ""
        assert (await api.client.delete(f"/v1/jobs/{job_id}?purge=true")).status_code == 200

    async def test_bad_purge(self, api):
        """A value of ``purge`` that is neither true nor false ends nothing."""
        job_id = await api.submit()
        answer = await api.client.delete(f"/v1/jobs/{job_id}?purge=perhaps")
        assert (answer.status_code, answer.json()["reason"]) == (422, "invalid_option")


class TestResults:
    @pytest.mark.parametrize(
        ("name", "content_type"),
        [
            ("transcript.json", "application/json"),
            ("transcript.txt", "text/plain; charset=utf-8"),
            ("transcript.srt", "application/x-subrip; charset=utf-8"),
            ("transcript.vtt", "text/vtt; charset=utf-8"),
            ("minutes.json", "application/json"),
            ("minutes.md", "text/markdown; charset=utf-8"),
            ("minutes.docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
            ("minutes.pdf", "application/pdf"),
        ],
    )
    async def test_every_format(self, api, name, content_type):
        """Every result has its media type, its length, and a name made of the recording's."""
        job_id = await api.submit(filename="Büro.wav")
        finish(api, job_id, RESULT_FORMATS)
        answer = await api.client.get(f"/v1/jobs/{job_id}/results/{name}")
        assert (answer.status_code, answer.content) == (200, name.encode())
        assert answer.headers["content-type"] == content_type
        assert answer.headers["content-length"] == str(len(name))
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-disposition"] == (
            f"attachment; filename=\"B_ro.{name}\"; filename*=UTF-8''{quote('Büro.' + name)}"
        )

    async def test_etag(self, any_api):
        """A client that has the document is spared its bytes."""
        job_id = await any_api.submit()
        finish(any_api, job_id)
        url = f"/v1/jobs/{job_id}/results/transcript.txt"
        etag = (await any_api.client.get(url)).headers["etag"]
        for given in (etag, f'"other", W/{etag}', "*"):
            answer = await any_api.client.get(url, headers={"if-none-match": given})
            assert (answer.status_code, answer.content) == (304, b"")
        assert (await any_api.client.get(url, headers={"if-none-match": '"other"'})).status_code == 200
        other = await any_api.client.get(f"/v1/jobs/{job_id}/results/transcript.json")
        assert other.headers["etag"] != etag

    async def test_large_result(self, api):
        """A result of several blocks arrives whole."""
        job_id = await api.submit()
        finish(api, job_id)
        content = bytes(range(256)) * 4096
        api.store.put(JobKeys(tenant="default", job_id=job_id).result("transcript.json"), content)
        assert (await api.client.get(f"/v1/jobs/{job_id}/results/transcript.json")).content == content

    async def test_not_yet(self, api):
        """While the job runs, its results are pending; unknown names are unknown at any time."""
        job_id = await api.submit()
        for events in ((), (Claimed(),), (Segmented(n_chunks=0), TranscriptStored())):
            api.advance(job_id, *events)
            answer = await api.client.get(f"/v1/jobs/{job_id}/results/transcript.json")
            assert (answer.status_code, answer.json()["reason"]) == (409, "result_pending")
            unknown = await api.client.get(f"/v1/jobs/{job_id}/results/transcript.mp3")
            assert (unknown.status_code, unknown.json()["reason"]) == (404, "not_found")

    async def test_transcript_before_the_minutes(self, api):
        """A transcript that is stored can be fetched while the minutes are still being written."""
        job_id = await api.submit()
        api.advance(job_id, *TRANSCRIBED)
        api.store.put(JobKeys(tenant="default", job_id=job_id).result("transcript.txt"), b"hello")
        assert (await api.client.get(f"/v1/jobs/{job_id}/results/transcript.txt")).content == b"hello"

    async def test_ended_without_it(self, api):
        """A job that ended without the result will never have it."""
        job_id = await api.submit()
        api.advance(job_id, CancelRequested())
        answer = await api.client.get(f"/v1/jobs/{job_id}/results/transcript.json")
        assert (answer.status_code, answer.json()["reason"]) == (404, "blob_missing")

    @pytest.mark.parametrize("name", ["..%2fsource", "%2e%2e/source", ".transcript", "transcript.json%00"])
    async def test_no_other_blob(self, api, name):
        """No name leads to another blob than a result."""
        job_id = await api.submit()
        finish(api, job_id)
        answer = await api.client.get(f"/v1/jobs/{job_id}/results/{name}")
        assert (answer.status_code, answer.json()["reason"]) == (404, "not_found")

    async def test_closes_what_it_opened(self, make_api):
        """Every opened blob is closed: after a download, and after a 304."""
        opened = []

        class NotingStore(MemoryStore):
            def open(self, key):
                opened.append(super().open(key))
                return opened[-1]

        api = await make_api(store=NotingStore())
        job_id = await api.submit()
        finish(api, job_id)
        url = f"/v1/jobs/{job_id}/results/transcript.txt"
        etag = (await api.client.get(url)).headers["etag"]
        await api.client.get(url, headers={"if-none-match": etag})
        assert [stream.closed for stream in opened] == [True, True]


async def test_times_are_utc(make_api):
    """Times are ISO 8601 in UTC, from the injected clock."""
    clock = ManualClock(1_750_000_000.5)
    api = await make_api(ledger=MemoryLedger(clock=clock))
    job_id = await api.submit()
    updated = datetime.fromisoformat((await api.client.get(f"/v1/jobs/{job_id}")).json()["updated_at"])
    assert updated == datetime.fromtimestamp(1_750_000_000.5, UTC)
