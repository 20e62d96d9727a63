"""Correcting transcripts over HTTP: versions, conflicts, documents, minutes of the corrected text."""

import asyncio
import io
import json

import docx
import pypdf
import pytest

from deployments.artifacts import job_data
from deployments.auth.authenticators import ALL_SCOPES, Principal
from pipelines.codec import decode, encode
from pipelines.core import Decision, Evidence, Minutes, ModelInfo, Segment, Transcript, Word
from pipelines.errors import Unauthenticated
from pipelines.export.render import render
from pipelines.jobs.events import Claimed, ResultsStored, Segmented, TranscriptStored
from pipelines.jobs.job import RESULT_FORMATS
from pipelines.storage.layout import JobKeys

WORDS = tuple(
    Word(text=f" {word}", start_s=i * 0.5, end_s=i * 0.5 + 0.5, probability=0.6)
    for i, word in enumerate(["We", "ship", "on", "Friday."])
)
HEARD = Transcript(
    duration_s=4.0,
    language="en",
    languages=(),
    segments=(
        Segment(id=0, channel=0, speaker="Ann", start_s=0.0, end_s=2.0, text="We ship on Friday.", words=WORDS),
        Segment(id=1, channel=0, speaker="Ann", start_s=2.0, end_s=4.0, text="Thanks for watching."),
    ),
    coverage=(),
    model=ModelInfo(name="m"),
)
MINUTES = Minutes(
    title="Board",
    language="en",
    writer="llm",
    model="m",
    summary="",
    decisions=(Decision(text="Ship it", evidence=Evidence(segment_ids=(0,), quote="We ship on Friday.")),),
)
EDITS = {"segments": [{"id": 0, "text": "We ship on Thursday."}, {"id": 1, "text": ""}], "speakers": {"Ann": "Anna"}}


async def done(api, **options) -> str:
    """A job with transcript, minutes and documents."""
    job_id = await api.submit(filename="call.wav", **options)
    api.advance(job_id, Claimed(), Segmented(n_chunks=0), TranscriptStored(), ResultsStored(names=RESULT_FORMATS))
    keys = JobKeys(tenant="default", job_id=job_id)
    api.store.put(keys.transcript, encode(HEARD))
    for name in RESULT_FORMATS:
        api.store.put(keys.result(name), render(name, HEARD, MINUTES, "call"))
    return job_id


async def correct(api, job_id, base=0, **body):
    return await api.client.post(f"/v1/jobs/{job_id}/corrections", json={"base": base, **(body or EDITS)})


async def test_a_version_is_saved(any_api) -> None:
    """It counts up from the machine's, says what changed, is read again whole, and the machine's stays as it was."""
    job_id = await done(any_api)
    answer = await correct(any_api, job_id, **EDITS, note="names")
    assert answer.status_code == 201, answer.text
    saved = answer.json()
    assert {**saved, "at": ""} == {
        "version": 1,
        "base": 0,
        "at": "",
        "author": "",
        "note": "names",
        "n_segments": 2,
        "transcript": f"/v1/jobs/{job_id}/transcript?version=1",
    }
    listed = (await any_api.client.get(f"/v1/jobs/{job_id}/corrections")).json()
    assert listed == {"newest": 1, "versions": [saved]}
    newest = await any_api.client.get(f"/v1/jobs/{job_id}/transcript")
    assert [(each["speaker"], each["text"]) for each in newest.json()["segments"]] == [
        ("Anna", "We ship on Thursday."),
        ("Anna", ""),
    ]
    words = [(word["text"], word["start_s"]) for word in newest.json()["segments"][0]["words"]]
    assert words == [("We", 0.0), (" ship", 0.5), (" on", 1.0), (" Thursday.", 1.5)]
    machine = await any_api.client.get(f"/v1/jobs/{job_id}/transcript", params={"version": 0})
    stored = await any_api.client.get(f"/v1/jobs/{job_id}/results/transcript.json")
    assert machine.content == stored.content == render("transcript.json", HEARD, None, "call")
    again = {"If-None-Match": newest.headers["etag"]}
    assert (await any_api.client.get(f"/v1/jobs/{job_id}/transcript", headers=again)).status_code == 304
    assert (await any_api.client.get(f"/v1/jobs/{job_id}/transcript?version=0", headers=again)).status_code == 200
    events = (await any_api.client.get(f"/v1/jobs/{job_id}")).json()["events"]
    assert [(event["name"], event["detail"]) for event in events][-1] == ("corrected", "version 1")


async def test_documents_of_a_version(api) -> None:
    """Every format comes with the corrected words and names, without what was struck out, and opens."""
    job_id = await done(api)
    await correct(api, job_id)
    for name in RESULT_FORMATS:
        answer = await api.client.get(f"/v1/jobs/{job_id}/results/{name}", params={"version": 1})
        assert answer.status_code == 200, name
        assert answer.headers["content-disposition"].startswith(f'attachment; filename="call.{name}"')
        before = await api.client.get(f"/v1/jobs/{job_id}/results/{name}")
        assert before.headers["etag"] != answer.headers["etag"]
        text = _text(name, answer.content)
        if name == "minutes.json":  # minutes keep their words
            assert answer.content == before.content
            continue
        assert "Thursday" in text, name
        assert "watching" not in text, name
        assert "Anna" in text, name
        assert "watching" in _text(name, before.content), name


def _text(name: str, document: bytes) -> str:
    if name.endswith(".docx"):
        opened = docx.Document(io.BytesIO(document))
        cells = [cell.text for table in opened.tables for row in table.rows for cell in row.cells]
        return "\n".join([*(paragraph.text for paragraph in opened.paragraphs), *cells])
    if name.endswith(".pdf"):
        return "\n".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(document)).pages)
    return document.decode()


async def test_overtaken(any_api) -> None:
    """Who saves on a version that is not the newest is told so, and leaves nothing behind; a repetition is harmless."""
    job_id = await done(any_api)
    first = await correct(any_api, job_id)
    blobs = any_api.blobs
    late = await correct(any_api, job_id, speakers={"Ann": "Annie"})
    assert (late.status_code, late.json()["reason"]) == (409, "version_conflict")
    early = await correct(any_api, job_id, base=5, speakers={"Ann": "Annie"})
    assert (early.status_code, early.json()["reason"]) == (409, "version_conflict")
    repeated = await correct(any_api, job_id)
    assert (repeated.status_code, repeated.json()) == (201, first.json())
    assert any_api.blobs == blobs
    second = await correct(any_api, job_id, base=1, speakers={"Anna": "Annie"})
    assert second.json()["version"] == 2


async def test_two_at_once(any_api) -> None:
    """Of several who save at the same moment exactly one counts."""
    job_id = await done(any_api)
    names = [f"Name {number}" for number in range(4)]
    answers = await asyncio.gather(*(correct(any_api, job_id, speakers={"Ann": name}) for name in names))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    won = next(name for name, answer in zip(names, answers, strict=True) if answer.status_code == 201)
    newest = (await any_api.client.get(f"/v1/jobs/{job_id}/transcript")).json()
    assert {segment["speaker"] for segment in newest["segments"]} == {won}


async def test_minutes_of_a_version(api) -> None:
    """Minutes written anew take the newest version, or the one that is wished for, as their own transcript."""
    job_id = await done(api)
    await correct(api, job_id)

    async def rewrite(**overrides):
        return await api.client.post(f"/v1/jobs/{job_id}/minutes", json=overrides)

    newest, machine = (await rewrite()).json(), (await rewrite(version=0)).json()
    assert (newest["transcript_version"], machine["transcript_version"]) == (1, 0)
    assert (await rewrite(version=2)).json()["reason"] == "not_found"
    taken = {}
    for job in (newest, machine):
        job_data.copy_transcript(api.store, api.ledger.get("default", job["id"]), job_id)
        taken[job["id"]] = decode(
            Transcript, api.store.get(JobKeys(tenant="default", job_id=job["id"]).transcript)
        ).text
    assert taken == {newest["id"]: "We ship on Thursday.", machine["id"]: HEARD.text}
    # The new version of the minutes shares the versions of the transcript, in both directions.
    shared = await correct(api, newest["id"], base=1, speakers={"Anna": "Annie"})
    assert shared.json()["version"] == 2
    assert (await api.client.get(f"/v1/jobs/{job_id}/corrections")).json()["newest"] == 2


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        ({"base": 0}, 422, "invalid_option"),
        ({"base": 0, "segments": [{"id": 7, "text": "x"}]}, 422, "invalid_option"),
        ({"base": 0, "segments": [{"id": 0, "text": "a\0b"}]}, 422, "invalid_option"),
        ({"base": 0, "speakers": {"Ann": ""}}, 422, "invalid_option"),
        ({"base": 0, "speakers": {"Bob": "Rob"}}, 422, "invalid_option"),
        ({"base": -1, **EDITS}, 422, "invalid_option"),
        ({"base": 0, "words": []}, 422, "invalid_option"),
        ({"base": 10**30, **EDITS}, 409, "illegal_transition"),
    ],
)
async def test_what_is_refused(api, body, status, reason) -> None:
    """Edits that name nothing or change nothing have their reason, and no version comes of them."""
    job_id = await done(api)
    answer = await api.client.post(f"/v1/jobs/{job_id}/corrections", json=body)
    assert (answer.status_code, answer.json()["reason"]) == (status, reason)
    assert (await api.client.get(f"/v1/jobs/{job_id}/corrections")).json() == {"newest": 0, "versions": []}


async def test_too_early_and_too_late(api) -> None:
    """Without a transcript there is nothing to correct or to read; versions and names that are not there are told."""
    live = await api.submit()
    assert (await correct(api, live)).json()["reason"] == "illegal_transition"
    assert (await api.client.get(f"/v1/jobs/{live}/transcript")).json()["reason"] == "illegal_transition"
    assert (await correct(api, "nobody")).json()["reason"] == "job_unknown"
    job_id = await done(api)
    for path in ("transcript", "results/transcript.txt"):
        answer = await api.client.get(f"/v1/jobs/{job_id}/{path}", params={"version": 1})
        assert (answer.status_code, answer.json()["reason"]) == (404, "not_found")
    answer = await api.client.get(f"/v1/jobs/{job_id}/results/song.mp3?version=0")
    assert answer.json()["reason"] == "not_found"
    api.store.delete(JobKeys(tenant="default", job_id=job_id).result("minutes.json"))
    answer = await api.client.get(f"/v1/jobs/{job_id}/results/minutes.pdf?version=0")
    assert answer.json()["reason"] == "blob_missing"


async def test_purging_takes_versions_along(any_api) -> None:
    """Nothing of a corrected text is left when its job is erased."""
    job_id = await done(any_api)
    await correct(any_api, job_id)
    assert any("/.corrected/000001-" in key for key in any_api.blobs)
    await any_api.client.delete(f"/v1/jobs/{job_id}", params={"purge": "true"})
    assert not any_api.blobs
    assert (await any_api.client.get(f"/v1/jobs/{job_id}/corrections")).json()["reason"] == "job_unknown"


class Keyring:
    """Two tenants by their keys."""

    async def authenticate(self, token):
        if token not in ("default", "other"):
            raise Unauthenticated("The key is unknown.")
        return Principal(tenant=token, scopes=ALL_SCOPES, key_id=f"key-of-{token}")


async def test_of_the_tenant_alone(make_api) -> None:
    """The list says whose key saved a version; another tenant can neither read nor write any; one request is one."""
    api = await make_api(authenticator=Keyring())
    api.client.headers["authorization"] = "Bearer default"
    job_id = await done(api)
    saved = await correct(api, job_id)
    assert saved.json()["author"] == "key-of-default"
    api.client.headers["authorization"] = "Bearer other"
    for answer in (
        await correct(api, job_id, base=1, speakers={"Anna": "Eve"}),
        await api.client.get(f"/v1/jobs/{job_id}/corrections"),
        await api.client.get(f"/v1/jobs/{job_id}/transcript"),
        await api.client.get(f"/v1/jobs/{job_id}/results/transcript.txt?version=1"),
    ):
        assert (answer.status_code, answer.json()["reason"]) == (404, "job_unknown")
    assert "Thursday" in json.dumps([api.store.get(key).decode() for key in api.blobs if "/.corrected/" in key])


async def test_a_speaker_is_split(api) -> None:
    """By time; a split of nobody is refused and named."""
    job_id = await done(api)
    split = {"speaker": "Ann", "name": "Bob", "from_s": 2.0}
    answer = await correct(api, job_id, splits=[split])
    assert answer.status_code == 201, answer.text
    newest = (await api.client.get(f"/v1/jobs/{job_id}/transcript")).json()
    assert [segment["speaker"] for segment in newest["segments"]] == ["Ann", "Bob"]
    refused = await correct(api, job_id, base=1, splits=[{**split, "speaker": "Cy"}])
    assert refused.status_code == 422
    assert "Cy" in refused.text
