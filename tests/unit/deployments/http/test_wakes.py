"""Waking the Coordinator: at once for one job, together for those that come right after it."""

import asyncio

from deployments.tenant.coordinator_client import WAKES_APART_S, CoordinatorClient
from tests.fakes.ledger import MemoryLedger
from tests.support.api_harness import SteeredCoordinator
from tests.support.virtual_time import run_in_virtual_time

N_JOBS = 50


def test_jobs_that_come_together_cost_few_calls() -> None:
    async def run() -> None:
        coordinator = SteeredCoordinator(ledger := MemoryLedger())
        client = CoordinatorClient(coordinator, ledger)
        client.wake(1)
        await asyncio.sleep(0.001)
        assert (coordinator.n_wakes, coordinator.n_arrived) == (1, 1)
        for _ in range(N_JOBS - 1):
            client.wake(1)
            await asyncio.sleep(WAKES_APART_S / 10)
        await asyncio.sleep(WAKES_APART_S)
        assert coordinator.n_arrived == N_JOBS
        assert coordinator.n_wakes <= 2 + N_JOBS / 10

    run_in_virtual_time(run())
