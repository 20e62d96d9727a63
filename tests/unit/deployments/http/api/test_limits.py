"""What one tenant may ask: requests, uploads, size, backlog. Others do not suffer, and answers say how much is left."""

from dataclasses import replace

import httpx
import pytest

from deployments.auth.authenticators import ALL_SCOPES, Principal
from deployments.auth.rate_limit import RateMeter
from deployments.http.app import Ingestion
from deployments.http.config import ApiServices
from deployments.limits import IngestionLimits, TenantLimits
from pipelines.errors import Overloaded
from pipelines.jobs.events import Claimed
from pipelines.jobs.job import Progress
from tests.fakes.ledger import ManualClock, MemoryLedger
from tests.fakes.store import MemoryStore
from tests.support.api_harness import Connection, SteeredCoordinator, api_config
from tests.support.waiting import until


class Tenants:
    """Everybody is the tenant its token names."""

    async def authenticate(self, token):
        return Principal(tenant=token or "default", scopes=ALL_SCOPES)


def of(tenant):
    return {"x-api-key": tenant}


def test_a_bucket_empties_and_fills():
    """A burst passes, then one request for each interval; the wait that is told is long enough."""
    clock = ManualClock(0.0)
    meter = RateMeter(lambda _: TenantLimits(requests_per_s=2.0, request_burst=3), clock)
    for left in (2, 1, 0):
        headers, refusal = meter.charge("a")
        assert refusal is None
        assert headers["ratelimit"].startswith(f'"requests";r={left};')
    headers, refusal = meter.charge("a")
    assert isinstance(refusal, Overloaded)
    assert headers["ratelimit-policy"] == '"requests";q=3;w=2'
    assert meter.charge("b")[1] is None
    clock.advance(refusal.retry_after_s)
    assert meter.charge("a")[1] is None
    assert meter.charge("a")[1] is not None
    clock.advance(1000.0)
    assert [meter.charge("a")[1] is None for _ in range(4)] == [True, True, True, False]


def test_many_tenants_take_bounded_memory(monkeypatch):
    """The buckets of those who have not asked for long are forgotten."""
    monkeypatch.setattr("deployments.auth.rate_limit.MAX_BUCKETS", 10)
    meter = RateMeter(lambda _: TenantLimits(requests_per_s=1.0, request_burst=1), ManualClock())
    for number in range(100):
        meter.charge(str(number))
    refused = [meter.charge(str(number))[1] is not None for number in range(99, 88, -1)]
    assert refused == [True] * 10 + [False]


async def test_too_many_requests(make_api):
    """429 with Retry-After and what is left; another tenant is served."""
    api = await make_api(authenticator=Tenants(), requests_per_s=0.001, request_burst=2)
    first = await api.client.get("/v1/jobs", headers=of("a"))
    assert first.headers["ratelimit"].startswith('"requests";r=1;')
    await api.client.get("/v1/jobs", headers=of("a"))
    refused = await api.client.get("/v1/jobs", headers=of("a"))
    assert (refused.status_code, refused.json()["reason"]) == (429, "overloaded")
    assert int(refused.headers["retry-after"]) > 1
    assert refused.headers["ratelimit"].startswith('"requests";r=0;')
    assert (await api.client.get("/v1/jobs", headers=of("b"))).status_code == 200
    assert (await api.client.get("/healthz", headers=of("a"))).status_code == 200


async def test_without_a_rate_nothing_is_told(api):
    """No limit, no headers."""
    assert "ratelimit" not in (await api.client.get("/v1/jobs")).headers


async def test_a_tenants_uploads_are_counted_apart(make_api):
    """One tenant's uploads take no place from another's; a place is free again when its upload ends."""
    api = await make_api(
        authenticator=Tenants(), tenants={"a": TenantLimits(max_concurrent_uploads=1)}, max_concurrent_uploads=2
    )
    upload = Connection(api.app, "POST", "/v1/jobs", {"content-type": "audio/wav", **of("a")})
    upload.send(b"RIFF")
    await until(lambda: api.spooled)
    refused = await api.client.post("/v1/jobs", content=b"RIFF", headers=of("a"))
    assert (refused.status_code, refused.json()["reason"]) == (429, "overloaded")
    assert (await api.client.post("/v1/jobs", content=b"RIFF", headers=of("b"))).status_code == 202
    upload.send(b"", more=False)
    assert (await upload.next())["status"] == 202
    await upload.done()
    assert (await api.client.post("/v1/jobs", content=b"RIFFonce", headers=of("a"))).status_code == 202


async def test_a_tenants_size(make_api):
    """Each tenant has the size it may send."""
    api = await make_api(authenticator=Tenants(), tenants={"a": TenantLimits(max_upload_bytes=10)})
    big = b"OggS".ljust(11)
    assert (await api.client.post("/v1/jobs", content=big, headers=of("a"))).status_code == 413
    assert (await api.client.post("/v1/jobs", content=big, headers=of("b"))).status_code == 202


async def test_a_backlog_of_audio(make_api):
    """Few jobs may be hours; what is found and not transcribed counts."""
    api = await make_api(max_backlog_audio_s=3600.0)
    job_id = await api.submit()
    job = api.advance(job_id, Claimed())
    lease = api.ledger.acquire_lease("test", 60.0)
    api.ledger.apply(lease, replace(job, progress=Progress(audio_s=4000.0, done_s=100.0)), job.version)
    refused = await api.client.post("/v1/jobs", content=b"RIFF")
    assert (refused.status_code, refused.json()["reason"]) == (429, "overloaded")
    assert "seconds of audio" in refused.json()["detail"]


@pytest.mark.parametrize("how", ["announced", "streamed"])
async def test_a_large_body_where_none_belongs(api, how):
    """What is parsed as JSON is bounded before anybody is asked who sends it."""
    job_id = await api.submit()

    async def body():
        for _ in range(40):
            yield b" " * 65_536

    content = b" " * 40 * 65_536 if how == "announced" else body()
    answer = await api.client.post(f"/v1/jobs/{job_id}/replay", content=content)
    assert (answer.status_code, answer.json()["reason"]) == (413, "too_large")


async def test_every_answer_is_safe_for_browsers(api):
    """Nothing is sniffed, framed, cached or taken for a page with scripts."""
    for path in ("/v1/jobs", "/v1/jobs/none", "/nowhere", "/healthz", "/openapi.json"):
        headers = (await api.client.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"
        assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert "script-src 'self' 'unsafe-inline'" in (await api.client.get("/docs")).headers["content-security-policy"]


PREFLIGHT = {"origin": "https://memo.example", "access-control-request-method": "POST"}


async def test_no_other_origin_by_default(api):
    """A page of another origin may not ask."""
    assert "access-control-allow-origin" not in (await api.client.options("/v1/jobs", headers=PREFLIGHT)).headers
    answer = await api.client.get("/v1/jobs", headers={"origin": "https://memo.example"})
    assert "access-control-allow-origin" not in answer.headers


async def test_origins_that_are_let_in(make_api):
    """Those that are named, with the headers a client needs, and no cookies."""
    api = await make_api(cors_origins=("https://memo.example",))
    allowed = await api.client.options(
        "/v1/jobs", headers={**PREFLIGHT, "access-control-request-headers": "authorization,idempotency-key"}
    )
    assert allowed.status_code == 200
    assert allowed.headers["access-control-allow-origin"] == "https://memo.example"
    assert "access-control-allow-credentials" not in allowed.headers
    other = await api.client.get("/v1/jobs", headers={"origin": "https://evil.example"})
    assert "access-control-allow-origin" not in other.headers
    refused = await api.client.post("/v1/jobs", content=b"", headers={"origin": "https://memo.example"})
    assert refused.headers["access-control-allow-origin"] == "https://memo.example"


async def test_limits_change_while_it_runs(tmp_path):
    """A running endpoint takes the operator's new limits from the next request on."""
    ledger, spool = MemoryLedger(), tmp_path / "spool"
    spool.mkdir()
    limits = IngestionLimits(spool_dir=spool)
    ingestion = Ingestion(
        ApiServices(ledger=ledger, store=MemoryStore(), coordinator=SteeredCoordinator(ledger)), api_config(limits)
    )
    app = ingestion.__serve_build_asgi_app__()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test") as client:
        assert (await client.post("/v1/jobs", content=b"OggS".ljust(11))).status_code == 202
        ingestion.limit(replace(limits, tenant=TenantLimits(max_upload_bytes=10, requests_per_s=1.0)))
        refused = await client.post("/v1/jobs", content=b"OggS".ljust(11))
    assert refused.status_code == 413
    assert "ratelimit" in refused.headers
