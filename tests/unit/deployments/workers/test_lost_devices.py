"""What CUDA's errors do to a Transcriber and to the jobs of a cluster: injected, no GPU is here."""

from collections.abc import Sequence

import pytest

from deployments.ports import Outcome, Settled
from deployments.telemetry.reports import BatchReport
from deployments.workers.transcriber import Transcriber
from pipelines.core import SAMPLE_RATE, Chunk, ChunkResult, ModelInfo, SpeechInterval
from pipelines.errors import DeviceLost
from pipelines.scheduling.work_item import WorkItem
from pipelines.storage.layout import JobKeys
from pipelines.whisper.options import DecodeRequest
from tests.fakes.engine import FakeEngine, coded_pcm
from tests.fakes.ledger import MemoryLedger
from tests.fakes.store import MemoryStore
from tests.support.in_process_cluster import MODEL, InProcessCluster, succeeded
from tests.support.waiting import until

ASSERTED = "CUDA error: device-side assert triggered\nCUDA kernel errors might be asynchronously reported"


class BreakingEngine(FakeEngine):
    """Decodes ``n_good`` batches; from then on the device is lost, as it is to a process that had such an error."""

    def __init__(self, n_good: int, *, error: str = ASSERTED) -> None:
        super().__init__()
        self._n_good, self._error = n_good, error
        self.n_refused = 0

    def transcribe(self, rows: Sequence[DecodeRequest]) -> list[ChunkResult]:
        if len(self.batch_sizes) >= self._n_good:
            self.n_refused += 1
            raise RuntimeError(self._error)
        return super().transcribe(rows)


class SmallEngine(FakeEngine):
    """Has memory for the features of ``room`` rows; makes so many at once as it was last told."""

    def __init__(self, room: int, size: int, *, languages: tuple[str, ...] = ("en",)) -> None:
        super().__init__(languages=languages)
        self._room = room
        self.sizes = [size]

    def resize(self, batch_size: int) -> None:
        self.sizes.append(batch_size)

    def transcribe(self, rows: Sequence[DecodeRequest]) -> list[ChunkResult]:
        self._allocate(rows)
        return super().transcribe(rows)

    def _allocate(self, rows: Sequence[DecodeRequest]) -> None:
        if min(self.sizes[-1], len(rows)) > self._room:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 22 GiB")


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


async def replace_unhealthy(cluster: InProcessCluster, engine: FakeEngine) -> int:
    """Do Serve's part: a replica whose health check fails is replaced by one that loads its model anew."""
    n_replaced = 0

    def replaced() -> bool:
        nonlocal n_replaced
        for place, replica in enumerate(cluster.replicas):
            try:
                replica.check()
            except DeviceLost:
                fresh = Transcriber(name=MODEL, engine=engine, store=cluster.store, source=cluster, max_rows=4)
                cluster.replicas[place] = fresh
                n_replaced += 1
        return n_replaced > 0

    await until(replaced)
    return n_replaced


async def test_a_lost_device_costs_a_replica_and_no_job(store: MemoryStore) -> None:
    """The only replica loses its device amid two jobs: it is replaced, and both are whole without a failed chunk."""
    broken, sound = BreakingEngine(n_good=2), FakeEngine()
    cluster = InProcessCluster(MemoryLedger(), store, engine=broken)
    await cluster.coordinator.start()
    jobs = [cluster.submit(name, range(1, 100)) for name in ("a", "b")]
    assert await replace_unhealthy(cluster, sound) == 1
    ended = await cluster.ended(*jobs)
    await cluster.coordinator.stop()
    assert succeeded(ended)
    assert [job.n_failed_chunks for job in ended] == [0, 0]
    assert [cluster.words(job) for job in jobs] == [list(range(1, 100))] * 2
    assert broken.n_refused == 1


async def test_others_go_on_beside_a_lost_device(store: MemoryStore) -> None:
    """Nobody replaces the lost one here: it claims nothing more, and no row's attempts are used up by it."""
    broken = BreakingEngine(n_good=0)
    cluster = InProcessCluster(MemoryLedger(), store, n_transcribers=2, max_attempts=2)
    cluster.replicas[0] = Transcriber(name=MODEL, engine=broken, store=store, source=cluster, max_rows=4)
    await cluster.coordinator.start()
    jobs = [cluster.submit(f"j{n}", range(1, 60)) for n in range(4)]
    ended = await cluster.ended(*jobs)
    await cluster.coordinator.stop()
    assert succeeded(ended)
    assert [job.n_failed_chunks for job in ended] == [0] * 4
    assert broken.n_refused == 1


async def test_the_health_check_names_the_device_and_cudas_words(store: MemoryStore) -> None:
    """In one line: torch's advice for developers stays away."""
    engine = BreakingEngine(n_good=0)
    cluster = InProcessCluster(MemoryLedger(), store, engine=engine)
    (replica,) = cluster.replicas
    replica.check()
    await cluster.coordinator.start()
    job = cluster.submit("j", range(1, 5))
    await until(lambda: engine.n_refused > 0)
    with pytest.raises(DeviceLost, match=r"^cpu is lost to this process: CUDA error: device-side assert triggered$"):
        replica.check()
    with pytest.raises(DeviceLost):
        await replica.work("any")
    assert not cluster.ledger.get(job.tenant, job.id).state.final
    await cluster.coordinator.stop()


async def test_an_error_of_the_code_does_not_end_the_replica(store: MemoryStore) -> None:
    """It fails its chunks after their attempts, as before, and the replica goes on."""
    engine = BreakingEngine(n_good=0, error="shape mismatch")
    cluster = InProcessCluster(MemoryLedger(), store, engine=engine, max_attempts=2)
    await cluster.coordinator.start()
    (ended,) = await cluster.ended(cluster.submit("j", range(1, 5)))
    await cluster.coordinator.stop()
    assert not succeeded([ended])
    cluster.replicas[0].check()


async def test_short_memory_makes_batches_smaller(store: MemoryStore) -> None:
    """Features that do not fit are made of fewer rows, and later batches are claimed as small as that; none fails."""
    engine = SmallEngine(room=2, size=4)
    cluster = InProcessCluster(MemoryLedger(), store, engine=engine)
    await cluster.coordinator.start()
    job = cluster.submit("j", range(1, 100))
    assert succeeded(ended := await cluster.ended(job))
    later = cluster.submit("later", range(1, 100))
    n_batches = len(engine.batch_sizes)
    assert succeeded(await cluster.ended(later))
    await cluster.coordinator.stop()
    assert ended[0].n_failed_chunks == 0
    assert cluster.words(job) == list(range(1, 100))
    assert engine.sizes == [4, 2]
    assert max(engine.batch_sizes[n_batches:]) == 2


class Voters:
    """A source of one batch: four chunks whose language is unknown. ``outcomes`` is what came of it."""

    def __init__(self, store: MemoryStore) -> None:
        pieces = [SpeechInterval(start=n * SAMPLE_RATE, end=(n + 1) * SAMPLE_RATE) for n in range(4)]
        chunks = tuple(Chunk(index=n, channel=0, span=0, pieces=(piece,)) for n, piece in enumerate(pieces))
        keys = JobKeys(tenant="t", job_id="j")
        pcm = store.put(keys.pcm(0, 0), coded_pcm(range(1, 9)).tobytes())
        self._items = tuple(WorkItem(tenant="t", job_id="j", chunk=chunk, samples=pcm) for chunk in chunks)
        self.outcomes: tuple[Outcome, ...] = ()

    async def claim(self, pull_id: str, replica: ModelInfo, max_items: int) -> tuple[WorkItem, ...]:
        return self._items

    async def complete(
        self,
        pull_id: str,
        replica: ModelInfo,
        outcomes: tuple[Outcome, ...],
        report: BatchReport | None = None,
        *,
        max_items: int = 0,
        wait_s: float = 0.0,
    ) -> Settled:
        self.outcomes = outcomes
        return Settled(backlog_s=0.0)


async def test_short_memory_fails_no_row_that_votes(store: MemoryStore) -> None:
    """Fewer rows are asked then, as decoding is."""
    engine, source = SmallEngine(room=1, size=4, languages=("de", "en")), Voters(store)
    replica = Transcriber(name=MODEL, engine=engine, store=store, source=source, max_rows=4)
    assert await replica.work("pull") == 4
    assert [outcome.passages[0].language for outcome in source.outcomes] == ["de"] * 4
    assert not any(outcome.error for outcome in source.outcomes)
    assert engine.sizes == [4, 2, 1]
