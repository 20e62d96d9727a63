"""The review queue over HTTP: what is most worth an ear, by batch and reason, marked as done; of nobody else."""

import json
from urllib.parse import quote

from pipelines.core import Coverage, CoverageStatus, ModelInfo, Segment, Transcript, Word
from tests.unit.deployments.http.api.test_search_routes import Tenants, index, submitted

WORDS = tuple(
    Word(text=text, start_s=10.0 + i, end_s=11.0 + i, probability=p)
    for i, (text, p) in enumerate((("Call", 0.9), (" Katrin", 0.3)))
)
TRANSCRIPT = Transcript(
    duration_s=300.0,
    language="en",
    languages=(),
    segments=(Segment(id=0, channel=0, speaker="", start_s=10.0, end_s=12.0, text="Call Katrin", words=WORDS),),
    coverage=(Coverage(channel=0, start_s=200.0, end_s=210.0, health=CoverageStatus.SUSPECT, note="unheard_speech"),),
    model=ModelInfo(name="m"),
)


async def review(api, *, key="default", **params):
    answer = await api.client.get("/v1/review", params=params, headers={"x-api-key": key})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def mark(api, item, *, key="default", method="PUT"):
    path = f"/v1/review/{quote(item['id'], safe='')}/done"
    return await api.client.request(method, path, headers={"x-api-key": key})


async def test_an_item(any_api):
    """The most doubtful comes first; an item has its stretch, reasons, words, text, and where to hear it."""
    named = {"filename": "call.wav", "external_id": "c-1", "metadata": json.dumps({"room": "7"}), "keep_audio": "true"}
    job_id = await submitted(any_api, transcript=TRANSCRIPT, **named)
    assert (await review(any_api))["items"] == []
    index(any_api)
    body = await review(any_api)
    assert (body["open"], body["open_s"], body["done"], body["next"]) == (2, 11.0, 0, None)
    first, second = body["items"]
    assert (first["reasons"], first["start_s"], first["end_s"]) == (["unheard"], 200.0, 210.0)
    assert second == {
        "id": second["id"],
        "job_id": job_id,
        "job": f"/v1/jobs/{job_id}",
        "filename": "call.wav",
        "external_id": "c-1",
        "metadata": {"room": "7"},
        "channel": 0,
        "start_s": 11.0,
        "end_s": 12.0,
        "audio": f"/v1/jobs/{job_id}/audio#t=11.000,12.000",
        "score": 0.35,
        "reasons": ["name"],
        "details": ["Katrin"],
        "text": "Call Katrin",
        "version": 0,
        "done_at": None,
        "done_by": "",
    }


async def test_without_audio(any_api):
    """A job that kept no audio has none to hear."""
    await submitted(any_api, transcript=TRANSCRIPT)
    index(any_api)
    assert {item["audio"] for item in (await review(any_api))["items"]} == {None}


async def test_pages_and_filters(any_api):
    """``next`` leads through all items, and filters narrow them; what is no cursor or reason is told."""
    jobs = [await submitted(any_api, transcript=TRANSCRIPT) for _ in range(3)]
    index(any_api)
    page = await review(any_api, limit=4)
    found = page["items"]
    answer = await any_api.client.get(page["next"])
    found += answer.json()["items"]
    assert answer.json()["next"] is None
    assert len({item["id"] for item in found}) == 6
    assert {item["job_id"] for item in (await review(any_api, job=jobs[1]))["items"]} == {jobs[1]}
    assert {item["start_s"] for item in (await review(any_api, reason="name"))["items"]} == {11.0}
    for query, status in (("cursor=x", 400), ("reason=boredom", 422), ("limit=0", 422)):
        answer = await any_api.client.get(f"/v1/review?{query}")
        assert answer.status_code == status, query


async def test_done(any_api):
    """What is marked leaves the queue and is listed apart; the mark can be taken back."""
    await submitted(any_api, transcript=TRANSCRIPT)
    index(any_api)
    first, _ = (await review(any_api))["items"]
    answer = await mark(any_api, first)
    assert (answer.status_code, answer.json()["id"]) == (200, first["id"])
    assert answer.json()["done_at"]
    body = await review(any_api)
    assert (len(body["items"]), body["open"], body["done"]) == (1, 1, 1)
    assert [item["id"] for item in (await review(any_api, done="true"))["items"]] == [first["id"]]
    assert (await mark(any_api, first, method="DELETE")).json()["done_at"] is None
    assert (await review(any_api))["open"] == 2
    assert (await mark(any_api, {"id": "nothing"})).status_code == 404


async def test_of_nobody_else(make_api):
    """A tenant sees and marks its own items alone, and somebody who may only read marks none."""
    api = await make_api(authenticator=Tenants())
    await submitted(api, key="mine", transcript=TRANSCRIPT)
    await submitted(api, key="reader2", transcript=TRANSCRIPT)
    index(api)
    mine = (await review(api, key="mine"))["items"]
    assert len(mine) == 2
    assert {item["id"] for item in mine}.isdisjoint(item["id"] for item in (await review(api, key="reader2"))["items"])
    assert (await review(api, key="third"))["items"] == []
    assert (await review(api, key="third", job=mine[0]["job_id"]))["open"] == 0
    assert (await mark(api, mine[0], key="third")).status_code == 404
    assert (await mark(api, mine[0], key="reader")).status_code == 403
    assert (await review(api, key="mine"))["open"] == 2
