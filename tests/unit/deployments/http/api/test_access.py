"""Who may do what: the scope a route needs, the tenant whose jobs it sees, and what a refusal looks like."""

import asyncio

import pytest

from deployments.auth.authenticators import ALL_SCOPES, Principal, Scope
from deployments.http.dependencies import DOORKEEPER
from pipelines.errors import Unauthenticated

OPEN = {"/healthz", "/readyz"}
SIGNED = {"/v1/recorders/twilio": "twilio_signature"}  # who calls these holds no key, but signs
GIVEN = {"/v1/uploads/presigned/{upload_id}": "upload_token"}  # or was given a URL that says it all

ANY_SCOPE = {"/v1/me"}  # a key may do nothing and still ask what it may
VENDORS = ("/deepgram/", "/assemblyai/")  # their clients send a key in another form


class Keyring:
    """Principals by token."""

    def __init__(self, **principals):
        self.principals = principals

    async def authenticate(self, token):
        if token not in self.principals:
            raise Unauthenticated("The key is unknown.")
        return self.principals[token]


def principal(tenant, *scopes):
    return Principal(tenant=tenant, scopes=frozenset(scopes) or ALL_SCOPES, key_id=tenant)


@pytest.fixture
async def api(make_api):
    """Two tenants, a reader of the first, and somebody who may only scrape."""
    return await make_api(
        authenticator=Keyring(
            a=principal("a"),
            b=principal("b"),
            reader=principal("a", Scope.JOBS_READ),
            scraper=principal("a", Scope.METRICS),
        )
    )


def key(name):
    return {"authorization": f"Bearer {name}"}


async def test_every_operation_but_health_needs_a_key(api):
    """In the OpenAPI document, and when asked: 401 with the scheme to use, as a problem."""
    document = (await api.client.get("/openapi.json")).json()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            answer = await api.client.request(method, path.replace("{index}", "0"))
            if path in OPEN or method == "options":
                assert answer.status_code != 401
                continue
            if path in GIVEN:
                assert operation["security"] == [{GIVEN[path]: []}]
                assert answer.status_code == 404
                continue
            if path in SIGNED:
                assert operation["security"] == [{SIGNED[path]: []}]
            elif path.startswith(VENDORS):
                assert [list(scheme) for scheme in operation["security"]] == [["vendor_key"]]
                assert "403" in operation["responses"]
            else:
                scopes = operation["security"][0]["bearer"]
                assert len(scopes) == (path not in ANY_SCOPE)
                assert operation["security"] == [{"bearer": scopes}, {"api_key": scopes}]
                assert "403" in operation["responses"]
            assert "401" in operation["responses"]
            assert answer.status_code == 401, (method, path)
            assert answer.headers["www-authenticate"] == 'Bearer realm="meetmemo"'
            if method != "head":
                assert (answer.json().get("reason") or answer.json()["error"]["code"]) == "unauthenticated"


@pytest.mark.parametrize("headers", [key("a"), {"authorization": "bearer a"}, {"x-api-key": "a"}])
async def test_a_key_opens(api, headers):
    """As a bearer token or in X-API-Key."""
    assert (await api.client.get("/v1/jobs", headers=headers)).status_code == 200


@pytest.mark.parametrize("header", ["Token a", "token a", "Bearer a", "a"])
async def test_a_key_opens_as_vendors_clients_send_it(api, header):
    """Behind Deepgram's word, behind the usual one, or alone as AssemblyAI's clients send it."""
    path = "/assemblyai/v2/transcript"
    assert (await api.client.get(path, headers={"authorization": header})).status_code == 200
    assert (await api.client.get(path, headers={"authorization": f"{header}x"})).status_code == 401


async def test_two_different_keys_are_refused(api):
    """Nobody can tell which of them is meant."""
    answer = await api.client.get("/v1/jobs", headers={**key("a"), "x-api-key": "b"})
    assert answer.status_code == 401


async def test_a_missing_scope_is_named(api):
    """A key that may only read submits nothing, and is told what it lacks."""
    answer = await api.client.post("/v1/jobs", content=b"RIFF", headers=key("reader"))
    assert (answer.status_code, answer.json()["reason"]) == (403, "forbidden")
    assert 'error="insufficient_scope", scope="jobs:write"' in answer.headers["www-authenticate"]
    assert not api.blobs
    assert not api.spooled


async def test_what_concerns_the_whole_cluster_needs_its_own_scope(api):
    """Reading jobs does not let one drain the cluster or count other tenants' jobs."""
    for method, path in (("POST", "/v1/admin/drain"), ("GET", "/v1/admin/minutes"), ("GET", "/metrics")):
        assert (await api.client.request(method, path, headers=key("reader"))).status_code == 403
        assert (await api.client.request(method, path, headers=key("a"))).status_code == 200
    assert (await api.client.get("/metrics", headers=key("scraper"))).status_code == 200
    assert (await api.client.get("/v1/jobs", headers=key("scraper"))).status_code == 403


async def test_another_tenants_job_is_unknown(api):
    """Exactly as one that never was."""
    job_id = (await api.client.post("/v1/jobs", content=b"RIFF", headers=key("a"))).json()["id"]
    assert (await api.client.get(f"/v1/jobs/{job_id}", headers=key("a"))).status_code == 200
    answer = await api.client.get(f"/v1/jobs/{job_id}", headers=key("b"))
    assert (answer.status_code, answer.json()["reason"]) == (404, "job_unknown")
    assert (await api.client.get("/v1/jobs", headers=key("b"))).json()["jobs"] == []


async def test_readiness_tells_details_to_operators_only(api):
    """Everybody may ask what is up and what is down; the texts, which may name hosts, are for metrics and admin."""
    api.store.outage = "cannot reach s3.internal.example"
    for headers in ({}, key("reader"), key("unknown"), {"authorization": "Basic a"}):
        answer = await api.client.get("/readyz", headers=headers)
        assert answer.status_code == 503
        assert answer.json()["components"]["store"] == {"status": "down", "detail": ""}
        assert "example" not in answer.text
        assert not any(component["detail"] for component in answer.json()["components"].values())
    for headers in (key("scraper"), {"x-api-key": "a"}):
        answer = await api.client.get("/readyz", headers=headers)
        assert answer.json()["components"]["store"]["detail"] == "cannot reach s3.internal.example"


async def test_readiness_answers_while_keys_cannot_be_looked_up(api, monkeypatch):
    """A ledger that is away or hangs keeps nobody from being told so."""
    monkeypatch.setattr("deployments.http.dependencies.INSPECTION_TIMEOUT_S", 0.01)

    async def hang(token):
        await asyncio.Event().wait()

    monkeypatch.setattr(DOORKEEPER.of(api.app), "authenticate", hang)
    assert (await api.client.get("/readyz", headers=key("a"))).status_code == 200
