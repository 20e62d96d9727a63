"""The search index is kept by a worker, whatever happens to its storage, and not by the Coordinator."""

import asyncio
import contextlib

from deployments.artifacts.search_indexer import JOBS_PER_ROUND, SearchIndexer
from deployments.workers.search_index_worker import INDEX_INTERVAL_S, SearchIndexWorker
from pipelines.errors import LedgerUnavailable
from tests.contracts.ledger_base import after, make_job, won
from tests.contracts.search import ENDED
from tests.fakes.ledger import MemoryLedger
from tests.fakes.store import MemoryStore
from tests.support.in_process_cluster import InProcessCluster


class Rounds(SearchIndexer):
    """Indexes nothing: each round has the next outcome of a script, and then all is quiet."""

    def __init__(self, *outcomes: int | Exception) -> None:
        super().__init__(MemoryLedger(), MemoryStore())
        self.left = list(outcomes)

    def index_some(self) -> int:
        outcome = self.left.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


async def pauses(indexer: Rounds) -> list[float]:
    """Run a worker until its script is over; return how long it paused between its rounds."""
    found: list[float] = []

    async def sleep(seconds: float) -> None:
        found.append(seconds)
        if not indexer.left:
            raise asyncio.CancelledError

    with contextlib.suppress(asyncio.CancelledError):
        await SearchIndexWorker(indexer, sleep=sleep).run()
    return found


async def test_rounds_follow_one_another_while_they_are_full() -> None:
    """Jobs that end one by one are not indexed one by one: those of a second share their transactions."""
    assert await pauses(Rounds(JOBS_PER_ROUND, JOBS_PER_ROUND, 3, 1, 0)) == [INDEX_INTERVAL_S] * 3


async def test_an_outage_ends_nothing() -> None:
    """What waited is indexed when the storage is back."""
    assert (
        await pauses(Rounds(LedgerUnavailable("away"), 20, LedgerUnavailable("away"), 1, 0)) == [INDEX_INTERVAL_S] * 4
    )


async def test_the_coordinator_indexes_nothing() -> None:
    """Reading a transcript again costs as much as everything else that the one Coordinator does for a short job."""
    ledger, store = MemoryLedger(), MemoryStore()
    lease = won(ledger.acquire_lease("before", 1.0))
    ledger.create(make_job("earlier"))
    (job,) = ledger.claim(lease, 1)
    ledger.apply(lease, after(job, *ENDED), job.version)
    ledger.release(lease)
    cluster = InProcessCluster(ledger, store)
    await cluster.coordinator.start()
    try:
        job = cluster.submit("j1", [1, 2, 3])
        await cluster.ended(job)
        assert [pending.job_id for pending in ledger.search.pending(10)] == ["earlier", "j1"]
    finally:
        await cluster.coordinator.stop()
