"""Looks into the ledger: many jobs that arrive cost few, and nothing that others write is overlooked."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import cast

from pipelines.jobs.job import Job, JobState
from pipelines.ledger.protocol import Lease, QueuedJobs
from pipelines.models.routing import ModelRoute
from pipelines.scheduling.shards import WHOLE, Shard
from tests.fakes.ledger import MemoryLedger
from tests.fakes.store import MemoryStore
from tests.support.in_process_cluster import InProcessCluster
from tests.support.virtual_time import VirtualTimeLoop, run_in_virtual_time

SECONDS = 5


class CountingLedger(MemoryLedger):
    """Counts the Coordinator's looks."""

    def __init__(self) -> None:
        super().__init__()
        self.looks: Counter[str] = Counter()

    def claim(self, lease: Lease, limit: int, economy_limit: int | None = None) -> Sequence[Job]:
        self.looks["claim"] += 1
        return super().claim(lease, limit, economy_limit)

    def model_routes(self) -> tuple[ModelRoute, ...]:
        self.looks["wide"] += 1
        return super().model_routes()


def test_jobs_that_arrive_in_a_rush_are_claimed_together() -> None:
    async def run() -> None:
        ledger = CountingLedger()
        cluster = InProcessCluster(ledger, MemoryStore())
        await cluster.coordinator.start()
        before = ledger.looks.copy()
        for _ in range(SECONDS * 100):
            await cluster.coordinator.wake(1)
            await asyncio.sleep(0.01)
        looks = ledger.looks - before
        await cluster.coordinator.stop()
        assert looks["claim"] <= SECONDS * 20 + 2
        assert SECONDS * 3 <= looks["wide"] <= SECONDS * 5

    run_in_virtual_time(run())


def test_a_wish_to_cancel_is_found_amid_a_rush() -> None:
    """Whoever cancels wakes the Coordinator without a new job."""

    async def run() -> None:
        cluster = InProcessCluster(ledger := CountingLedger(), MemoryStore(), max_live_jobs=0)
        job = cluster.submit("j", range(1, 10))
        await cluster.coordinator.start()
        for _ in range(20):
            await cluster.coordinator.wake(1)
            await asyncio.sleep(0.01)
        ledger.request_cancel("t", job.id)
        await cluster.coordinator.wake()
        await cluster.coordinator.wake(1)
        await asyncio.sleep(0.1)
        assert ledger.get("t", job.id).state is JobState.CANCELLED
        await cluster.coordinator.stop()

    run_in_virtual_time(run())


def test_a_long_queue_is_counted_less_often() -> None:
    """Counting the queue takes a twentieth of a Coordinator's time at most, however many jobs wait."""

    class LongQueue(CountingLedger):
        def queued_jobs(self, shard: Shard = WHOLE) -> tuple[QueuedJobs, ...]:
            self.looks["queue"] += 1
            cast(VirtualTimeLoop, asyncio.get_running_loop()).pass_time(0.5)
            return super().queued_jobs(shard)

    async def run() -> None:
        cluster = InProcessCluster(ledger := LongQueue(), MemoryStore(), max_live_jobs=0)
        cluster.submit("j", range(1, 10))
        await cluster.coordinator.start()
        await asyncio.sleep(100.0)
        await cluster.coordinator.stop()
        assert 5 <= ledger.looks["queue"] <= 12

    run_in_virtual_time(run())
