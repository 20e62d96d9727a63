"""A canary: some chunks of a model's jobs are decoded by another, and what it cannot do comes back."""

import functools

from pipelines.codec import decode
from pipelines.core import ChunkResult
from pipelines.models.routing import ModelRoute
from pipelines.storage.layout import JobKeys
from tests.fakes.engine import FakeEngine
from tests.fakes.ledger import MemoryLedger
from tests.fakes.store import MemoryStore
from tests.support.in_process_cluster import MODEL, STAND_IN, InProcessCluster, succeeded
from tests.support.waiting import until

NUMBERS = range(1, 400)


class KeepingStore(MemoryStore):
    """Remembers which model decoded each chunk: working data goes with the job's end."""

    def __init__(self) -> None:
        super().__init__()
        self.decoded_by: dict[int, str] = {}

    def put(self, key: str, data: bytes, *, sha256: str = ""):  # as in MemoryStore
        if "/chunks/" in key:
            result = decode(ChunkResult, data)
            assert result.model is not None
            self.decoded_by[result.index] = result.model.name
        return super().put(key, data, sha256=sha256)

    def lacks(self, key: str) -> bool:
        return not self.exists(key)


class AskedLedger(MemoryLedger):
    """Counts how often its routes are asked for."""

    n_asked = 0

    def model_routes(self) -> tuple[ModelRoute, ...]:
        self.n_asked += 1  # before the answer: one that is counted later than a change tells it
        return super().model_routes()

    def was_asked_after(self, n_asked: int) -> bool:
        return self.n_asked > n_asked


async def decoded(ledger: MemoryLedger, stand_in: FakeEngine) -> dict[int, str]:
    """Run one job to its end; whatever decodes, every word is there. Returns the model of each chunk."""
    store = KeepingStore()
    cluster = InProcessCluster(ledger, store, stand_in=stand_in)
    await cluster.coordinator.start()
    try:
        job = cluster.submit("j", NUMBERS)
        assert succeeded(await cluster.ended(job))
    finally:
        await cluster.coordinator.stop()
    assert cluster.words(job) == list(NUMBERS)
    return store.decoded_by


async def test_a_share_of_the_chunks_goes_to_the_stand_in() -> None:
    """Exactly those that the route names, also after another Coordinator has taken over."""
    route = ModelRoute(of=MODEL, to=STAND_IN, share=0.3)
    ledger = MemoryLedger()
    ledger.set_model_routes([route])
    models = await decoded(ledger, FakeEngine())
    assert models == {index: STAND_IN if route.takes("j", index) else MODEL for index in models}
    assert set(models.values()) == {MODEL, STAND_IN}


async def test_a_promoted_model_decodes_everything() -> None:
    """With a share of 1 the other model has nothing to do."""
    ledger = MemoryLedger()
    ledger.set_model_routes([ModelRoute(of=MODEL, to=STAND_IN, share=1.0)])
    assert set((await decoded(ledger, FakeEngine())).values()) == {STAND_IN}


async def test_what_a_stand_in_cannot_decode_comes_back() -> None:
    """A canary that fails costs time, and no chunk."""
    ledger = MemoryLedger()
    ledger.set_model_routes([ModelRoute(of=MODEL, to=STAND_IN, share=1.0)])
    models = await decoded(ledger, FakeEngine(poison=NUMBERS))
    assert set(models.values()) == {MODEL}


async def test_a_model_that_does_not_fit_is_not_followed() -> None:
    """A route to a model that is not there changes nothing."""
    ledger = MemoryLedger()
    ledger.set_model_routes([ModelRoute(of=MODEL, to="unknown", share=1.0)])
    assert set((await decoded(ledger, FakeEngine())).values()) == {MODEL}


async def test_a_running_coordinator_hears_of_it() -> None:
    """The command writes into the ledger; chunks that are cut afterwards go where it says."""
    ledger, store = AskedLedger(), KeepingStore()
    cluster = InProcessCluster(ledger, store, stand_in=FakeEngine())
    await cluster.coordinator.start()
    try:
        for job_id, routes in (("a", [ModelRoute(of=MODEL, to=STAND_IN, share=1.0)]), ("b", [])):
            store.decoded_by.clear()
            ledger.set_model_routes(routes)
            n_asked = ledger.n_asked
            await until(functools.partial(ledger.was_asked_after, n_asked))
            job = cluster.submit(job_id, NUMBERS)
            assert succeeded(await cluster.ended(job))
            source = JobKeys(tenant="t", job_id=job_id).source  # deleted once the ledger has the job's end
            await until(functools.partial(store.lacks, source))
            assert set(store.decoded_by.values()) == {STAND_IN if routes else MODEL}
    finally:
        await cluster.coordinator.stop()
