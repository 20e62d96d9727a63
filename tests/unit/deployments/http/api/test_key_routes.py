"""API keys over HTTP: made, listed and revoked by an operator, and used."""

import pytest

from deployments.auth.api_keys import ApiKeyAuthenticator
from pipelines.ledger.credentials.api_keys import ALL_SCOPES, JOB_SCOPES, new_key
from pipelines.storage.layout import RESERVED_TENANTS
from tests.fakes.api_keys import OPERATOR, MemoryKeys


@pytest.fixture
def keys():
    return MemoryKeys()


@pytest.fixture
async def api(make_api, keys):
    """An application that only keys open; the client has an operator's."""
    api = await make_api(authenticator=ApiKeyAuthenticator(keys, fresh_s=0.0), keys=keys)
    key, token = new_key(tenant="default", scopes=ALL_SCOPES, name="operator", now_s=0.0)
    keys.add(key, OPERATOR)
    api.client.headers["authorization"] = f"Bearer {token}"
    return api


async def made(api, **wanted):
    answer = await api.client.post("/v1/admin/keys", json={"tenant": "acme", "scopes": ["jobs:read"], **wanted})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_the_life_of_a_key(api, keys):
    """Made, used, listed without its secret, revoked, refused."""
    key = await made(api, name="recorder", lifetime_s=3600)
    mine = {"authorization": f"Bearer {key['key']}"}
    assert (await api.client.get("/v1/jobs", headers=mine)).status_code == 200
    assert (await api.client.get("/v1/admin/keys", headers=mine)).status_code == 403
    listed = await api.client.get("/v1/admin/keys", params={"tenant": "acme"})
    assert key["key"] not in listed.text
    (shown,) = listed.json()["keys"]
    assert (shown["id"], shown["name"], shown["scopes"]) == (key["id"], "recorder", ["jobs:read"])
    assert shown["last_used_at"]
    revoked = await api.client.delete(f"/v1/admin/keys/{key['id']}")
    assert revoked.json()["revoked_at"]
    assert (await api.client.get("/v1/jobs", headers=mine)).status_code == 401
    assert (await api.client.delete(f"/v1/admin/keys/{key['id']}")).status_code == 200
    *_, made_, ended = keys.entered
    assert [deed.action.value for deed in (made_, ended)] == ["create_key", "revoke_key"]
    assert {(deed.tenant, deed.object_id) for deed in (made_, ended)} == {("acme", key["id"])}
    assert made_.actor.startswith("key:")
    assert made_.request_id


@pytest.mark.parametrize(
    "wrong",
    [
        {"tenant": "../x"},
        *({"tenant": name} for name in sorted(RESERVED_TENANTS)),
        {"scopes": []},
        {"scopes": ["root"]},
        {"lifetime_s": -1},
    ],
)
async def test_a_key_that_makes_no_sense(api, keys, wrong):
    """Is refused as an invalid option, and nothing is kept."""
    answer = await api.client.post("/v1/admin/keys", json={"tenant": "acme", "scopes": ["jobs:read"], **wrong})
    assert (answer.status_code, answer.json()["reason"]) == (422, "invalid_option")
    assert len(keys.list()) == 1


@pytest.mark.parametrize("key_id", ["0" * 16, "%00", "é"])
async def test_an_unknown_key_cannot_be_revoked(api, key_id):
    """404 with its own reason."""
    answer = await api.client.delete(f"/v1/admin/keys/{key_id}")
    assert (answer.status_code, answer.json()["reason"]) == (404, "key_unknown")


async def test_keys_of_another_tenant_see_nothing(api, keys):
    """A tenant's key lists its own jobs only."""
    await api.submit()
    key, token = new_key(tenant="other", scopes=JOB_SCOPES, name="", now_s=0.0)
    keys.add(key, OPERATOR)
    assert (await api.client.get("/v1/jobs")).json()["jobs"]
    theirs = await api.client.get("/v1/jobs", headers={"authorization": f"Bearer {token}"})
    assert theirs.json()["jobs"] == []
