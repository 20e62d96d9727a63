"""Doors by which options come: requests, uploads, batches, buckets, folders, recorders, the command line.

Each takes a cluster's API and options, and returns those of the job that came of it, or raises `Refused`.
"""

import asyncio
import base64
import contextlib
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from twilio.request_validator import RequestValidator

from cluster.cli.common.option_flags import options_given, takes_options
from cluster.client.http import Client
from cluster.client.watch_folder import Watcher
from deployments.http.dependencies import BACKEND
from deployments.intake.manifest import checked_entries, read_entries, read_lines
from deployments.intake.twilio import TwilioAccount
from deployments.schemas.options import Options
from deployments.sources.limits import SourceLimits
from deployments.sources.places import SourceCredential
from deployments.tenant import bucket_intake
from pipelines.errors import InvalidOptions
from pipelines.jobs.options import JobOptions
from tests.support.api_harness import Api
from tests.support.waiting import until

AUDIO = b"RIFF" + bytes(range(256)) * 4
CALLS = SourceCredential(name="calls", url="s3://calls", secret="id:secret", region="eu-1", sidecars=True)
SID = "AC" + "0" * 32
PUBLIC = "https://memo.example"


Given = Mapping[str, Any]


class Refused(Exception):
    """A door has refused the options, in these words."""


async def opened(make_api: Callable[..., Awaitable[Api]]) -> Api:
    """Return an API all of whose doors are open."""
    return await make_api(
        sources=SourceLimits(places=(CALLS,)),
        twilio=(TwilioAccount(sid=SID, tenant="default", auth_token="token"),),
        public_url=PUBLIC,
    )


def the_job(api: Api) -> JobOptions:
    """Return the options of the only job."""
    options: JobOptions = api.ledger.list(None).jobs[0].options
    return options


def taken(api: Api, answer: httpx.Response) -> JobOptions:
    """Return the options of the only job, or raise `Refused`."""
    if answer.status_code in (400, 422):
        body = answer.json()
        raise Refused(body.get("detail") or body["error"]["message"])
    assert answer.status_code < 300, answer.text
    return the_job(api)


async def query(api: Api, given: Given, **_: Any) -> JobOptions:
    return taken(api, await api.client.post("/v1/jobs", content=AUDIO, params=texts(given)))


async def form(api: Api, given: Given, **_: Any) -> JobOptions:
    return taken(api, await api.client.post("/v1/jobs", files={"file": ("a.wav", AUDIO)}, data=texts(given)))


async def json_in_a_form(api: Api, given: Given, **_: Any) -> JobOptions:
    data = {"options": json.dumps(given)}
    return taken(api, await api.client.post("/v1/jobs", files={"file": ("a.wav", AUDIO)}, data=data))


async def json_body(api: Api, given: Given, **_: Any) -> JobOptions:
    body = {"source": "https://files.example/a.wav", "options": given}
    return taken(api, await api.client.post("/v1/jobs", json=body))


async def openai(api: Api, given: Given, **_: Any) -> JobOptions:
    """The request waits for its transcript: it is cut off when its job is there."""
    given = {"languages[]" if name == "languages" else name: value for name, value in texts(given).items()}
    data = {"model": "whisper-1", **given}
    sent = api.client.post("/v1/audio/transcriptions", files={"file": ("a.wav", AUDIO)}, data=data)
    request = asyncio.ensure_future(sent)
    await until(lambda: request.done() or api.ledger.list(None).jobs)
    if not request.done():
        request.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await request
        return the_job(api)
    return taken(api, request.result())


async def tus(api: Api, given: Given, **_: Any) -> JobOptions:
    told = {"filename": "a.wav", **texts(given, joined=True)}
    values = ",".join(f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in told.items())
    head = {"tus-resumable": "1.0.0", "upload-length": str(len(AUDIO)), "upload-metadata": values}
    begun = await api.client.post("/v1/uploads", headers=head)
    if begun.status_code != 201:
        return taken(api, begun)
    piece = {"tus-resumable": "1.0.0", "content-type": "application/offset+octet-stream", "upload-offset": "0"}
    sent = await api.client.patch(begun.headers["location"], content=AUDIO, headers=piece)
    return taken(api, sent)


async def bucket_query(api: Api, given: Given, monkeypatch: pytest.MonkeyPatch, **_: Any) -> JobOptions:
    monkeypatch.setattr(bucket_intake, "read_sidecar_of", lambda url, place: None)
    return taken(api, await notified(api, texts(given)))


async def bucket_sidecar(api: Api, given: Given, monkeypatch: pytest.MonkeyPatch, **_: Any) -> JobOptions:
    monkeypatch.setattr(bucket_intake, "read_sidecar_of", lambda url, place: json.dumps(given).encode())
    answer = await notified(api, {})
    (noted,) = answer.json()["objects"]
    if noted["outcome"] == "refused":
        raise Refused(noted["detail"])
    return taken(api, answer)


async def notified(api: Api, params: Mapping[str, Any]) -> httpx.Response:
    s3 = {"bucket": {"name": "calls"}, "object": {"key": "a.wav", "size": 7, "eTag": "e", "sequencer": "1"}}
    event = {"Records": [{"eventVersion": "2.1", "eventName": "ObjectCreated:Put", "s3": s3}]}
    return await api.client.post("/v1/notifications/s3", json=event, params=params)


async def twilio(api: Api, given: Given, **_: Any) -> JobOptions:
    asked = urlencode(texts(given), doseq=True)
    path = f"/v1/recorders/twilio?{asked}" if asked else "/v1/recorders/twilio"
    url = f"https://api.twilio.com/2010-04-01/Accounts/{SID}/Recordings/RE1"
    fields = {"AccountSid": SID, "RecordingSid": "RE1", "RecordingUrl": url, "RecordingStatus": "completed"}
    signature = RequestValidator("token").compute_signature(f"{PUBLIC}{path}", fields)
    head = {"x-twilio-signature": signature, "content-type": "application/x-www-form-urlencoded"}
    return taken(api, await api.client.post(path, content=urlencode(fields), headers=head))


def entry_of(api: Api, lines: Iterable[Any], common: Given) -> JobOptions:
    try:
        (entry,) = checked_entries(lines, dict(common), BACKEND.of(api.app).policy, SourceLimits(), "default")
    except InvalidOptions as error:
        raise Refused(str(error)) from None
    return entry.options


async def line_of_a_manifest(api: Api, given: Given, tmp_path: Path, **_: Any) -> JobOptions:
    path = tmp_path / "batch.jsonl"
    path.write_text(json.dumps({"source": "https://files.example/a.wav", "options": given}))
    return entry_of(api, read_lines(path), {})


async def options_of_a_batch(api: Api, given: Given, **_: Any) -> JobOptions:
    return entry_of(api, read_entries([{"source": "https://files.example/a.wav"}]), given)


async def watched_sidecar(api: Api, given: Given, tmp_path: Path, **_: Any) -> JobOptions:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.wav").write_bytes(AUDIO)
    (tmp_path / "in/a.json").write_text(json.dumps(given))
    return await watched(api, tmp_path / "in", {})


async def watched_flags(api: Api, given: Given, tmp_path: Path, **_: Any) -> JobOptions:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.wav").write_bytes(AUDIO)
    return await watched(api, tmp_path / "in", texts(given))


async def watched(api: Api, folder: Path, options: Mapping[str, Any]) -> JobOptions:
    lines: list[str] = []
    client = Client("http://test", transport=httpx.ASGITransport(app=api.app))
    watcher = Watcher(client, folder, options=options, done=None, told=lines.append)
    await watcher.look()
    if not await watcher.look():
        raise Refused(" ".join(lines))
    return the_job(api)


async def flags(api: Api, given: Given, **_: Any) -> JobOptions:
    import typer
    from typer.testing import CliRunner

    got: list[Any] = []
    small = typer.Typer()
    small.command()(takes_options(lambda *, options: got.append(options)))
    arguments = [
        part for name, text in texts(given, joined=True).items() for part in (f"--{name.replace('_', '-')}", text)
    ]
    outcome = CliRunner().invoke(small, arguments)
    if isinstance(outcome.exception, InvalidOptions):
        raise Refused(str(outcome.exception))
    return Options.parse(got[0]).to_domain("mini-en")


async def pairs(api: Api, given: Given, **_: Any) -> JobOptions:
    try:
        found = options_given([f"{name}={text}" for name, text in texts(given, joined=True).items()], {})
    except InvalidOptions as error:
        raise Refused(str(error)) from None
    return taken(api, await api.client.post("/v1/jobs", content=AUDIO, params=found))


def texts(given: Given, *, joined: bool = False) -> dict[str, Any]:
    """Return values as a form or query holds them, lists with commas between where they are ``joined``; no null."""
    return {
        name: ",".join(value) if joined and isinstance(value, list) else value
        for name, value in given.items()
        if value is not None
    }


DOORS: Sequence[Callable[..., Awaitable[JobOptions]]] = [
    query,
    form,
    json_in_a_form,
    json_body,
    openai,
    tus,
    bucket_query,
    bucket_sidecar,
    twilio,
    line_of_a_manifest,
    options_of_a_batch,
    watched_sidecar,
    watched_flags,
    flags,
    pairs,
]
doors = pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
