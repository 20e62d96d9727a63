"""Two tenants cannot see each other: asked of every operation in the OpenAPI document, so a new one must say how."""

from deployments.auth.authenticators import ALL_SCOPES, Principal
from deployments.sources.limits import SourceLimits
from deployments.sources.places import SourceCredential
from tests.fakes.api_keys import MemoryKeys


class Tenants:
    """Everybody is the tenant its token names."""

    async def authenticate(self, token):
        return Principal(tenant=token or "default", scopes=ALL_SCOPES)


async def operations(api):
    document = (await api.client.get("/openapi.json")).json()
    return [
        (method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


async def ask(api, method, path, job_id):
    """As the other tenant, with whatever else a path names."""
    for name, value in {"job_id": job_id, "index": "0", "name": "transcript.json"}.items():
        path = path.replace(f"{{{name}}}", value)
    return await api.client.request(method, path, headers={"x-api-key": "other"})


async def test_another_tenants_job_is_as_one_that_never_was(make_api):
    """Every operation on a job answers the other tenant alike for a job that is there and one that is not."""
    api = await make_api(authenticator=Tenants(), keys=MemoryKeys())
    mine = {"x-api-key": "mine"}
    job_id = (await api.client.post("/v1/jobs", content=b"RIFF", headers=mine)).json()["id"]
    before = (await api.client.get(f"/v1/jobs/{job_id}", headers=mine)).json()
    n_asked = 0
    for method, path, _ in await operations(api):
        if "{job_id}" not in path:
            continue
        there, never = await ask(api, method, path, job_id), await ask(api, method, path, "0" * 32)
        assert there.status_code == never.status_code, (method, path)
        assert there.status_code in (404, 422), (method, path, there.text)
        assert there.text.replace(job_id, "0" * 32) == never.text, (method, path)
        n_asked += 1
    assert n_asked >= 8
    assert (await api.client.get(f"/v1/jobs/{job_id}", headers=mine)).json() == before


async def test_no_list_tells_of_another_tenants_job(make_api):
    """What can be read without naming a job holds nothing of another tenant's."""
    api = await make_api(authenticator=Tenants(), keys=MemoryKeys())
    answer = await api.client.post(
        "/v1/jobs", content=b"RIFF", params={"filename": "unmistakable.wav"}, headers={"x-api-key": "mine"}
    )
    job_id = answer.json()["id"]
    n_asked = 0
    for method, path, operation in await operations(api):
        streams = "text/event-stream" in operation["responses"].get("200", {}).get("content", {})
        if method != "get" or "{" in path or streams:
            continue
        shown = await ask(api, method, path, job_id)
        assert job_id not in shown.text, path
        assert "unmistakable" not in shown.text, path
        n_asked += 1
    assert n_asked >= 6


async def test_a_place_of_another_tenant_is_not_pulled_from(make_api):
    """A bucket that the operator opened to one tenant is refused to others when they submit, not when it is pulled."""
    place = SourceCredential(name="calls", url="s3://calls", secret="id:secret", tenants=("mine",))
    api = await make_api(authenticator=Tenants(), sources=SourceLimits(places=(place,)))
    body = {"source": "s3://calls/a.wav"}
    refused = await api.client.post("/v1/jobs", json=body, headers={"x-api-key": "other"})
    assert (refused.status_code, refused.json()["reason"]) == (422, "invalid_option")
    assert (await api.client.post("/v1/jobs", json=body, headers={"x-api-key": "mine"})).status_code == 202
