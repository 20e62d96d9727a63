"""What a foreign web page cannot do with somebody's browser; what honest clients still can."""

import pytest

from deployments.auth.authenticators import ALL_SCOPES, Principal
from pipelines.errors import Unauthenticated

OWN = frozenset({"localhost", "meetmemo.test"})
PORTAL = "https://portal.example"
FOREIGN = {"origin": "https://evil.example", "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}
OTHER_PORT = {"origin": "http://localhost:3000", "sec-fetch-site": "same-site", "sec-fetch-mode": "no-cors"}


class Keyring:
    """One key."""

    async def authenticate(self, token):
        if token != "key":
            raise Unauthenticated("The key is unknown.")
        return Principal(tenant="a", scopes=ALL_SCOPES, key_id="a")


@pytest.fixture
async def api(make_api):
    """Without authentication, at http://meetmemo.test; a portal's pages may use it."""
    return await make_api(known_hosts=OWN, cors_origins=(PORTAL,))


async def test_a_rebound_name_reads_nothing(api):
    """Every operation of the OpenAPI document, pages and files too: 421 under a name that is not the server's."""
    paths = (await api.client.get("/openapi.json")).json()["paths"]
    operations = {(method, path) for path, methods in paths.items() for method in methods}
    operations |= {("get", "/"), ("get", "/docs"), ("get", "/openapi.json"), ("get", "/console/main.js")}
    operations -= {("get", "/healthz"), ("get", "/readyz")}
    for method, path in sorted(operations):
        answer = await api.client.request(method, path, headers={"host": "evil.example:8000"})
        assert answer.status_code == 421, (method, path)
        if method == "head":
            continue
        body = answer.json()
        assert (body.get("reason") or body["error"]["code"]) == "misdirected"
    assert not api.ledger.jobs


@pytest.mark.parametrize("host", ["meetmemo.test", "localhost:8000", "127.0.0.1:8000", "[::1]", "10.0.0.7:8000"])
async def test_names_and_addresses_of_the_server(api, host):
    """By its names and by any address, whatever the port."""
    assert (await api.client.get("/v1/jobs", headers={"host": host})).status_code == 200


async def test_probes_call_by_any_name(api):
    """Load balancers have names of their own for a server; under those it tells no details."""
    strange = {"host": "pod-7.internal"}
    assert (await api.client.get("/healthz", headers=strange)).status_code == 200
    told = (await api.client.get("/readyz", headers=strange)).json()
    assert not any(component["detail"] for component in told["components"].values())
    told = (await api.client.get("/readyz")).json()
    assert any(component["detail"] for component in told["components"].values())
    assert (await api.client.get("/metrics", headers=strange)).status_code == 421


@pytest.mark.parametrize("headers", [FOREIGN, OTHER_PORT, {"origin": "null"}, {"origin": "https://evil.example"}])
async def test_a_foreign_page_changes_nothing(api, headers):
    """Neither a form with a recording, nor an empty POST that would stop intake, nor a deletion."""
    job_id = await api.submit()
    form = await api.client.post("/v1/jobs", files={"file": ("a.wav", b"RIFF")}, headers=headers)
    assert (form.status_code, form.json()["reason"]) == (403, "cross_site")
    drain = await api.client.post("/v1/admin/drain", params={"refuse": "true"}, headers=headers)
    assert drain.status_code == 403
    assert not api.coordinator.drained.draining
    assert (await api.client.delete(f"/v1/jobs/{job_id}", headers=headers)).status_code == 403
    speech = await api.client.post("/v1/audio/transcriptions", files={"file": ("a.wav", b"RIFF")}, headers=headers)
    assert (speech.status_code, speech.json()["error"]["code"]) == (403, "cross_site")
    assert list(api.ledger.jobs) == [job_id]


async def test_a_foreign_page_embeds_nothing(api):
    """An image or a script from here would hold a stream open; a link is followed."""
    image = await api.client.get("/v1/events", headers={"sec-fetch-site": "same-site", "sec-fetch-mode": "no-cors"})
    assert (image.status_code, image.json()["reason"]) == (403, "cross_site")
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    assert (await api.client.get("/v1/jobs", headers=link)).status_code == 200


async def test_refusals_are_safe_for_browsers(api):
    """They have the headers of every answer, and a number to find them by."""
    for headers in ({"host": "evil.example"}, FOREIGN):
        answer = await api.client.post("/v1/jobs", headers=headers)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["x-request-id"]
        assert "access-control-allow-origin" not in answer.headers


async def test_honest_clients(api):
    """The console, a page that is let in, and whatever is no browser."""
    for headers in (
        {},
        {"origin": "http://meetmemo.test", "sec-fetch-site": "same-origin"},
        {"origin": "http://meetmemo.test"},
        {"origin": PORTAL, "sec-fetch-site": "cross-site", "sec-fetch-mode": "cors"},
    ):
        answer = await api.client.post("/v1/jobs?reuse=false", content=b"RIFF", headers=headers)
        assert answer.status_code == 202, (headers, answer.text)
        assert (await api.client.get("/v1/jobs", headers=headers)).status_code == 200


async def test_a_proxy_with_another_name(make_api):
    """The console behind a proxy that hides its name: pages of ``public_url`` are the server's own."""
    api = await make_api(known_hosts=OWN, public_url="https://Memo.example/")
    page = {"origin": "https://memo.example"}
    assert (await api.client.post("/v1/jobs", content=b"RIFF", headers=page)).status_code == 202
    other = {"origin": "https://memo.example.evil.example"}
    assert (await api.client.post("/v1/jobs", content=b"RIFF", headers=other)).status_code == 403


async def test_with_keys_nothing_comes_by_itself(make_api):
    """A key in a header is sent by no browser unasked: with one, a page needs no more than that."""
    api = await make_api(authenticator=Keyring(), refuse_cross_site=False, cors_origins=(PORTAL,))
    key = {"authorization": "Bearer key"}
    for page in ({"origin": PORTAL}, {"origin": "https://app.example"}, FOREIGN, {"host": "any.example"}):
        answer = await api.client.post("/v1/jobs?reuse=false", content=b"RIFF", headers={**key, **page})
        assert answer.status_code == 202, page
        assert (await api.client.post("/v1/jobs", content=b"RIFF", headers=page)).status_code == 401
