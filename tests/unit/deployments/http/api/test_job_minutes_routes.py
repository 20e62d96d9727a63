"""Writing minutes anew over HTTP, and the wishes that minutes take."""

from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from cluster.cli.common.target import ClusterTarget
from cluster.cli.minutes import minutes_app
from cluster.client.http import Client
from pipelines.audio.playback import PlaybackCopy
from pipelines.codec import encode
from pipelines.core import Decision, Evidence, Minutes, ModelInfo, Segment, Transcript, Usage
from pipelines.errors import OptionError
from pipelines.export.render import render
from pipelines.jobs.events import Claimed, ResultsStored, Segmented, TranscriptStored
from pipelines.jobs.job import MinutesRecord
from pipelines.storage.layout import JobKeys
from tests.support.waiting import until

RECORD = MinutesRecord(
    state="written",
    writer="llm",
    model="deepseek-flash",
    language="en",
    usage=Usage(n_calls=2, n_prompt=900, n_cache_hit=600, n_completion=70, cost_usd=0.0001234, models=("m",)),
)
ENDED = (
    Claimed(),
    Segmented(n_chunks=0),
    TranscriptStored(),
    ResultsStored(names=("transcript.json",), minutes=RECORD),
)


async def transcribed(api, **options) -> str:
    job_id = await api.submit(filename="call.wav", **options)
    api.advance(job_id, *ENDED)
    api.store.put(JobKeys(tenant="default", job_id=job_id).transcript, b"{}")
    return job_id


async def test_minutes_anew(any_api) -> None:
    """A new job takes the old one's options but for what is given; all versions are listed from each of them."""
    job_id = await transcribed(any_api)
    body = {"minutes": "extractive", "minutes_title": "Board", "glossary": ["MeetMemo"], "recording_date": "2026-11-24"}
    answer = await any_api.client.post(f"/v1/jobs/{job_id}/minutes", json=body)
    job = answer.json()
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/v1/jobs/{job['id']}"
    assert (job["state"], job["minutes_of"], job["filename"]) == ("queued", job_id, "call.wav")
    assert {name: job["options"][name] for name in body} == body
    await until(lambda: any_api.coordinator.n_wakes >= 1)
    for one in (job_id, job["id"]):
        versions = (await any_api.client.get(f"/v1/jobs/{one}/minutes")).json()["versions"]
        assert [version["id"] for version in versions] == [job_id, job["id"]]


@pytest.mark.parametrize(
    ("asked", "language"),
    [({}, "en"), ({"minutes_language": None}, "en"), ({"minutes_language": "English"}, "en")]
    + [({"minutes_language": text}, None) for text in ("", "auto")],
)
async def test_the_language_of_minutes_anew(api, asked, language) -> None:
    """The job's own unless another is given; "" and auto stand for the one that is spoken."""
    job_id = await transcribed(api, minutes_language="en")
    answer = await api.client.post(f"/v1/jobs/{job_id}/minutes", json=asked)
    assert answer.json()["options"]["minutes_language"] == language


async def test_minutes_anew_in_a_language_that_cannot_be(api) -> None:
    """It is refused with the reason, not found out when nobody can write them."""
    job_id = await transcribed(api, language="en")
    for text, words in (("xx", "'xx' is no language; nearest: "), ("Deutsch", "minutes in de need a language model")):
        answer = await api.client.post(f"/v1/jobs/{job_id}/minutes", json={"minutes_language": text})
        assert (answer.status_code, answer.json()["reason"]) == (422, "invalid_option")
        assert words in answer.json()["detail"]


async def test_what_minutes_took(any_api) -> None:
    """A job shows who wrote its minutes, with calls, tokens, cache hits, cost and the models that answered."""
    job_id = await transcribed(any_api)
    assert (await any_api.client.get(f"/v1/jobs/{job_id}")).json()["minutes"] == {
        "state": "written",
        "note": "",
        "writer": "llm",
        "model": "deepseek-flash",
        "language": "en",
        "usage": {
            "calls": 2,
            "prompt_tokens": 900,
            "cache_hit_tokens": 600,
            "completion_tokens": 70,
            "cost_usd": 0.000123,
            "models": ["m"],
        },
    }


async def test_repeated_request(api) -> None:
    """Under one key there is one job."""
    job_id = await transcribed(api)
    headers = {"Idempotency-Key": "again"}
    first = await api.client.post(f"/v1/jobs/{job_id}/minutes", json={}, headers=headers)
    second = await api.client.post(f"/v1/jobs/{job_id}/minutes", json={}, headers=headers)
    assert (first.status_code, second.status_code) == (202, 200)
    assert first.json()["id"] == second.json()["id"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"minutes_template": "nobody"}, "template_unknown"),
        ({"minutes_template": "{{ nothing }}"}, "template_invalid"),
        ({"minutes": "llm"}, "invalid_option"),
        ({"minutes": "none"}, "invalid_option"),
        ({"recording_date": "Friday"}, "invalid_option"),
        ({"glossary": ["x" * 1000]}, "invalid_option"),
        ({"model": "large"}, "invalid_option"),
    ],
)
async def test_bad_wishes(api, body, reason) -> None:
    """What cannot be done is refused with its reason, and no job comes of it."""
    job_id = await transcribed(api)
    answer = await api.client.post(f"/v1/jobs/{job_id}/minutes", json=body)
    assert (answer.status_code, answer.json()["reason"]) == (422, reason)
    assert len((await api.client.get("/v1/jobs")).json()["jobs"]) == 1


async def test_too_early_or_too_late(api) -> None:
    """A job without a transcript has nothing to write minutes of."""
    job_id = await api.submit()
    assert (await api.client.post(f"/v1/jobs/{job_id}/minutes")).json()["reason"] == "illegal_transition"
    api.advance(job_id, *ENDED)
    assert (await api.client.post(f"/v1/jobs/{job_id}/minutes")).json()["reason"] == "illegal_transition"
    assert (await api.client.post("/v1/jobs/nobody/minutes")).json()["reason"] == "job_unknown"


async def test_wishes_at_submission(api) -> None:
    """A job brings its wishes with it; a template is tried before the job is taken."""
    job_id = await transcribed(api)
    assert (await api.client.get(f"/v1/jobs/{job_id}")).json()["options"]["glossary"] == []
    params = [
        ("minutes_template", "classic"),
        ("glossary", "MeetMemo"),
        ("glossary", "Ray"),
        ("recording_date", "2026-11-24"),
    ]
    answer = await api.client.post("/v1/jobs", params=params, content=b"RIFF", headers={"content-type": "audio/wav"})
    options = answer.json()["options"]
    assert (options["minutes_template"], options["glossary"]) == ("classic", ["MeetMemo", "Ray"])
    for wrong, reason in (("nobody", "template_unknown"), ("{{ x }}", "template_invalid")):
        answer = await api.client.post(
            "/v1/jobs", params={"minutes_template": wrong}, content=b"RIFF", headers={"content-type": "audio/wav"}
        )
        assert answer.json()["reason"] == reason
        assert answer.json()["errors"][0]["field"] == "minutes_template"


def overrides(*arguments: str) -> dict[str, Any]:
    """Return what `meetmemo minutes rewrite` sends."""
    sent: list[dict[str, Any]] = []

    def ask(cluster: ClusterTarget, method: str, job_id: str, options: dict[str, Any]) -> dict[str, Any]:
        sent.append(options)
        return {"id": job_id}

    with patch.object(ClusterTarget, "ask", ask):
        outcome = CliRunner().invoke(minutes_app(Console(quiet=True)), ["rewrite", "0" * 32, *arguments])
    if outcome.exception:
        raise outcome.exception
    return sent[0]


async def test_the_command_lines_client(api, tmp_path) -> None:
    """`meetmemo minutes rewrite` sends what is given, a template from its file, and lists the versions."""
    job_id = await transcribed(api)
    path = tmp_path / "board.md"
    path.write_text("# {{ title }}")
    given = overrides("--template", str(path), "--title", "Board", "--term", "MeetMemo", "--recorded", "2026-11-24")
    async with Client("http://meetmemo.test", transport=httpx.ASGITransport(app=api.app)) as client:
        job = await client.rewrite(job_id, given)
        assert job["options"]["minutes_template"] == "# {{ title }}"
        assert job["options"]["recording_date"] == "2026-11-24"
        assert len((await client.minutes_versions(job_id))["versions"]) == 2
    assert overrides("--template", "classic") == {"minutes_template": "classic"}
    assert overrides("--writer", "extractive", "--language", "de") == {
        "minutes": "extractive",
        "minutes_language": "de",
    }
    with pytest.raises(OptionError):
        overrides("--template", str(tmp_path / "nothing.md"))
    with pytest.raises(OptionError):
        overrides("--writer", "none")


async def test_clips(api, tmp_path: Path) -> None:
    """A decision can be heard while its recording is kept; what is not there has its reason."""
    job_id = await transcribed(api, keep_audio=True)
    keys = JobKeys(tenant="default", job_id=job_id)
    cited = Evidence(segment_ids=(0,), quote="We decided.")
    transcript = Transcript(
        duration_s=2.0,
        language="en",
        languages=(),
        segments=(Segment(id=0, channel=0, speaker="", start_s=0.0, end_s=2.0, text="We decided."),),
        coverage=(),
        model=ModelInfo(name="m"),
    )
    decisions = (Decision(text="X", evidence=cited),)
    minutes = Minutes(title="", language="en", writer="llm", model="m", summary="", decisions=decisions)
    api.store.put(keys.transcript, encode(transcript))
    api.store.put(keys.result("minutes.json"), render("minutes.json", transcript, minutes, ""))
    missing = await api.client.get(f"/v1/jobs/{job_id}/clips/decisions/1")
    assert (missing.status_code, missing.json()["reason"]) == (404, "blob_missing")
    with PlaybackCopy(tmp_path / "copy.webm") as copy:
        list(copy.listen([np.zeros((1, 32_000), np.int16)]))
    api.store.put_file(keys.playback, tmp_path / "copy.webm")
    heard = await api.client.get(f"/v1/jobs/{job_id}/clips/decisions/1")
    assert (heard.status_code, heard.headers["content-type"], heard.content[:4]) == (200, "audio/wav", b"RIFF")
    for where, reason in (("decisions/2", "not_found"), ("topics/1", "invalid_option")):
        assert (await api.client.get(f"/v1/jobs/{job_id}/clips/{where}")).json()["reason"] == reason
