"""Idempotency-Key while the first request is in flight: over two replicas, over a death, over long uploads."""

import pytest

from deployments.intake.idempotency import held
from pipelines.ledger.open import open_ledger
from pipelines.ledger.sql_batches import SqlBatches
from tests.fakes.ledger import ManualClock, MemoryLedger
from tests.fakes.store import MemoryStore
from tests.support.api_harness import Connection
from tests.support.waiting import until

KEY = {"idempotency-key": "call-1"}
BATCH = {"entries": [{"filename": "a.wav"}]}


@pytest.fixture
async def replicas(make_api, tmp_path):
    """Two applications over one ledger and one store."""
    url = f"sqlite:///{tmp_path}/ledger.db"
    ledger = open_ledger(url)
    shared = {"ledger": ledger, "store": MemoryStore(), "batches": SqlBatches(url)}
    yield await make_api(**shared), await make_api(**shared)
    ledger.close()


async def begin(api, path="/v1/jobs", method="POST"):
    """A submission whose body does not end yet."""
    first = Connection(api.app, method, path, {"content-type": "audio/wav", **KEY})
    first.send(b"RI")
    await until(lambda: api.spooled)
    return first


@pytest.mark.parametrize("ask", [("POST", "/v1/jobs"), ("PUT", "/v1/recordings/a.wav")])
async def test_while_the_first_is_in_flight(replicas, ask):
    """A second request gets 409 with Retry-After from another replica, and the first one's job afterwards."""
    one, two = replicas
    first = await begin(one)
    refused = await two.client.request(*ask, content=b"RIFF", headers=KEY)
    assert (refused.status_code, refused.json()["reason"]) == (409, "request_in_flight")
    assert refused.headers["content-type"] == "application/problem+json"
    assert int(refused.headers["retry-after"]) > 0
    assert (await two.client.post("/v1/jobs", content=b"RIFF")).status_code == 202  # without the key
    first.send(b"FF", more=False)
    await first.done()
    assert (await first.next())["status"] == 202
    again = await two.client.post("/v1/jobs", content=b"RIFF", headers=KEY)
    assert (again.status_code, again.headers["idempotent-replayed"]) == (200, "true")
    other = await two.client.post("/v1/jobs", content=b"ID3other", headers=KEY)
    assert (other.status_code, other.json()["reason"]) == (422, "idempotency_conflict")


async def test_a_batch_in_flight(replicas):
    """A batch's key is refused as a job's."""
    one, two = replicas
    headers = {"content-type": "application/x-ndjson", **KEY}
    first = Connection(one.app, "POST", "/v1/batches", headers)
    first.send(b'{"filename": "a.wav"}\n')
    await until(lambda: one.spooled)
    assert (await two.client.post("/v1/batches", json=BATCH, headers=KEY)).status_code == 409
    first.send(more=False)
    await first.done()
    assert (await first.next())["status"] == 202


async def test_a_first_request_that_fails_frees_its_key(replicas):
    """Whatever ended it: a refusal, or a client that went away."""
    one, two = replicas
    assert (await one.client.post("/v1/jobs?beam_size=99", content=b"RIFF", headers=KEY)).status_code == 422
    first = await begin(one)
    first.disconnect()
    await first.done()
    assert (await two.client.post("/v1/jobs", content=b"RIFF", headers=KEY)).status_code == 202


async def test_a_replica_that_died_frees_the_key(make_api):
    """Its mark runs out; nobody has to take it away."""
    clock = ManualClock()
    api = await make_api(ledger=MemoryLedger(clock=clock))
    api.ledger.holds.hold("default", "call-1", "a dead replica", 60.0)
    assert (await api.client.post("/v1/jobs", content=b"RIFF", headers=KEY)).status_code == 409
    clock.advance(61.0)
    assert (await api.client.post("/v1/jobs", content=b"RIFF", headers=KEY)).status_code == 202


async def test_a_long_request_keeps_its_key(monkeypatch):
    """The mark is renewed for as long as the request lasts, also over an outage of the ledger."""
    ledger = MemoryLedger()
    renewed = []
    hold = ledger.holds.hold

    def counting(*args):
        renewed.append(args)
        hold(*args)

    monkeypatch.setattr(ledger.holds, "hold", counting)
    async with held(ledger.holds, "acme", "k", 0.03):
        ledger.outage = "away"
        await until(lambda: len(renewed) > 2)
        ledger.outage = ""
        n_renewed = len(renewed)
        await until(lambda: len(renewed) > n_renewed)
    assert ledger.holds.sweep() == 0
