"""What the console asks of the server: its page, the stream of all jobs, the choices, the audio to listen to."""

import json
import re
from typing import Any

import pytest

from deployments.http.console_page import CONTENT_SECURITY_POLICY, FILES
from deployments.schemas.options import Options
from pipelines.errors import LedgerUnavailable
from pipelines.jobs.events import CancelRequested, Claimed
from pipelines.jobs.job import JobState
from pipelines.storage.layout import JobKeys
from tests.support.api_harness import Connection
from tests.support.waiting import until


async def test_the_page_may_load_nothing_from_elsewhere(api):
    """Page and files come with a policy that allows this server's own scripts and styles only, and nothing inline."""
    for path in ("/", "/console/js/app.js", "/console/css/base.css"):
        answer = await api.client.get(path)
        assert answer.status_code == 200
        assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
        assert answer.headers["cache-control"] == "no-cache"
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in CONTENT_SECURITY_POLICY
    assert "unsafe" not in CONTENT_SECURITY_POLICY


async def test_pages_are_at_home_under_a_prefix(api):
    """The console's page and that of the API name files and addresses relative to themselves."""
    for path in ("/", "/docs"):
        page = (await api.client.get(path)).text
        found = re.findall(r"""(?:src|href|url)\s*[=:]\s*["']([^"'#]+)""", page)
        assert found, path
        assert not [address for address in found if address.startswith("/")], path
        for address in found:
            assert (await api.client.get(f"/{address}")).status_code == 200, address
    scripts = "".join(file.read_text() for file in (FILES / "js").rglob("*.js") if file.name != "api.js")
    assert not re.findall(r'(?:src|href): "/|(?:fetch|open)\([^)]*"/', scripts.replace('here("/', "here("))


def test_the_page_names_no_other_server():
    """No file of the console holds an address of another host, but for the name of SVG's vocabulary."""
    for path in FILES.rglob("*.*"):
        text = path.read_text().replace("http://www.w3.org/2000/svg", "")
        assert "http://" not in text, path
        assert "https://" not in text, path


async def test_a_file_that_is_not_there(api):
    """Is a problem like every other, and no way out of the folder."""
    for path in ("/console/nothing.js", "/console/%2e%2e/ingestion.py"):
        answer = await api.client.get(path)
        assert (answer.status_code, answer.json()["reason"]) == (404, "not_found")


async def test_choices(api):
    """A form learns what a job may choose and how large a recording may be."""
    choices = (await api.client.get("/v1/choices")).json()
    assert choices["models"] == ["mini-en", "base"]
    assert choices["default_model"] == "mini-en"
    assert "zh" in choices["languages"]
    assert choices["options"]["languages"]["items"]["enum"] == choices["languages"]
    assert choices["language_names"].keys() == set(choices["languages"])
    assert choices["language_names"]["bo"] == {"en": "Tibetan", "zh": "藏语"}
    assert choices["minutes"] == ["auto", "extractive", "none"]
    assert choices["minutes_templates"] == ["standard", "classic"]
    assert choices["stages"]["documents"] == ["minutes_template", "minutes_title", "zh_script"]
    assert choices["max_upload_bytes"] > 0


async def test_options_that_are_offered(make_api):
    """Each comes with its schema and the names there are; what cannot be had here is not among them."""
    offered = (await (await make_api()).client.get("/v1/choices")).json()["options"]
    assert offered.keys() == Options.model_fields.keys() - {"webhook_url", "recipients", "translate"}
    assert (offered["model"]["enum"], offered["model"]["default"]) == (["mini-en", "base"], "mini-en")
    assert offered["minutes"]["enum"] == ["auto", "extractive", "none"]
    assert offered["minutes_template"]["examples"] == ["standard", "classic"]
    assert offered["beam_size"] == {
        "type": "integer",
        "title": "Beam Size",
        "default": 1,
        "minimum": 1,
        "maximum": 10,
        "concern": "transcript",
        "description": Options.model_fields["beam_size"].description,
    }
    everything = await make_api(mail_domains=frozenset(), llm_configured=True)
    offered = (await everything.client.get("/v1/choices")).json()["options"]
    assert {"recipients", "translate"} <= offered.keys()
    assert "llm" in offered["minutes"]["enum"]


class Listener:
    """Reads the stream of all jobs."""

    def __init__(self, api):
        self.connection = Connection(api.app, "GET", "/v1/events")

    async def event(self):
        """The next event that is no comment: its name and data."""
        while True:
            body = (await self.connection.next()).get("body", b"").decode()
            if body.startswith("event: "):
                name, data = body.removeprefix("event: ").split("\ndata: ")
                return name, json.loads(data)

    async def close(self):
        self.connection.disconnect()
        await self.connection.done()


@pytest.fixture
async def listener(api):
    listener = Listener(api)
    yield listener
    await listener.close()


@pytest.fixture
async def just_submitted(api):
    return await api.submit()


async def test_the_stream_begins_with_what_just_happened(just_submitted, listener):
    """Who lists jobs after the stream began misses nothing: the last seconds are told first."""
    job_id = just_submitted
    assert await listener.event() == ("counts", {"jobs": {**{state.value: 0 for state in JobState}, "queued": 1}})
    name, told = await listener.event()
    assert (name, [job["id"] for job in told["jobs"]]) == ("jobs", [job_id])


async def test_changes_are_told_once(api, listener):
    """A job that changes is told as it is now, with new counts; one that does not is not told again."""
    await listener.event()
    first = await api.submit()
    for _ in range(2):
        await listener.event()
    second = await api.submit()
    api.advance(first, Claimed())
    told: list[dict[str, Any]] = []
    while {job["id"] for job in told} != {first, second}:
        name, data = await listener.event()
        told += data["jobs"] if name == "jobs" else []
    assert {job["id"]: job["state"] for job in told} == {first: "transcribing", second: "queued"}
    assert len(told) == 2


async def test_the_stream_outlives_an_outage_of_the_ledger(api, listener, monkeypatch):
    """It is silent meanwhile, and tells afterwards what happened."""
    n_failed = 0
    changed = api.ledger.changed

    def look(*args, **kwargs):
        nonlocal n_failed
        try:
            return changed(*args, **kwargs)
        except LedgerUnavailable:
            n_failed += 1
            raise

    monkeypatch.setattr(api.ledger, "changed", look)
    await listener.event()
    api.ledger.outage = "away"
    await until(lambda: n_failed)
    api.ledger.outage = ""
    job_id = await api.submit()
    name, told = await listener.event()
    assert (name, [job["id"] for job in told["jobs"]]) == ("jobs", [job_id])


async def test_no_stream_without_a_ledger(api):
    """An outage at the start is an answer, not a torn stream."""
    api.ledger.outage = "away"
    answer = await api.client.get("/v1/events")
    assert (answer.status_code, answer.json()["reason"]) == (503, "ledger_unavailable")


@pytest.fixture
async def heard(api):
    """A job that has a playback copy."""
    job_id = await api.submit(keep_audio="true")
    keys = JobKeys(tenant="default", job_id=job_id)
    api.store.put(keys.playback, b"webm")
    api.store.put(keys.peaks, b'{"version": 1, "per_s": 10, "channels": [""]}')
    return job_id


async def test_a_kept_recording_can_be_heard(api, heard):
    """Its audio and its waveform are there, for this browser's cache only."""
    audio = await api.client.get(f"/v1/jobs/{heard}/audio")
    assert (audio.content, audio.headers["content-type"], audio.headers["content-length"]) == (
        b"webm",
        "audio/webm",
        "4",
    )
    assert audio.headers["cache-control"].startswith("private")
    assert (await api.client.get(f"/v1/jobs/{heard}/audio/peaks")).json()["per_s"] == 10


@pytest.mark.parametrize(
    ("keep", "status", "reason"), [("true", 409, "result_pending"), ("false", 404, "blob_missing")]
)
async def test_audio_that_is_not_there(api, keep, status, reason):
    """While the job runs it may come yet; where nobody asked for it, it never will."""
    job_id = await api.submit(keep_audio=keep)
    for path in ("audio", "audio/peaks"):
        answer = await api.client.get(f"/v1/jobs/{job_id}/{path}")
        assert (answer.status_code, answer.json()["reason"]) == (status, reason)


async def test_the_audio_can_be_deleted_alone(api, heard):
    """Once the job has ended; its record stays."""
    refused = await api.client.delete(f"/v1/jobs/{heard}/audio")
    assert (refused.status_code, refused.json()["reason"]) == (409, "illegal_transition")
    api.advance(heard, CancelRequested())
    for _ in range(2):
        assert (await api.client.delete(f"/v1/jobs/{heard}/audio")).status_code == 204
    assert (await api.client.get(f"/v1/jobs/{heard}/audio")).status_code == 404
    assert (await api.client.get(f"/v1/jobs/{heard}")).status_code == 200
    assert not [key for key in api.blobs if "/audio/" in key or "audio-kept" in key]
