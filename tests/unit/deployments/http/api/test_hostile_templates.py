"""Templates of strangers reach the endpoint by many ways; on none of them do they keep anybody else waiting."""

import asyncio
import base64
import json
import threading
from urllib.parse import urlencode

import boto3
import pytest
from twilio.request_validator import RequestValidator

from deployments.auth.authenticators import ALL_SCOPES, Principal
from deployments.http.dependencies import BACKEND
from deployments.intake.twilio import TwilioAccount
from deployments.sources.limits import SourceLimits
from deployments.sources.places import SourceCredential
from pipelines.codec import encode
from pipelines.errors import TemplateInvalid
from pipelines.export.templating.tenant_styles import TenantStyle, TenantStyles
from pipelines.jobs.events import Claimed, ResultsStored, Segmented, TranscriptStored
from pipelines.storage.layout import JobKeys
from tests.servers.s3 import s3_server
from tests.support import export_samples as samples
from tests.support.waiting import until

HOSTILE = "{{ 7|round(-1000000000) }}"
DOUBLING = "{% set x = ['a', 'b'] %}" + "{% set x = [x, x] %}" * 40 + "{{ x|upper }}"
WAV = {"content-type": "audio/wav"}
CALLS = SourceCredential(name="calls", url="s3://calls/eu", secret="id:secret", region="eu-1")
ACCOUNT = TwilioAccount(sid="AC" + "0" * 32, tenant="support", auth_token="the auth token")
ANSWER_S = 0.5


class Tenants:
    """Everybody is the tenant its token names."""

    async def authenticate(self, token):
        return Principal(tenant=token or "default", scopes=ALL_SCOPES)


class Endless:
    """`Templates` that try a template until they are released, as a hostile one would have them."""

    def __init__(self) -> None:
        self.n_begun = 0
        self.released = threading.Event()

    def check(self, template):
        self.n_begun += 1
        self.released.wait(60)
        raise TemplateInvalid("it takes too long")

    def lay_out(self, template, values):
        self.check(template)


@pytest.fixture
async def endless():
    templates = Endless()
    yield templates
    templates.released.set()


@pytest.fixture
async def api(make_api, endless):
    return await make_api(
        sources=SourceLimits(places=(CALLS,)), twilio=(ACCOUNT,), public_url="https://memo.example", templates=endless
    )


async def raw(api):
    return await api.client.post("/v1/jobs", params={"minutes_template": HOSTILE}, content=b"RIFF", headers=WAV)


async def form(api):
    fields = {"minutes_template": HOSTILE}
    return await api.client.post("/v1/jobs", data=fields, files={"file": ("a.wav", b"RIFF")})


async def source(api):
    body = {"source": "https://files.example/a.wav", "options": {"minutes_template": HOSTILE}}
    return await api.client.post("/v1/jobs", json=body)


async def recorder(api):
    params = {"minutes_template": HOSTILE}
    return await api.client.put("/v1/recordings/a.wav", params=params, content=b"RIFF", headers=WAV)


async def tus(api):
    template = base64.b64encode(HOSTILE.encode()).decode()
    headers = {"tus-resumable": "1.0.0", "upload-length": "9", "upload-metadata": f"minutes_template {template}"}
    return await api.client.post("/v1/uploads", headers=headers)


async def event(api):
    return await api.client.post("/v1/notifications/s3", params={"minutes_template": HOSTILE}, json={"Records": []})


async def sweep(api):
    body = {"prefix": "s3://calls/eu/", "options": {"minutes_template": HOSTILE}}
    return await api.client.post("/v1/notifications/s3/sweep", json=body)


async def callback(api):
    path = f"/v1/recorders/twilio?{urlencode({'minutes_template': HOSTILE})}"
    sent = {
        "AccountSid": ACCOUNT.sid,
        "RecordingSid": "RE1",
        "RecordingUrl": f"https://api.twilio.com/2010-04-01/Accounts/{ACCOUNT.sid}/Recordings/RE1",
        "RecordingStatus": "completed",
    }
    signature = RequestValidator(ACCOUNT.auth_token).compute_signature(f"https://memo.example{path}", sent)
    headers = {"x-twilio-signature": signature, "content-type": "application/x-www-form-urlencoded"}
    return await api.client.post(path, content=urlencode(sent), headers=headers)


async def batch(api):
    entries = [{"source": "https://files.example/a.wav", "options": {"minutes_template": HOSTILE}}]
    return await api.client.post("/v1/batches", json={"entries": entries})


async def transcribed(api):
    """A job that ended, with a transcript and minutes."""
    job_id = await api.submit()
    transcript, minutes, _ = samples.call()
    keys = JobKeys(tenant="default", job_id=job_id)
    api.store.put(keys.transcript, encode(transcript))
    api.store.put(keys.result("minutes.json"), encode(minutes))
    ended = ResultsStored(names=("transcript.json", "minutes.json", "minutes.md"))
    api.advance(job_id, Claimed(), Segmented(n_chunks=0), TranscriptStored(), ended)
    return job_id


async def rewriting(api):
    job_id = await transcribed(api)
    return await api.client.post(f"/v1/jobs/{job_id}/minutes", json={"minutes_template": HOSTILE})


WAYS = [raw, form, source, recorder, tus, event, sweep, callback, batch, rewriting]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
async def test_others_are_answered_meanwhile(api, endless, way):
    """While a template is tried, the endpoint answers everybody else; then its sender hears what is wrong."""
    asked = asyncio.create_task(way(api))
    await until(lambda: endless.n_begun)
    async with asyncio.timeout(ANSWER_S):
        assert (await api.client.get("/healthz")).status_code == 200
    assert not asked.done()
    endless.released.set()
    answer = await asked
    assert answer.status_code == 422, answer.text
    assert "takes too long" in answer.json()["detail"]


@pytest.mark.parametrize("template", [HOSTILE, DOUBLING], ids=["round", "doubling"])
async def test_hostile_templates_are_refused(make_api, template):
    """In a process of its own, with the enumerated reason, and the server lives on."""
    api = await make_api()
    asked = asyncio.create_task(api.client.post("/v1/jobs", data={"minutes_template": template}, files={"file": b"R"}))
    assert (await api.client.get("/healthz")).status_code == 200
    answer = await asked
    assert (answer.status_code, answer.json()["reason"]) == (422, "template_invalid"), answer.text
    assert answer.json()["errors"][0]["field"] == "minutes_template"
    assert not api.spooled


async def test_sidecars_are_tried_likewise(make_api, endless):
    """A template beside a recording in a bucket comes without a key; it refuses its recording and no other."""
    with s3_server() as port:
        endpoint = f"http://127.0.0.1:{port}"
        client = boto3.client(
            "s3", endpoint_url=endpoint, region_name="eu-1", aws_access_key_id="id", aws_secret_access_key="secret"
        )
        client.create_bucket(Bucket="calls", CreateBucketConfiguration={"LocationConstraint": "eu-1"})  # type: ignore[typeddict-item]
        for name in ("a", "b"):
            client.put_object(Bucket="calls", Key=f"eu/{name}.wav", Body=b"RIFF")
        said = json.dumps({"minutes_template": HOSTILE}).encode()
        client.put_object(Bucket="calls", Key="eu/a.json", Body=said)
        place = SourceCredential(
            name="c", url="s3://calls/eu", secret="id:secret", region="eu-1", endpoint=endpoint, sidecars=True
        )
        api = await make_api(sources=SourceLimits(places=(place,)), templates=endless)
        swept = asyncio.create_task(api.client.post("/v1/notifications/s3/sweep", json={"prefix": "s3://calls/eu/"}))
        await until(lambda: endless.n_begun)
        async with asyncio.timeout(ANSWER_S):
            assert (await api.client.get("/healthz")).status_code == 200
        endless.released.set()
        noted = {item["source"]: item for item in (await swept).json()["objects"]}
    assert noted["s3://calls/eu/a.wav"]["reason"] == "template_invalid"
    assert noted["s3://calls/eu/b.wav"]["outcome"] == "accepted"


async def test_documents_of_versions_are_laid_out_elsewhere(make_api, endless):
    """A stored job's template is filled off the event loop too; where it fails, the usual layout is there."""
    styles = TenantStyles(everybody=TenantStyle(template="house", templates={"house": "# {{ title }}"}))
    api = await make_api(templates=endless, styles=styles)
    job_id = await transcribed(api)
    asked = asyncio.create_task(api.client.get(f"/v1/jobs/{job_id}/results/minutes.md", params={"version": 0}))
    await until(lambda: endless.n_begun)
    async with asyncio.timeout(ANSWER_S):
        assert (await api.client.get("/healthz")).status_code == 200
    endless.released.set()
    answer = await asked
    assert answer.status_code == 200, answer.text
    assert "## Decisions" in answer.text


async def test_too_many_templates_are_told_to_wait(make_api, endless):
    """A tenant with templates without end is told to come back; the others' are tried in between."""
    api = await make_api(templates=endless)

    async def ask(n):
        params = {"minutes_template": f"{{{{ {n} }}}}"}
        return await api.client.post("/v1/jobs", params=params, content=b"RIFF", headers=WAV)

    queue = BACKEND.of(api.app).policy.templates
    asked = [asyncio.create_task(queue.check("default", f"{{{{ {n} }}}}")) for n in range(1, 69)]
    await until(lambda: endless.n_begun == 4)
    answer = await ask(0)
    assert (answer.status_code, answer.json()["reason"]) == (429, "overloaded")
    assert int(answer.headers["retry-after"]) >= 1
    endless.released.set()
    assert all(isinstance(found, TemplateInvalid) for found in await asyncio.gather(*asked, return_exceptions=True))


async def test_a_tenant_s_own_template_is_known_to_its_uploads(make_api):
    """What is configured for a tenant holds for its uploads, not only for its batches, and for nobody else's."""
    styles = TenantStyles(tenants={"acme": TenantStyle(templates={"board": "# {{ title }}"})})
    api = await make_api(styles=styles, authenticator=Tenants())

    async def ask(tenant):
        params = {"minutes_template": "board"}
        return await api.client.post("/v1/jobs", params=params, content=b"RIFF", headers={"x-api-key": tenant})

    assert (await ask("acme")).status_code == 202
    assert (await ask("other")).json()["reason"] == "template_unknown"
