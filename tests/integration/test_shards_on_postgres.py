"""Two Coordinators on PostgreSQL, and everything that they stand on is lost: a process, a lease, the database."""

import asyncio
import contextlib
import signal
from pathlib import Path

import pytest

from pipelines.errors import Fenced, LedgerUnavailable
from pipelines.jobs.job import JobState
from pipelines.ledger.open import open_ledger
from pipelines.ledger.protocol import Ledger
from pipelines.scheduling.shards import Shard
from pipelines.storage.open import open_store
from tests.servers.postgres import PostgresServer, find_binaries
from tests.support.in_process_cluster import WORDS_PER_CHUNK, InProcessCluster, succeeded
from tests.support.in_process_shards import InProcessShards
from tests.support.lease_thief import steal_lease
from tests.support.waiting import until

BINARIES = find_binaries()
N_JOBS = 24
N_CHUNKS = 8
IN_HAND = 2 * 4
"""Chunks that may be decoded again for each loss: a replica decodes a batch of four rows and reads another one."""
AWAY_S = 0.5
WAIT_S = 90.0

pytestmark = pytest.mark.skipif(BINARIES is None, reason="there is no PostgreSQL on this machine")


async def test_a_coordinator_a_lease_and_the_database_are_lost(tmp_path: Path) -> None:
    """Every job ends once, whole, and no more chunks are decoded again than were in hand at each loss."""
    assert BINARIES is not None
    with PostgresServer(BINARIES) as server:
        url = server.url("shards")
        ledger = open_ledger(url)
        shards = InProcessShards(ledger, open_store(f"file://{tmp_path / 'store'}"))
        numbers = {f"j{n}": range(1 + 100 * n, 1 + 100 * n + N_CHUNKS * WORDS_PER_CHUNK) for n in range(N_JOBS)}

        def n_decoded() -> int:
            return sum(shards.engine.batch_sizes)

        async with shards.running():
            jobs = [shards.any.submit(job_id, said, tenant=f"t{len(job_id)}") for job_id, said in numbers.items()]
            await until(lambda: n_decoded() >= N_CHUNKS * N_JOBS // 6, WAIT_S)
            assert not _all_ended(ledger)
            await shards.kill(0)
            starting = shards.start_anew(0)

            await until(lambda: n_decoded() >= N_CHUNKS * N_JOBS // 3, WAIT_S)
            assert not _all_ended(ledger)
            robbed = shards.clusters[1]
            await asyncio.to_thread(steal_lease, url, Shard(1, 2))
            await until(lambda: _is_fenced(robbed), WAIT_S)
            await shards.kill(1)  # as Serve does with a replica that fails its health check
            starting_too = shards.start_anew(1)

            await asyncio.wait_for(asyncio.gather(starting, starting_too), WAIT_S)
            await until(lambda: n_decoded() >= N_CHUNKS * N_JOBS // 2, WAIT_S)
            assert not _all_ended(ledger)
            await asyncio.to_thread(server.stop, signal.SIGQUIT)
            await asyncio.sleep(AWAY_S)
            await asyncio.to_thread(server.start)

            await until(lambda: _all_ended(ledger), WAIT_S)
            ended = [ledger.get(job.tenant, job.id) for job in jobs]
            assert succeeded(ended)
            for job in ended:
                names = [event.name for event in ledger.events(job.tenant, job.id)]
                assert names.count(JobState.SUCCEEDED) == 1, names
                assert shards.any.words(job) == list(numbers[job.id])
            assert N_JOBS * N_CHUNKS <= n_decoded() <= N_JOBS * N_CHUNKS + 3 * IN_HAND
            for cluster in shards.clusters.values():
                cluster.coordinator.check()
        ledger.close()


def _all_ended(ledger: Ledger) -> bool:
    with contextlib.suppress(LedgerUnavailable):
        return all(state.final or not n for state, n in ledger.counts().items())
    return False


def _is_fenced(cluster: InProcessCluster) -> bool:
    try:
        cluster.coordinator.check()
    except Fenced:
        return True
    return False
