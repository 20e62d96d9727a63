"""PostgreSQL restarts under load, without a shutdown: every job ends once, whole."""

import asyncio
import random
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.errors import LedgerUnavailable
from pipelines.jobs.job import Job, JobState
from pipelines.ledger.open import open_ledger
from pipelines.storage.open import open_store
from tests.integration.cluster_process import SlowEngine
from tests.servers.postgres import PostgresServer, find_binaries
from tests.support.in_process_cluster import InProcessCluster, succeeded
from tests.support.waiting import until

BINARIES = find_binaries()
N_JOBS = 60
N_RESTARTS = 4
AWAY_S = 0.5
SEED = 1

pytestmark = pytest.mark.skipif(BINARIES is None, reason="there is no PostgreSQL on this machine")


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    assert BINARIES is not None
    with PostgresServer(BINARIES) as server:
        yield server


async def test_restarts_of_the_server_lose_nothing(server: PostgresServer, tmp_path: Path) -> None:
    """Jobs are sent and worked off while the server dies again and again; what was accepted succeeds exactly once."""
    draw = random.Random(SEED)
    ledger = open_ledger(server.url("restarts"))
    cluster = InProcessCluster(ledger, open_store(f"file://{tmp_path / 'store'}"), engine=SlowEngine(0.05))
    numbers = {f"j{n}": range(1 + 100 * n, 25 + 100 * n) for n in range(N_JOBS)}

    async def send() -> list[Job]:
        return [await _insist(cluster, job_id, numbers[job_id]) for job_id in numbers]

    def n_ended() -> int:
        try:
            return sum(n for state, n in ledger.counts("t").items() if state.final)
        except LedgerUnavailable:
            return -1

    try:
        await cluster.coordinator.start()
        sending = asyncio.create_task(send())
        for after in sorted(draw.sample(range(1, N_JOBS - 10), N_RESTARTS)):
            await until(lambda after=after: n_ended() >= after, 240.0)  # type: ignore[misc]  # a default binds it
            await asyncio.to_thread(server.stop, signal.SIGQUIT)
            await asyncio.sleep(AWAY_S)
            await asyncio.to_thread(server.start)
        jobs = await sending
        await until(lambda: n_ended() == N_JOBS, 240.0)
        ended = [ledger.get(job.tenant, job.id) for job in jobs]
        assert succeeded(ended)
        for job in ended:
            names = [event.name for event in ledger.events(job.tenant, job.id)]
            assert names.count(JobState.SUCCEEDED) == 1, names
            assert cluster.words(job) == list(numbers[job.id])
        await until(lambda: all("/results/" in key for key in cluster.store.list("")))
        cluster.coordinator.check()
        await cluster.coordinator.stop()
    finally:
        ledger.close()


async def _insist(cluster: InProcessCluster, job_id: str, numbers: range) -> Job:
    """Send a job until it is accepted, as clients do that get a 503."""
    while True:
        try:
            return await asyncio.to_thread(cluster.submit, job_id, numbers)
        except LedgerUnavailable:
            await asyncio.sleep(0.2)
