"""Recordings put to a URL that was given: into a bucket, into a folder, by nobody else, and not for ever."""

import re

import boto3
import httpx
import pytest

from deployments.artifacts.presigned_uploads import LIFETIME_S, URL_LIFETIME_S
from deployments.http.dependencies import BACKEND
from deployments.retention.housekeeping import Retention, enforce_retention
from pipelines.ids import created_at_s
from pipelines.storage.open import open_store
from tests.fakes.api_keys import MemoryKeys
from tests.servers.s3 import s3_server
from tests.unit.deployments.http.api.test_tenants import Tenants

PRESIGNED = "/v1/uploads/presigned"
AUDIO = b"OggS and more"


async def announce(api, **headers):
    """Ask for a URL; return the answer's JSON."""
    wanted = {"n_bytes": len(AUDIO), "filename": "board.wav"}
    answer = await api.client.post(PRESIGNED, json=wanted, headers=headers)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def begin(api, upload_id, headers=None, **body):
    return await api.client.post("/v1/jobs", json={"upload": upload_id, **body}, headers=headers)


def keep(api, now_s):
    """Housekeeping of a ledger that has been there for long."""
    enforce_retention(api.ledger, api.store, Retention(), now_s)


async def test_put_then_job(any_api):
    """The job has the name and the size that were announced, options of its own, and the bytes as its source."""
    upload = await announce(any_api)
    assert (await begin(any_api, upload["id"])).json()["reason"] == "upload_incomplete"
    put = await any_api.client.put(upload["url"], content=AUDIO, headers=upload["headers"])
    assert (put.status_code, put.content) == (200, b"")
    begun = await begin(any_api, upload["id"], options={"language": "en"}, external_id="c1")
    assert begun.status_code == 202, begun.text
    job = any_api.ledger.get("default", begun.json()["id"])
    assert (job.filename, job.source.n_bytes, job.options.language) == ("board.wav", len(AUDIO), "en")
    assert any_api.store.get(job.source.key) == AUDIO
    assert any_api.blobs == [job.source.key]
    assert any_api.spooled == []
    again = await begin(any_api, upload["id"], options={"language": "en"})
    assert (again.status_code, again.json()["id"]) == (200, job.id)
    assert (await any_api.client.put(upload["url"], content=AUDIO)).status_code == 404  # the job has it now


async def test_straight_into_a_bucket(make_api, monkeypatch):
    """The store's own URL, its signature over the length, needs nothing of ours; the job reads what was put there."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with s3_server() as port:
        endpoint = f"http://127.0.0.1:{port}"
        client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")
        client.create_bucket(Bucket="recordings")
        api = await make_api(store=open_store(f"s3://recordings/memo?endpoint={endpoint}&region=us-east-1"))
        upload = await announce(api)
        assert upload["url"].startswith(f"{endpoint}/recordings/memo/default/{upload['id']}/source?")
        assert re.search(r"X-Amz-SignedHeaders=[^&]*content-length", upload["url"])
        assert f"X-Amz-Expires={URL_LIFETIME_S:.0f}" in upload["url"]
        async with httpx.AsyncClient() as outside:
            await outside.put(upload["url"], content=AUDIO[:3])  # moto takes it, as it verifies no signature
            refused = await begin(api, upload["id"])
            assert (refused.status_code, refused.json()["reason"]) == (409, "upload_incomplete")
            await outside.put(upload["url"], content=AUDIO, headers=upload["headers"])
        begun = await begin(api, upload["id"])
        assert begun.status_code == 202, begun.text
        job = api.ledger.get("default", begun.json()["id"])
        with api.store.open(job.source.key) as blob:
            assert blob.read() == AUDIO
        assert (await api.client.put(f"{PRESIGNED}/{upload['id']}?token=", content=AUDIO)).status_code == 404


@pytest.mark.parametrize("body", [b"", AUDIO[:-1], AUDIO + b"!"])
async def test_other_sizes_are_refused(any_api, body):
    """The URL takes what was announced and nothing else, whether the length is told or not."""
    upload = await announce(any_api)

    async def untold():
        yield body

    for content in (body, untold()):
        answer = await any_api.client.put(upload["url"], content=content)
        assert (answer.status_code, answer.json()["reason"]) == (400, "invalid_request")
    assert any_api.spooled == []
    assert len(any_api.blobs) == 1  # the mark


async def test_tenants_are_kept_apart(make_api):
    """Another tenant can neither begin nor guess an upload, nor move one into its own by its URL."""
    api = await make_api(authenticator=Tenants(), keys=MemoryKeys())
    mine, other = {"x-api-key": "mine"}, {"x-api-key": "other"}
    upload = await announce(api, **mine)
    await api.client.put(upload["url"], content=AUDIO)
    theirs, never = await begin(api, upload["id"], other), await begin(api, "0" * 32, other)
    assert (theirs.status_code, theirs.json()["reason"]) == (404, "not_found")
    assert theirs.text.replace(upload["id"], "0" * 32) == never.text
    for forged in (
        upload["url"].replace(".mine", ".other"),
        upload["url"][:-1],
        f"{PRESIGNED}/{'0' * 32}?token=x.mine",
    ):
        assert (await api.client.put(forged, content=AUDIO)).status_code == 404
    assert (await begin(api, upload["id"], mine)).status_code == 202


async def test_what_is_never_finished_goes(api):
    """An upload outlives the hour in which sources without a job go, and not the day; its URL ends sooner."""
    upload = await announce(api)
    await api.client.put(upload["url"], content=AUDIO)
    born_s = created_at_s(upload["id"])
    assert born_s is not None
    keep(api, born_s + LIFETIME_S - 60)
    assert len(api.blobs) == 2
    keep(api, born_s + LIFETIME_S + 60)
    assert api.blobs == []
    assert (await begin(api, upload["id"])).status_code == 404


async def test_a_url_that_is_old(make_api, monkeypatch):
    """It takes nothing any more, while what was put before may still become a job."""
    api = await make_api()
    upload = await announce(api)
    await api.client.put(upload["url"], content=AUDIO)
    intake = BACKEND.of(api.app).intake
    monkeypatch.setattr("deployments.artifacts.presigned_uploads.URL_LIFETIME_S", -1.0)
    late = await announce(api)
    assert (await api.client.put(late["url"], content=AUDIO)).status_code == 404
    assert intake.direct.whole("default", upload["id"]).n_bytes == len(AUDIO)


@pytest.mark.parametrize(
    ("wanted", "status"),
    [({}, 422), ({"n_bytes": 0}, 422), ({"n_bytes": "x"}, 422), ({"n_bytes": 101}, 413), ({"n_bytes": 9, "a": 1}, 422)],
)
async def test_bad_announcements(make_api, wanted, status):
    """Without a size, too large, with what there is not."""
    api = await make_api(max_upload_bytes=100)
    assert (await api.client.post(PRESIGNED, json=wanted)).status_code == status
    assert api.blobs == []


async def test_one_recording_for_a_job(api):
    """An upload or a source, and not both."""
    for body in ({}, {"upload": "0" * 32, "source": "https://files.example/a.wav"}, {"upload": "../x"}):
        answer = await api.client.post("/v1/jobs", json=body)
        assert (answer.status_code, answer.json()["reason"]) == (422, "invalid_option")


async def test_open_uploads_are_bounded(api, monkeypatch):
    """A tenant with too many is told to come again."""
    monkeypatch.setattr("deployments.artifacts.presigned_uploads.MAX_OPEN", 1)
    await announce(api)
    answer = await api.client.post(PRESIGNED, json={"n_bytes": 1})
    assert (answer.status_code, answer.json()["reason"]) == (429, "overloaded")


async def test_the_url_is_whole(make_api):
    """Clients that take it as it is need scheme and host: those of `public_url`, else those they called."""
    for public_url, begins in (
        ("", "http://meetmemo.test/v1/"),
        ("https://memo.example/stt", "https://memo.example/stt/v1/"),
    ):
        api = await make_api(public_url=public_url)
        assert (await announce(api))["url"].startswith(begins)
