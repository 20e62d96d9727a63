"""Submitting: every form of request, every refusal, and nothing left behind."""

import asyncio
import hashlib
import json

import pytest

from pipelines.errors import LedgerUnavailable, StoreUnavailable
from pipelines.jobs.events import CancelRequested
from pipelines.jobs.job import JobState
from tests.fakes.ledger import MemoryLedger
from tests.fakes.store import MemoryStore
from tests.support.waiting import until

AUDIO = b"RIFF" + bytes(range(256)) * 20
PROBLEM = "application/problem+json"


def refused(answer, status, reason):
    """Check a problem document and return it."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == PROBLEM
    body = answer.json()
    assert body["status"] == status
    assert body["reason"] == reason
    assert body["type"] == f"urn:meetmemo:problem:{reason}"
    assert body["title"]
    assert body["detail"]
    return body


def stored_source(api, job_id):
    return api.store.get(f"default/{job_id}/source")


async def test_raw_body(any_api):
    """A raw body becomes a queued job whose source is stored under its key with size and digest."""
    answer = await any_api.client.post(
        "/v1/jobs",
        params={"language": "de", "beam_size": "3", "word_timestamps": "true", "channels": "split"},
        content=AUDIO,
        headers={"content-type": "audio/wav", "x-filename": "B%C3%BCro%20Montag.wav"},
    )
    assert answer.status_code == 202
    body = answer.json()
    assert answer.headers["location"] == f"/v1/jobs/{body['id']}"
    assert body["state"] == "queued"
    assert body["filename"] == "Büro Montag.wav"
    assert body["progress"] == {"audio_s": 0.0, "done_s": 0.0}
    assert body["eta_s"] == 12.5
    assert body["reason"] is None
    assert body["results"] == {}
    assert body["source"] == {"n_bytes": len(AUDIO), "sha256": hashlib.sha256(AUDIO).hexdigest(), "url": None}
    assert body["options"] == {
        "model": "mini-en",
        "language": "de",
        "channels": "split",
        "word_timestamps": True,
        "beam_size": 3,
        "minutes": "auto",
        "minutes_language": None,
        "priority": 0,
        "speakers": [],
        "task": "transcribe",
        "prompt": "",
        "vocabulary": [],
        "temperature": 0.0,
        "zh_script": None,
        "mask": [],
        "minutes_template": "",
        "minutes_title": "",
        "glossary": [],
        "recording_date": None,
        "keep_audio": False,
        "webhook_url": None,
        "recipients": [],
        "reuse": True,
        "deadline": None,
        "track": None,
        "languages": [],
        "translate": [],
        "source_patience_s": None,
        "diarize": None,
        "vocabulary_use": "prompt",
        "mask_audio": "mute",
        "mask_regions": [],
        "priority_class": "standard",
    }
    assert stored_source(any_api, body["id"]) == AUDIO
    job = any_api.ledger.get("default", body["id"])
    assert (job.state, job.options.beam_size, job.source.n_bytes) == (JobState.QUEUED, 3, len(AUDIO))
    assert any_api.spooled == []
    await until(lambda: any_api.coordinator.n_wakes == 1)


async def test_multipart(any_api):
    """A form brings the file, its name in any script, and options as fields, before and after the file."""
    answer = await any_api.client.post(
        "/v1/jobs",
        files={"file": ("会議 é.mp3", AUDIO, "audio/mpeg")},
        data={"model": "base", "speakers": ["Ada", "Béla"], "language": "", "channels": "split"},
    )
    assert answer.status_code == 202
    body = answer.json()
    assert body["filename"] == "会議 é.mp3"
    assert (body["options"]["model"], body["options"]["speakers"]) == ("base", ["Ada", "Béla"])
    assert body["options"]["language"] is None
    assert stored_source(any_api, body["id"]) == AUDIO
    assert any_api.spooled == []


async def test_options_as_json_field(api):
    """A form may hold all options as one JSON object."""
    answer = await api.client.post(
        "/v1/jobs",
        files={"file": ("a.wav", AUDIO)},
        data={"options": json.dumps({"priority": -3, "minutes": "none", "language": "auto"})},
    )
    assert answer.status_code == 202
    options = answer.json()["options"]
    assert (options["priority"], options["minutes"], options["language"]) == (-3, "none", None)


async def test_json_source(api):
    """A source URL is recorded with its secrets, which no answer shows, and nothing is stored yet."""
    answer = await api.client.post(
        "/v1/jobs",
        json={"source": "https://files.example/rec/Team%20call.mp3?sig=secret", "options": {"language": "zh"}},
    )
    assert answer.status_code == 202
    body = answer.json()
    assert body["filename"] == "Team call.mp3"
    assert body["source"] == {"n_bytes": 0, "sha256": "", "url": "https://files.example/rec/Team%20call.mp3"}
    assert "secret" not in answer.text
    assert api.ledger.get("default", body["id"]).source_url.endswith("?sig=secret")
    assert (api.blobs, api.spooled) == ([], [])


@pytest.mark.parametrize(
    ("headers", "params", "shown"),
    [
        ({"content-disposition": 'attachment; filename="a b.wav"'}, {}, "a b.wav"),
        ({"content-disposition": "attachment; filename=\"x\"; filename*=UTF-8''%e2%82%ac.wav"}, {}, "€.wav"),
        ({"x-filename": "../../etc/passwd"}, {}, "passwd"),
        ({"x-filename": "C:\\Recordings\\call.wav"}, {}, "call.wav"),
        ({"x-filename": "a%00%0ab.wav"}, {}, "ab.wav"),
        ({"x-filename": ".."}, {}, "recording"),
        ({}, {"filename": "query.wav"}, "query.wav"),
        ({}, {}, "recording"),
        ({"x-filename": "x" * 300 + ".wav"}, {}, "x" * 251 + ".wav"),
    ],
)
async def test_filenames(api, headers, params, shown):
    """Names from outside are shown without folders and control characters, and never become keys."""
    answer = await api.client.post("/v1/jobs", content=AUDIO, headers=headers, params=params)
    assert answer.status_code == 202
    assert answer.json()["filename"] == shown
    assert api.blobs == [f"default/{answer.json()['id']}/source"]


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"beam_size": "11"}, "beam_size"),
        ({"beam_size": "many"}, "beam_size"),
        ({"language": "klingon"}, "language"),
        ({"channels": "left"}, "channels"),
        ({"patience": "0.2"}, "patience"),
        ({"priority": "1000"}, "priority"),
        ({"minutes_language": "Deutsch!"}, "minutes_language"),
        ({"model": ["base", "mini-en"]}, "model"),
    ],
)
async def test_bad_option(api, params, field):
    """An option that is unknown or out of range is refused by name, never ignored."""
    body = refused(await api.client.post("/v1/jobs", content=AUDIO, params=params), 422, "invalid_option")
    assert [error["field"] for error in body["errors"]] == [field]
    assert (api.blobs, api.spooled) == ([], [])


async def test_contradicting_options(api):
    """Options that would be ignored because of another one are refused."""
    answer = await api.client.post("/v1/jobs", content=AUDIO, params={"minutes": "none", "minutes_language": "de"})
    assert "minutes_language" in refused(answer, 422, "invalid_option")["detail"]


async def test_option_given_twice(api):
    """The same option in the query and in the form is refused, whatever the values."""
    answer = await api.client.post(
        "/v1/jobs", params={"language": "en"}, files={"file": ("a", AUDIO)}, data={"language": "en"}
    )
    body = refused(answer, 422, "invalid_option")
    assert body["errors"] == [{"field": "language", "message": "given more than once"}]


async def test_unknown_model(api):
    """An unknown model is refused with the names there are."""
    body = refused(await api.client.post("/v1/jobs?model=huge", content=AUDIO), 422, "model_unknown")
    assert "mini-en, base" in body["detail"]
    assert body["errors"][0]["field"] == "model"


@pytest.mark.parametrize(
    "request_args",
    [
        {"content": b""},
        {"files": {"file": ("empty.wav", b"")}},
    ],
)
async def test_empty(api, request_args):
    """A recording without a byte is refused and leaves nothing."""
    refused(await api.client.post("/v1/jobs", **request_args), 422, "empty_audio")
    assert (api.blobs, api.spooled) == ([], [])


@pytest.mark.parametrize(
    ("headers", "content", "status", "reason"),
    [
        ({"content-type": "application/x-www-form-urlencoded"}, AUDIO, 415, "unsupported_media_type"),
        ({"content-type": "text/plain"}, AUDIO, 415, "unsupported_media_type"),
        ({"content-type": "audio/wav", "content-encoding": "gzip"}, AUDIO, 415, "unsupported_media_type"),
        ({"content-type": "multipart/form-data"}, AUDIO, 400, "invalid_request"),
        ({"content-type": "multipart/form-data; boundary=x"}, AUDIO, 400, "invalid_request"),
        ({"content-type": f"multipart/form-data; boundary={'x' * 500}"}, AUDIO, 400, "invalid_request"),
        ({"content-type": "multipart/form-data; boundary=x"}, b"--x\r\n", 400, "invalid_request"),
        ({"content-type": "multipart/form-data; boundary=x"}, b"--x--\r\n", 400, "invalid_request"),
        ({"content-type": "application/json"}, b"{", 400, "invalid_request"),
        ({"content-type": "application/json"}, b"[" * 60_000, 400, "invalid_request"),
        ({"content-type": "application/json"}, b'"' + b" " * 70_000 + b'"', 400, "invalid_request"),
        ({"content-type": "application/json"}, b"[]", 422, "invalid_option"),
        ({"content-type": "application/json"}, b"{}", 422, "invalid_option"),
        ({"content-type": "application/json"}, b'{"source": "https://a.example/", "x": 1}', 422, "invalid_option"),
        ({"content-type": "audio/wav", "idempotency-key": ""}, AUDIO, 400, "invalid_request"),
        ({"content-type": "audio/wav", "idempotency-key": "k" * 256}, AUDIO, 400, "invalid_request"),
    ],
)
async def test_malformed(api, headers, content, status, reason):
    """What cannot be read is refused with a reason, and leaves nothing."""
    refused(await api.client.post("/v1/jobs", headers=headers, content=content), status, reason)
    assert (api.blobs, api.spooled) == ([], [])


def form(*parts, boundary="frontier", end=True):
    """A multipart body of (header, content) parts, written by hand."""
    body = b"".join(
        f"--{boundary}\r\nContent-Disposition: form-data; {header}\r\n\r\n".encode() + content + b"\r\n"
        for header, content in parts
    )
    return body + (f"--{boundary}--\r\n".encode() if end else b"")


FILE = ('name="file"; filename="a.wav"', AUDIO)


@pytest.mark.parametrize(
    ("body", "status", "reason", "words"),
    [
        (form(FILE, FILE), 400, "invalid_request", "more than one file"),
        (form(FILE, end=False), 400, "invalid_request", "closing boundary"),
        (form(('name="language"', b"en")), 400, "invalid_request", "no field 'file'"),
        (form(('filename="a.wav"', AUDIO)), 400, "invalid_request", "no name"),
        (form(('name="audio"; filename="a.wav"', AUDIO)), 422, "invalid_option", "not in 'audio'"),
        (form(FILE, ('name="colour"', b"red")), 422, "invalid_option", "colour"),
        (form(FILE, ('name="language"', b"x" * 70_000)), 400, "invalid_request", "more than 65536 bytes"),
        (form(*[(f'name="f{i}"', b"") for i in range(70)]), 400, "invalid_request", "more than 64 fields"),
        (form(FILE, ('name="options"', b"{")), 400, "invalid_request", "not JSON"),
        (form(FILE, ('name="options"', b"[" * 60_000)), 400, "invalid_request", "not JSON"),
        (form(FILE, ('name="options"', b"[]")), 422, "invalid_option", "JSON object"),
        (form(FILE, ('name="options"', b"{}"), ('name="options"', b"{}")), 422, "invalid_option", "more than once"),
        (form(FILE, ('name="options"', b'{"\\ud800": 1}')), 422, "invalid_option", "half a surrogate pair"),
    ],
)
async def test_bad_forms(api, body, status, reason, words):
    """Forms that are torn, too big, or hold something else than one file and known options are refused."""
    headers = {"content-type": "multipart/form-data; boundary=frontier"}
    answer = await api.client.post("/v1/jobs", headers=headers, content=body)
    assert words in refused(answer, status, reason)["detail"]
    assert (api.blobs, api.spooled) == ([], [])


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("s3://bucket/key", "presigned https"),
        ("ftp://files.example/a.wav", "must begin with"),
        ("file:///etc/passwd", "not allowed"),
        ("https://user:pass@files.example/a.wav", "user or password"),
        ("https:///a.wav", "no host"),
        ("https://files.example/a b.wav", "written %20"),
        ("https://[::1/a.wav", "not a URL"),
        ("https://files.example:99999/a.wav", "not a URL"),
        ("http://169.254.169.254/latest/meta-data", "not public"),
        ("http://[::ffff:10.0.0.1]/a.wav", "not public"),
    ],
)
async def test_bad_sources(api, source, words):
    """A source that can never be pulled, or must not be, is refused at once."""
    body = refused(await api.client.post("/v1/jobs", json={"source": source}), 422, "invalid_option")
    assert words in body["detail"]
    assert body["errors"][0]["field"] == "source"


async def test_idempotency(any_api):
    """The same request under the same key brings the same job, stores nothing more and does not wake anybody."""
    headers = {"idempotency-key": '"call-1"'}
    first = await any_api.client.post("/v1/jobs", content=AUDIO, headers=headers)
    again = await any_api.client.post(
        "/v1/jobs", files={"file": ("renamed.wav", AUDIO)}, headers={"idempotency-key": "call-1"}
    )
    assert (first.status_code, again.status_code) == (202, 200)
    assert again.json()["id"] == first.json()["id"]
    assert again.headers["idempotent-replayed"] == "true"
    assert again.headers["location"] == first.headers["location"]
    assert any_api.blobs == [f"default/{first.json()['id']}/source"]
    assert any_api.spooled == []


@pytest.mark.parametrize("change", [{"content": b"RIFF"}, {"content": AUDIO, "params": {"language": "en"}}])
async def test_idempotency_conflict(any_api, change):
    """Other bytes or other options under a used key are refused and leave no second blob."""
    headers = {"idempotency-key": "call-1"}
    first = await any_api.client.post("/v1/jobs", content=AUDIO, headers=headers)
    refused(await any_api.client.post("/v1/jobs", headers=headers, **change), 422, "idempotency_conflict")
    assert any_api.blobs == [f"default/{first.json()['id']}/source"]
    assert any_api.spooled == []


async def test_equal_requests_at_once(any_api):
    """Ten equal requests at the same time make one job and keep one blob; who comes too early is told to come again."""
    answers = await asyncio.gather(
        *(any_api.client.post("/v1/jobs", content=AUDIO, headers={"idempotency-key": "k"}) for _ in range(10))
    )
    statuses = [answer.status_code for answer in answers]
    assert statuses.count(202) == 1
    assert set(statuses) <= {200, 202, 409}
    again = await any_api.client.post("/v1/jobs", content=AUDIO, headers={"idempotency-key": "k"})
    (job_id,) = {answer.json()["id"] for answer in (*answers, again) if answer.status_code != 409}
    assert any_api.blobs == [f"default/{job_id}/source"]


async def test_store_outage(api):
    """While the store is away a submission gets 503 with Retry-After, and neither job nor spool file remains."""
    api.store.outage = "the disk is read-only"
    answer = await api.client.post("/v1/jobs", content=AUDIO)
    refused(answer, 503, "store_unavailable")
    assert int(answer.headers["retry-after"]) >= 1
    api.store.outage = ""
    assert (api.blobs, api.spooled) == ([], [])
    assert (await api.client.get("/v1/jobs")).json()["jobs"] == []


async def test_ledger_outage(api):
    """While the ledger is away the body is not even read."""
    api.ledger.outage = "the database is locked"
    answer = await api.client.post("/v1/jobs", content=AUDIO)
    refused(answer, 503, "ledger_unavailable")
    assert int(answer.headers["retry-after"]) >= 1
    assert (api.blobs, api.spooled) == ([], [])


class LateLedger(MemoryLedger):
    """A ledger that fails when the job is written: before the commit, or after it with the answer lost."""

    commits = False

    def create(self, job, **request):
        if self.commits:
            super().create(job, **request)
        raise LedgerUnavailable("the connection broke")


@pytest.mark.parametrize("commits", [False, True])
async def test_ledger_breaks_at_the_commit(make_api, commits):
    """A blob is removed when its job was not written, and stays when the job was written after all."""
    ledger = LateLedger()
    ledger.commits = commits
    api = await make_api(ledger=ledger)
    refused(await api.client.post("/v1/jobs", content=AUDIO), 503, "ledger_unavailable")
    assert len(api.blobs) == commits
    assert api.spooled == []


class StubbornStore(MemoryStore):
    """A store that takes blobs but does not delete them."""

    def delete(self, key):
        raise StoreUnavailable("no deletes today")


async def test_refusal_survives_a_failed_clean_up(make_api):
    """When the clean-up fails as well, the answer still names the first cause."""
    api = await make_api(ledger=LateLedger(), store=StubbornStore())
    refused(await api.client.post("/v1/jobs", content=AUDIO), 503, "ledger_unavailable")
    assert api.spooled == []


async def test_backlog(make_api):
    """When as many jobs live as may, a submission is refused; an ended job makes room."""
    api = await make_api(max_live_jobs=2)
    first = await api.submit()
    await api.submit()
    answer = await api.client.post("/v1/jobs", content=AUDIO)
    refused(answer, 429, "overloaded")
    assert int(answer.headers["retry-after"]) >= 1
    api.advance(first, CancelRequested())
    assert (await api.client.post("/v1/jobs", content=AUDIO)).status_code == 202


async def test_silent_coordinator(api):
    """A Coordinator that is gone delays and refuses nothing."""
    api.coordinator.broken = RuntimeError("ActorDiedError")
    answer = await api.client.post("/v1/jobs", content=AUDIO)
    assert answer.status_code == 202
    assert answer.json()["eta_s"] is None


async def test_burst_wakes_at_least_once(api):
    """After a hundred submissions at once, the Coordinator is woken after the last of them was written."""
    seen = []
    wake = api.coordinator.wake

    async def noting_wake(n_arrived=0):
        seen.append(len(api.ledger.list("default", limit=500).jobs))
        await wake(n_arrived)

    api.coordinator.wake = noting_wake
    answers = await asyncio.gather(*(api.client.post("/v1/jobs", content=AUDIO + bytes(i)) for i in range(16)))
    assert {answer.status_code for answer in answers} == {202}
    await until(lambda: seen and seen[-1] == 16)


async def test_public_url(make_api):
    """Where a public URL is configured, answers hold whole URLs."""
    api = await make_api(public_url="https://memo.example/")
    answer = await api.client.post("/v1/jobs", content=AUDIO)
    assert answer.headers["location"] == f"https://memo.example/v1/jobs/{answer.json()['id']}"
