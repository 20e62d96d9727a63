"""Search over HTTP: what is found, in pages; of nobody else, and nothing that is gone."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from deployments.artifacts.search_indexer import SearchIndexer
from deployments.auth.authenticators import ALL_SCOPES, Principal, Scope
from pipelines.codec import encode
from pipelines.core import Decision, Evidence, Minutes, ModelInfo, Segment, Transcript
from pipelines.jobs.events import Claimed, ResultsStored, Segmented, TranscriptStored
from pipelines.jobs.state_machine import transition
from pipelines.storage.layout import JobKeys
from pipelines.text.redaction import mask_transcript

SAID = (("Ann", "The budget is done."), ("Bob", "Which budget? My card is 4111 1111 1111 1111."), ("Ann", "预算"))
MINUTES = Minutes(
    title="Sync",
    language="en",
    writer="extractive",
    model="",
    summary="",
    decisions=(Decision(text="The budget stands", evidence=Evidence(segment_ids=(1,), quote="budget")),),
)
TRANSCRIPT = Transcript(
    duration_s=60.0,
    language="en",
    languages=(),
    segments=tuple(
        Segment(id=i, channel=0, speaker=who, start_s=i * 10.0, end_s=i * 10.0 + 4, text=text)
        for i, (who, text) in enumerate(SAID)
    ),
    coverage=(),
    model=ModelInfo(name="m"),
)
ENDED = (Claimed(), Segmented(n_chunks=0), TranscriptStored(), ResultsStored(names=("transcript.json",)))


async def submitted(api, *, key="default", transcript=TRANSCRIPT, **params):
    """Submit a recording as a tenant and end its job, as the Coordinator would."""
    answer = await api.client.post("/v1/jobs", content=b"RIFF", params=params, headers={"x-api-key": key})
    job_id = answer.json()["id"]
    keys = JobKeys(tenant=key, job_id=job_id)
    api.store.put(keys.transcript, encode(transcript))
    api.store.put(keys.result("minutes.json"), encode(MINUTES))
    lease = api.ledger.acquire_lease("test", 60.0)
    job = api.ledger.get(key, job_id)
    for event in ENDED:
        after, _ = transition(job, event)
        job = api.ledger.apply(lease, after, job.version)
    return job_id


def index(api):
    while SearchIndexer(api.ledger, api.store).index_some():
        pass


async def search(api, *, key="default", **params):
    answer = await api.client.get("/v1/search", params=params, headers={"x-api-key": key})
    assert answer.status_code == 200, answer.text
    return answer.json()


def texts(body):
    return ["".join(part["text"] for part in hit["text"]) for hit in body["hits"]]


async def test_a_hit(any_api):
    """A hit has the passage and what matches in it, its second and speaker, and the job it is from."""
    job_id = await submitted(any_api, filename="call.wav", external_id="c-1", metadata=json.dumps({"room": "7"}))
    before = await search(any_api, q="budget")
    assert (before["hits"], before["pending"]) == ([], 1)
    index(any_api)
    body = await search(any_api, q='"budget is"')
    (hit,) = body["hits"]
    assert datetime.fromisoformat(hit.pop("created_at")) > datetime.now(UTC) - timedelta(hours=1)
    assert hit.pop("score") > 0
    assert hit == {
        "job_id": job_id,
        "job": f"/v1/jobs/{job_id}",
        "filename": "call.wav",
        "external_id": "c-1",
        "metadata": {"room": "7"},
        "kind": "speech",
        "segment_id": 0,
        "start_s": 0.0,
        "end_s": 4.0,
        "speaker": "Ann",
        "language": "en",
        "version": 0,
        "text": [
            {"text": "The ", "match": False},
            {"text": "budget is", "match": True},
            {"text": " done.", "match": False},
        ],
    }
    assert (body["total"], body["more"], body["pending"], body["next"]) == (1, False, 0, None)
    assert texts(await search(any_api, q="预算")) == ["预算"]


@pytest.mark.parametrize(
    ("params", "n"),
    [
        ({"speaker": "ann"}, 1),
        ({"speaker": "Bob"}, 2),  # of the minutes, too
        ({"within": "minutes"}, 1),
        ({"within": "transcripts"}, 2),
        ({"metadata": "room=7"}, 3),
        ({"metadata": ["room=7", "floor=2"]}, 0),
        ({"metadata": "room=8"}, 0),
        ({"language": "de"}, 0),
        ({"batch": "none"}, 0),
        ({"created_before": "2020-01-01T00:00:00Z"}, 0),
        ({"created_after": "2020-01-01T00:00:00Z"}, 3),
    ],
)
async def test_filters(any_api, params, n):
    """Each parameter narrows the search."""
    await submitted(any_api, metadata=json.dumps({"room": "7"}))
    index(any_api)
    assert (await search(any_api, q="budget", **params))["total"] == n


async def test_pages(any_api):
    """`next` leads through all hits once, with the same parameters."""
    for _ in range(3):
        await submitted(any_api)
    index(any_api)
    whole = await search(any_api, q="budget", limit=100, sort="newest", speaker="bob")
    body = await search(any_api, q="budget", limit=4, sort="newest", speaker="bob")
    pages = [body]
    while body["next"]:
        body = (await any_api.client.get(body["next"])).json()
        pages.append(body)
    assert [len(page["hits"]) for page in pages] == [4, 2]
    assert [hit for page in pages for hit in page["hits"]] == whole["hits"]


@pytest.mark.parametrize(
    ("params", "status"),
    [
        ({}, 422),
        ({"q": "-x"}, 422),
        ({"q": "!"}, 422),
        ({"q": "x", "metadata": "room"}, 422),
        ({"q": "x", "cursor": "abc"}, 400),
        ({"q": "x", "sort": "size"}, 422),
    ],
)
async def test_searches_that_are_none(api, params, status):
    """A search that asks for nothing, or for what there is not, is refused with a reason."""
    answer = await api.client.get("/v1/search", params=params)
    assert answer.status_code == status, answer.text
    assert answer.json()["reason"]


class Tenants:
    """Everybody is the tenant its token names; ``reader`` may read only."""

    async def authenticate(self, token):
        scopes = frozenset({Scope.JOBS_READ}) if token == "reader" else ALL_SCOPES
        return Principal(tenant=token or "default", scopes=scopes)


async def test_of_nobody_else(make_api):
    """Two tenants with equal recordings find, count and wait for their own alone, whatever they name."""
    api = await make_api(authenticator=Tenants())
    mine, theirs = await submitted(api, key="mine"), await submitted(api, key="other")
    index(api)
    await submitted(api, key="other")
    for key, job_id, pending in (("mine", mine, 0), ("other", theirs, 1), ("third", None, 0)):
        body = await search(api, key=key, q="budget")
        assert {hit["job_id"] for hit in body["hits"]} == ({job_id} if job_id else set())
        assert (body["total"], body["pending"]) == (3 if job_id else 0, pending)
    assert (await search(api, key="mine", q="budget", job=theirs))["total"] == 0


async def test_what_is_masked_is_not_found(api):
    """The index holds what is published."""
    await submitted(api, transcript=mask_transcript(TRANSCRIPT, ["cards"]))
    index(api)
    assert (await search(api, q="4111"))["total"] == 0
    assert texts(await search(api, q="card", within="transcripts")) == ["Which budget? My card is [card]."]


async def test_corrected_and_purged(any_api):
    """A correction is found in place of what was heard, and after a purge nothing is."""
    job_id = await submitted(any_api)
    index(any_api)
    edit = {"base": 0, "segments": [{"id": 0, "text": "The bucket is done."}]}
    answer = await any_api.client.post(f"/v1/jobs/{job_id}/corrections", json=edit)
    assert answer.status_code == 201, answer.text
    index(any_api)
    body = await search(any_api, q="bucket")
    assert [(hit["version"], hit["start_s"]) for hit in body["hits"]] == [(1, 0.0)]
    assert (await search(any_api, q='"budget is"'))["total"] == 0
    await any_api.client.delete(f"/v1/jobs/{job_id}", params={"purge": True})
    index(any_api)
    assert await search(any_api, q="bucket") == {"hits": [], "total": 0, "more": False, "pending": 0, "next": None}


async def test_rebuilt(make_api):
    """An operator has everything indexed again; nobody else does."""
    api = await make_api(authenticator=Tenants())
    await submitted(api, key="mine")
    index(api)
    answer = await api.client.post("/v1/admin/search/rebuild", headers={"x-api-key": "mine"})
    assert (answer.status_code, answer.json()) == (202, {"pending": 1})
    index(api)
    assert (await search(api, key="mine", q="budget"))["total"] == 3
    refused = await api.client.post("/v1/admin/search/rebuild", headers={"x-api-key": "reader"})
    assert refused.status_code == 403
