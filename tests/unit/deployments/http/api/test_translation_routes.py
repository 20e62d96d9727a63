"""Asking for translations over HTTP, and fetching them."""

import io
import json
from dataclasses import replace

import docx
import pypdf
import pytest

from pipelines.codec import encode
from pipelines.core import Usage
from pipelines.export.render import render
from pipelines.jobs.events import Claimed, MinutesFollowed, ResultsStored, Segmented, TranscriptStored
from pipelines.jobs.job import RESULT_FORMATS, MinutesRecord
from pipelines.jobs.translations import TranslationRecord
from pipelines.storage.layout import JobKeys
from pipelines.translation.protocol import Translation
from tests.unit.deployments.http.api.test_correction_routes import HEARD, MINUTES, correct

AUDIO = b"RIFF" + bytes(range(256))
USAGE = Usage(n_calls=1, n_prompt=100, n_completion=20, cost_usd=0.001, models=("m",))
GERMAN = TranslationRecord(
    language="de", state="written", n_segments=2, n_untranslated=1, model="deepseek-flash", usage=USAGE
)
PARKED = TranslationRecord(language="fr", state="parked", note="budget")
FAILED = TranslationRecord(language="ja", state="failed", note="cannot")


async def done(api) -> str:
    """A job with minutes, one translation and two that are not there."""
    job_id = await api.submit(filename="call.wav")
    stored = ResultsStored(
        names=RESULT_FORMATS, minutes=MinutesRecord(state="written"), translations=(GERMAN, PARKED, FAILED)
    )
    api.advance(job_id, Claimed(), Segmented(n_chunks=0), TranscriptStored(), stored)
    keys = JobKeys(tenant="default", job_id=job_id)
    api.store.put(keys.transcript, encode(HEARD))
    for name in RESULT_FORMATS:
        api.store.put(keys.result(name), render(name, HEARD, MINUTES, "call"))
    first, second = HEARD.segments
    segments = (replace(first, text="Wir liefern am Freitag aus.", words=()), second)
    translated = Translation(
        language="de",
        spoken="en",
        transcript=replace(HEARD, language="de", segments=segments),
        untranslated=(1,),
        model="deepseek-flash",
    )
    api.store.put(keys.translation("de"), encode(translated))
    return job_id


async def fetch(api, job_id, name, **params):
    return await api.client.get(f"/v1/jobs/{job_id}/results/{name}", params=params)


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("en", ["en"]),
        ("en,fr", ["en", "fr"]),
        ("zh-hant-tw,pt-br,zh-Hant-TW", ["zh-Hant-TW", "pt-BR"]),
        ("EN, Deutsch", ["en", "de"]),
        ("", []),
    ],
)
async def test_languages_are_taken(make_api, given, taken):
    """As tags with commas between them; each once, written as BCP 47 has it; also where no minutes are wanted."""
    api = await make_api(llm_configured=True)
    answer = await api.client.post("/v1/jobs", content=AUDIO, params={"translate": given, "minutes": "none"})
    assert answer.status_code == 202, answer.text
    assert answer.json()["options"]["translate"] == taken


@pytest.mark.parametrize("given", ["xx", "english!", "en,fr,de,it,es,pt", "klingon", "auto"])
async def test_what_is_no_language_is_refused(make_api, given):
    """Before anything is stored."""
    api = await make_api(llm_configured=True)
    answer = await api.client.post("/v1/jobs", content=AUDIO, params={"translate": given})
    assert (answer.status_code, answer.json()["reason"]) == (422, "invalid_option")
    assert answer.json()["errors"][0]["field"].startswith("translate")
    assert (api.blobs, api.spooled) == ([], [])


async def test_refused_without_a_model(api):
    """And not offered."""
    answer = await api.client.post("/v1/jobs", content=AUDIO, params={"translate": "de"})
    body = answer.json()
    assert (answer.status_code, body["errors"][0]["field"]) == (422, "translate")
    assert "no language model is configured" in body["detail"]
    assert (api.blobs, api.spooled) == ([], [])
    assert "translate" not in (await api.client.get("/v1/choices")).json()["options"]


async def test_the_job_tells_of_them(any_api):
    """State, reason, figures, URLs of documents; what is not there or not whole is told in words."""
    job_id = await done(any_api)
    job = (await any_api.client.get(f"/v1/jobs/{job_id}")).json()
    german, french, japanese = job["translations"]
    assert (german["language"], german["state"], german["segments"], german["untranslated"]) == ("de", "written", 2, 1)
    assert (german["model"], german["usage"]["cost_usd"]) == ("deepseek-flash", 0.001)
    assert german["results"]["transcript.srt"] == f"/v1/jobs/{job_id}/results/transcript.srt?translation=de"
    assert (french["state"], french["note"], french["results"], french["usage"]) == ("parked", "budget", {}, None)
    assert japanese["state"] == "failed"
    assert [note["code"] for note in job["notes"]] == [
        "translation_incomplete",
        "translation_parked",
        "translation_failed",
    ]
    assert job["notes"][1]["text"] == "The translation to fr is parked and will follow: budget"
    served = await any_api.client.get(german["results"]["transcript.srt"])
    assert "Wir liefern am Freitag aus." in served.text

    followed = TranslationRecord(language="fr", state="failed", note="cannot")
    any_api.advance(job_id, MinutesFollowed(names=(), translations=(followed,)))
    job = (await any_api.client.get(f"/v1/jobs/{job_id}")).json()
    assert [each["state"] for each in job["translations"]] == ["written", "failed", "failed"]
    assert set(job["results"]) == set(RESULT_FORMATS)


def text_of(name: str, document: bytes) -> str:
    if name.endswith(".docx"):
        return "\n".join(paragraph.text for paragraph in docx.Document(io.BytesIO(document)).paragraphs)
    if name.endswith(".pdf"):
        return "\n".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(document)).pages)
    return document.decode()


@pytest.mark.parametrize("name", [name for name in RESULT_FORMATS if name != "minutes.json"])
async def test_every_document(api, name):
    """Translated words at the original's times; the original is served as before."""
    job_id = await done(api)
    before = await fetch(api, job_id, name)
    answer = await fetch(api, job_id, name, translation="de")
    assert answer.status_code == 200
    stem, _, suffix = name.rpartition(".")
    assert f'filename="call.{stem}.de.{suffix}"' in answer.headers["content-disposition"]
    told = " ".join(text_of(name, answer.content).split())
    assert "Wir liefern am Freitag aus." in told
    assert "Thanks for watching." in told
    if not name.endswith(".srt"):  # has no place for it
        assert "Translated from en to de by deepseek-flash, a language model." in told
        assert "1 of 2 segments keep their original words" in told
    assert (await fetch(api, job_id, name)).content == before.content
    again = {"If-None-Match": answer.headers["etag"]}
    url = f"/v1/jobs/{job_id}/results/{name}?translation=DE"
    assert (await api.client.get(url, headers=again)).status_code == 304


async def test_ids_times_and_speakers_are_the_originals(api):
    """Programs find each segment where it was."""
    job_id = await done(api)
    original = (await fetch(api, job_id, "transcript.json")).json()
    german = (await fetch(api, job_id, "transcript.json", translation="de")).json()
    assert german["language"] == "de"
    names = ("id", "channel", "speaker", "start_s", "end_s")
    assert [[each[name] for name in names] for each in german["segments"]] == [
        [each[name] for name in names] for each in original["segments"]
    ]
    minutes = await fetch(api, job_id, "minutes.json", translation="de")
    assert minutes.content == (await fetch(api, job_id, "minutes.json")).content


async def test_a_correction_makes_it_stale(api):
    """It is served as it was, and says which version it is of."""
    job_id = await done(api)
    fresh = await fetch(api, job_id, "transcript.txt", translation="de")
    assert "corrected since" not in fresh.text
    await correct(api, job_id)
    stale = await fetch(api, job_id, "transcript.txt", translation="de")
    assert "a translation of version 0 of the transcript, which was corrected since: it is at version 1" in stale.text
    assert stale.headers["etag"] != fresh.headers["etag"]
    notes = (await fetch(api, job_id, "transcript.json", translation="de")).json()["notes"]
    assert notes[-1] | {"text": ""} == {
        "code": "translation_stale",
        "text": "",
        "values": {"version": 0, "newest": 1},
    }
    assert (await fetch(api, job_id, "transcript.txt", translation="de", version=0)).status_code == 200
    other = await fetch(api, job_id, "transcript.txt", translation="de", version=1)
    assert (other.status_code, other.json()["reason"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("language", "name", "status", "reason"),
    [
        ("it", "transcript.txt", 404, "not_found"),
        ("ja", "transcript.txt", 404, "not_found"),
        ("fr", "transcript.txt", 409, "result_pending"),
        ("de", "transcript.doc", 404, "not_found"),
        ("../../x", "transcript.txt", 404, "not_found"),
        ("d" * 36, "transcript.txt", 422, "invalid_option"),
    ],
)
async def test_what_is_not_there(any_api, language, name, status, reason):
    """A language nobody asked for, one that failed, one that follows."""
    job_id = await done(any_api)
    answer = await fetch(any_api, job_id, name, translation=language)
    assert (answer.status_code, answer.json()["reason"]) == (status, reason)


async def test_before_the_end(api):
    """A job that runs may have it later."""
    job_id = await api.submit()
    answer = await fetch(api, job_id, "transcript.txt", translation="de")
    assert (answer.status_code, answer.json()["reason"]) == (409, "result_pending")


async def test_minutes_written_anew_bring_translations_of_their_transcript(make_api):
    """So a corrected transcript is translated again: the new job has the languages, its own or those of the first."""
    api = await make_api(llm_configured=True)
    job_id = await done(api)
    await correct(api, job_id)
    answer = await api.client.post(f"/v1/jobs/{job_id}/minutes", json={"translate": ["de"], "minutes": "extractive"})
    job = answer.json()
    assert (answer.status_code, job["options"]["translate"], job["transcript_version"]) == (202, ["de"], 1)
    none = await api.client.post(f"/v1/jobs/{job['id']}/minutes", json={"translate": []})
    assert none.status_code == 202
    assert none.json()["options"]["translate"] == []
    api.store.delete(JobKeys(tenant="default", job_id=job_id).translation("de"))
    gone = await fetch(api, job_id, "transcript.txt", translation="de")
    assert (gone.status_code, gone.json()["reason"]) == (404, "blob_missing")
    assert json.loads(gone.content)["detail"].endswith("has no translation to de any more.")
