"""Audit log, legal holds and receipts over HTTP: who did what, what stays, proof of what is gone; of nobody else."""

import json

import pytest

from deployments.auth.authenticators import ALL_SCOPES, Principal
from deployments.http.dependencies import BACKEND
from pipelines.errors import LedgerUnavailable
from pipelines.keeping.signing import ReceiptKey, new_key, verify
from pipelines.ledger.credentials.api_keys import JOB_SCOPES
from tests.unit.deployments.http.api.test_search_routes import index, submitted

KEY = ReceiptKey(new_key())


class People:
    """The key names a tenant and who of it asks: ``acme/ann``; who is called ``clerk`` is no administrator."""

    async def authenticate(self, token):
        tenant, _, who = (token or "default/nobody").partition("/")
        return Principal(tenant=tenant, scopes=JOB_SCOPES if who == "clerk" else ALL_SCOPES, key_id=who)


@pytest.fixture
async def api(make_api):
    return await make_api(authenticator=People(), signer=KEY)


async def ask(api, method, path, *, who="acme/ann", status=200, **request):
    answer = await api.client.request(method, path, headers={"x-api-key": who, "x-request-id": "r-1"}, **request)
    assert answer.status_code == status, answer.text
    return answer


async def deeds(api, *, who="acme/ann", **params):
    body = (await ask(api, "GET", "/v1/audit", who=who, params=params)).json()
    return [(each["action"], each["actor"], each["object"], each["detail"]) for each in reversed(body["entries"])]


async def job(api, **params):
    """A job of acme's that has ended, with results."""
    job_id = await submitted(KeyOf(api, "acme/ann"), key="acme", **params)
    api.store.put(f"acme/{job_id}/results/transcript.json", b'{"segments": []}')
    return job_id


class KeyOf:
    """The application as somebody asks it whose key is not only the tenant's name."""

    def __init__(self, api, key):
        self.client, self.store, self.ledger = self, api.store, api.ledger
        self._post, self._key = api.client.post, key

    async def post(self, *arguments, headers, **request):
        return await self._post(*arguments, headers={**headers, "x-api-key": self._key}, **request)


async def test_who_did_what(api):
    """Reads, searches and corrections are entered with their actor, object and request, and without contents."""
    job_id = await job(api)
    index(api)
    for _ in range(3):
        await ask(api, "GET", f"/v1/jobs/{job_id}/results/transcript.json", who="acme/bob")
    await ask(api, "GET", "/v1/search", who="acme/bob", params={"q": "budget"})
    await ask(api, "GET", f"/v1/jobs/{job_id}/transcript")
    body = {"base": 0, "segments": [{"id": 0, "text": "The budget was done."}], "note": "tense"}
    await ask(api, "POST", f"/v1/jobs/{job_id}/corrections", json=body, status=201)
    await ask(api, "GET", f"/v1/jobs/{'0' * 32}/results/transcript.json", status=404)
    found = await deeds(api)
    assert sorted(found, key=str) == sorted(
        [
            ("read", "bob", job_id, {"what": "transcript.json"}),
            ("search", "bob", "acme", {"within": "search"}),
            ("read", "bob", job_id, {"what": "passages"}),
            ("read", "ann", job_id, {"what": "transcript", "version": 0}),
            ("correct", "ann", job_id, {"version": 1, "segments": 1}),
        ],
        key=str,
    )
    entries = (await ask(api, "GET", "/v1/audit", params={"object": job_id})).json()["entries"]
    assert {each["request_id"] for each in entries} == {"r-1"}
    assert {each["times"] for each in entries if each["detail"] == {"what": "transcript.json"}} == {3}
    assert "budget" not in json.dumps(entries)
    assert (await deeds(api, action="read_audit"))[0][:2] == ("read_audit", "ann")
    assert await deeds(api, actor="bob", action="correct") == []


async def test_pages_and_the_check(api):
    """The log is read page by page, and checked against an entry that was noted."""
    for _ in range(3):
        await ask(api, "POST", "/v1/holds", json={"reason": "x", "metadata": [f"m={_}"]}, status=201)
    seen, url = [], "/v1/audit?limit=2&action=hold"
    while url:
        body = (await ask(api, "GET", url)).json()
        seen += [each["seq"] for each in body["entries"]]
        url = body["next"]
    assert len(seen) == 3
    assert seen == sorted(seen, reverse=True)
    found = (await ask(api, "GET", "/v1/audit/check")).json()
    assert (found["whole"], found["fault"]) == (True, "")
    noted = {"seq": found["seq"], "digest": found["digest"]}
    assert (await ask(api, "GET", "/v1/audit/check", params=noted)).json()["whole"]
    wrong = await ask(api, "GET", "/v1/audit/check", params={**noted, "digest": "ab"})
    assert "not the one" in wrong.json()["fault"]
    await ask(api, "GET", "/v1/audit", params={"cursor": "x"}, status=400)


async def test_a_hold_goes_before_every_deletion(api):
    """Purge, AssemblyAI's DELETE and the deletion of the recording are refused with the hold's name; then they are
    not."""
    job_id = await job(api, keep_audio="true")
    api.store.put(f"acme/{job_id}/audio/copy.webm", b"x")
    placed = (await ask(api, "PUT", f"/v1/jobs/{job_id}/hold", json={"reason": "a letter", "name": "Doe"})).json()
    assert (placed["job"], placed["placed_by"], placed["active"]) == (job_id, "ann", True)
    assert (await ask(api, "PUT", f"/v1/jobs/{job_id}/hold", json={"reason": "again"})).json() == placed
    before = set(api.blobs)
    for method, path in (
        ("DELETE", f"/v1/jobs/{job_id}?purge=true"),
        ("DELETE", f"/v1/jobs/{job_id}/audio"),
    ):
        refused = (await ask(api, method, path, status=409)).json()
        assert refused["reason"] == "legal_hold"
        assert placed["id"] in refused["detail"]
        assert "Doe" in refused["detail"]
    refused = await api.client.delete(f"/v2/transcript/{job_id}", headers={"authorization": "acme/ann"})
    assert refused.status_code >= 400
    assert set(api.blobs) == before
    shown = (await ask(api, "GET", f"/v1/jobs/{job_id}")).json()
    assert [each["id"] for each in shown["holds"]] == [placed["id"]]
    assert (await ask(api, "GET", f"/v1/jobs/{job_id}/hold")).json()["holds"] == [placed]
    released = (await ask(api, "DELETE", f"/v1/jobs/{job_id}/hold", params={"reason": "settled"})).json()
    assert (released["active"], released["released_by"], released["release_reason"]) == (False, "ann", "settled")
    await ask(api, "DELETE", f"/v1/jobs/{job_id}/hold", status=404)
    await ask(api, "DELETE", f"/v1/jobs/{job_id}/audio", status=204)
    await ask(api, "DELETE", f"/v1/jobs/{job_id}?purge=true")
    actions = [action for action, *_ in await deeds(api)]
    assert actions == ["hold", "release", "delete_audio", "erase"]


async def test_a_hold_by_metadata(api):
    """It takes jobs that are there and those that come, until it is released by its id."""
    first = await job(api, metadata=json.dumps({"matter": "17"}))
    body = {"reason": "a letter", "metadata": ["matter=17"]}
    placed = (await ask(api, "POST", "/v1/holds", json=body, status=201)).json()
    later = await job(api, metadata=json.dumps({"matter": "17", "room": "7"}))
    other = await job(api, metadata=json.dumps({"matter": "18"}))
    for job_id, status in ((first, 409), (later, 409), (other, 200)):
        await ask(api, "DELETE", f"/v1/jobs/{job_id}?purge=true", status=status)
    await ask(api, "DELETE", f"/v1/jobs/{first}/hold", status=404)
    assert (await ask(api, "GET", f"/v1/holds/{placed['id']}")).json() == placed
    await ask(api, "DELETE", f"/v1/holds/{placed['id']}")
    await ask(api, "DELETE", f"/v1/jobs/{first}?purge=true")
    assert (await ask(api, "GET", "/v1/holds")).json()["holds"] == []
    assert len((await ask(api, "GET", "/v1/holds?released=true")).json()["holds"]) == 1
    for wrong in ({"reason": "x"}, {"metadata": ["matter=17"]}, {"reason": "x", "metadata": ["matter"]}):
        await ask(api, "POST", "/v1/holds", json=wrong, status=422)
    await ask(api, "POST", "/v1/holds", json={"reason": "x", "batch": "b"}, status=404)


async def test_a_receipt(api):
    """A purge answers with it, it is listed and shown, and it is as it was signed."""
    job_id = await job(api)
    purged = (await ask(api, "DELETE", f"/v1/jobs/{job_id}?purge=true")).json()
    receipt = purged["receipt"]
    assert [blob["key"] for blob in receipt["blobs"]] == purged["deleted"]
    told = [receipt[name] for name in ("kind", "object_id", "cause", "actor")]
    assert told == ["job", job_id, "request", "ann"]
    assert (receipt["gone"], receipt["request_id"]) == (True, "r-1")
    assert verify(receipt, (KEY.public_key,)).trusted
    assert (await ask(api, "GET", "/v1/receipts", params={"object": job_id})).json()["receipts"] == [receipt]
    assert (await ask(api, "GET", f"/v1/receipts/{receipt['id']}", who="acme/clerk")).json() == receipt


async def test_without_a_key_receipts_are_unsigned(make_api):
    """And say so."""
    api = await make_api(authenticator=People())
    job_id = await job(api)
    purged = (await ask(api, "DELETE", f"/v1/jobs/{job_id}?purge=true")).json()
    assert purged["receipt"]["signature"] is None


async def test_of_nobody_else(api):
    """Another tenant sees no entry, hold or receipt, and releases nothing."""
    job_id = await job(api)
    placed = (await ask(api, "PUT", f"/v1/jobs/{job_id}/hold", json={"reason": "a letter"})).json()
    gone = await job(api)
    receipt = (await ask(api, "DELETE", f"/v1/jobs/{gone}?purge=true")).json()["receipt"]
    assert await deeds(api, who="other/eve") == []
    assert (await ask(api, "GET", "/v1/holds", who="other/eve")).json()["holds"] == []
    assert (await ask(api, "GET", "/v1/receipts", who="other/eve")).json()["receipts"] == []
    for method, path in (
        ("GET", f"/v1/holds/{placed['id']}"),
        ("DELETE", f"/v1/holds/{placed['id']}"),
        ("GET", f"/v1/jobs/{job_id}/hold"),
        ("DELETE", f"/v1/jobs/{job_id}/hold"),
        ("GET", f"/v1/receipts/{receipt['id']}"),
    ):
        await ask(api, method, path, who="other/eve", status=404)
    assert (await ask(api, "GET", f"/v1/jobs/{job_id}/hold")).json()["holds"] == [placed]


async def test_only_administrators_hold_release_and_read_the_log(api):
    """Whoever may delete may not take the hold away that forbids it."""
    job_id = await job(api)
    placed = (await ask(api, "PUT", f"/v1/jobs/{job_id}/hold", json={"reason": "a letter"})).json()
    for method, path, body in (
        ("GET", "/v1/audit", None),
        ("GET", "/v1/audit/check", None),
        ("PUT", f"/v1/jobs/{job_id}/hold", {"reason": "x"}),
        ("DELETE", f"/v1/jobs/{job_id}/hold", None),
        ("POST", "/v1/holds", {"reason": "x", "external_id": "y"}),
        ("DELETE", f"/v1/holds/{placed['id']}", None),
    ):
        await ask(api, method, path, who="acme/clerk", json=body, status=403)
    assert len((await ask(api, "GET", "/v1/holds", who="acme/clerk")).json()["holds"]) == 1


async def test_nothing_is_read_that_cannot_be_entered(api):
    """While the ledger is away and too many deeds wait, a read is refused."""
    job_id = await job(api)
    trail = BACKEND.of(api.app).trail
    trail.max_waiting = 1
    path = f"/v1/jobs/{job_id}/results/transcript.json"
    await ask(api, "GET", path)
    real = api.ledger.audit.append

    def away(_):
        raise LedgerUnavailable("away")

    api.ledger.audit.append = away
    assert (await ask(api, "GET", path, who="acme/bob", status=503)).json()["reason"] == "ledger_unavailable"
    api.ledger.audit.append = real
    await ask(api, "GET", path, who="acme/bob")
    assert [actor for _, actor, *_ in await deeds(api)] == ["ann", "bob"]
