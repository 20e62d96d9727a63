"""The submitter's own ids and metadata: in every form of submission, and in every answer."""

import base64
import json

import pytest

from deployments.notifications.messages import JobNotifications
from deployments.ports import MinutesRequest
from pipelines.errors import Reason
from pipelines.export.render import render
from pipelines.jobs.events import Claimed, Failed
from tests.support.export_samples import call

GIVEN = {"external_id": "CA 17/ä", "metadata": '{"queue": "sales", "agent": "Ann"}'}
SHOWN = ("CA 17/ä", {"agent": "Ann", "queue": "sales"})


def tus_metadata(**values):
    return ",".join(f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in values.items())


async def by_tus(client):
    headers = {"Tus-Resumable": "1.0.0", "Upload-Length": "4", "Upload-Metadata": tus_metadata(**GIVEN)}
    location = (await client.post("/v1/uploads", headers=headers)).headers["location"]
    headers = {"Tus-Resumable": "1.0.0", "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    done = await client.patch(location, headers=headers, content=b"RIFF")
    return await client.get(done.headers["content-location"])


WAYS = {
    "query": lambda client: client.post("/v1/jobs", content=b"RIFF", params=GIVEN),
    "form": lambda client: client.post("/v1/jobs", files={"file": b"RIFF"}, data=GIVEN),
    "options": lambda client: client.post(
        "/v1/jobs",
        files={"file": b"RIFF"},
        data={"options": json.dumps({**GIVEN, "metadata": json.loads(GIVEN["metadata"])})},
    ),
    "source": lambda client: client.post(
        "/v1/jobs",
        json={**GIVEN, "metadata": json.loads(GIVEN["metadata"]), "source": "https://files.example/a.wav"},
    ),
    "put": lambda client: client.put("/v1/recordings/a.wav", content=b"RIFF", params=GIVEN),
    "tus": by_tus,
}


@pytest.mark.parametrize("way", WAYS)
async def test_every_way_in(any_api, way):
    """However a recording comes, its job says what it is called, and is found by that."""
    answer = await WAYS[way](any_api.client)
    assert answer.status_code in (200, 201, 202), answer.text
    body = answer.json()
    assert (body["external_id"], body["metadata"]) == SHOWN
    await any_api.submit()
    found = (await any_api.client.get("/v1/jobs", params={"external_id": "CA 17/ä"})).json()["jobs"]
    assert [job["id"] for job in found] == [body["id"]]
    assert (await any_api.client.get("/v1/jobs", params={"external_id": "CA"})).json()["jobs"] == []


async def test_the_same_recording_again(any_api):
    """It is answered with its job, whatever it is called otherwise, and leaves nothing behind."""
    first = await any_api.client.post("/v1/jobs", content=b"RIFF", params={"external_id": "c1"})
    again = await any_api.client.post("/v1/jobs", content=b"RIFF", params={"external_id": "c1", "filename": "b.wav"})
    assert (first.status_code, again.status_code) == (202, 200)
    assert again.json()["id"] == first.json()["id"]
    assert any_api.blobs == [f"default/{first.json()['id']}/source"]


async def test_another_recording_is_refused(any_api):
    """Under a used id, with a reason; once its job has failed the id is free."""
    job_id = await any_api.submit(external_id="c1")
    refused = await any_api.client.post("/v1/jobs", content=b"ID3other", params={"external_id": "c1"})
    assert (refused.status_code, refused.json()["reason"]) == (409, "external_id_conflict")
    assert any_api.blobs == [f"default/{job_id}/source"]
    any_api.advance(job_id, Claimed(), Failed(reason=Reason.CORRUPT_AUDIO, detail="noise"))
    taken = await any_api.client.post("/v1/jobs", content=b"ID3other", params={"external_id": "c1"})
    assert taken.status_code == 202
    assert (await any_api.client.get(f"/v1/jobs/{job_id}")).json()["external_id"] is None


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"external_id": "x" * 256}, "external_id"),
        ({"external_id": "a\nb"}, "external_id"),
        ({"metadata": "queue"}, "metadata"),
        ({"metadata": "[1]"}, "metadata"),
        ({"metadata": '{"a": {"b": 1}}'}, "metadata.a"),
        ({"metadata": json.dumps({"a": "x" * 257})}, "metadata.a"),
        ({"metadata": json.dumps({str(n): "" for n in range(17)})}, "metadata"),
    ],
)
async def test_bad_references(api, given, field):
    """Too long, too many, not text: refused with the field."""
    answer = await api.client.post("/v1/jobs", content=b"RIFF", params=given)
    assert (answer.status_code, answer.json()["reason"]) == (422, "invalid_option")
    assert answer.json()["errors"][0]["field"] == field
    assert api.blobs == []


async def test_given_twice(api):
    """In the body and in the query: nobody can tell which is meant."""
    body = {"source": "https://files.example/a.wav", "external_id": "c1"}
    answer = await api.client.post("/v1/jobs", json=body, params={"external_id": "c2"})
    assert answer.json()["errors"] == [{"field": "external_id", "message": "given more than once"}]


async def test_results_and_webhooks_tell_it(api):
    """transcript.json and the message about the end name the recording as its submitter does."""
    job = api.ledger.get("default", await api.submit(**GIVEN))
    transcript, _, title = call()
    layout = json.loads(render("transcript.json", transcript, None, title, reference=MinutesRequest.of(job).reference))
    assert (layout["external_id"], layout["metadata"]) == SHOWN
    ended = api.advance(job.id, Claimed(), Failed(reason=Reason.CORRUPT_AUDIO, detail="noise"))
    (message,) = JobNotifications(webhook="https://hooks.example/").of(job, ended, at_s=1.0)
    told = json.loads(message.body)["data"]
    assert (told["external_id"], told["metadata"]) == SHOWN
