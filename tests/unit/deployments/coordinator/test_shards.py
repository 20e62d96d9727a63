"""Several Coordinators divide the jobs; one of them dies, or their number changes."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from pipelines.jobs.job import Job, JobState
from pipelines.ledger.open import open_ledger
from pipelines.ledger.protocol import DrainMode
from pipelines.scheduling.shards import shard_index
from tests.fakes.engine import PAUSE_S, WORD_S
from tests.fakes.ledger import MemoryLedger
from tests.fakes.store import MemoryStore
from tests.support.in_process_cluster import WORDS_PER_CHUNK, succeeded
from tests.support.in_process_shards import InProcessShards
from tests.support.waiting import until

N_CHUNKS = 8
IN_HAND = 2 * 4  # a replica decodes a batch of four rows and reads another one


@pytest.fixture
def ledger() -> MemoryLedger:
    return MemoryLedger()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def numbers(n: int) -> range:
    """What job ``n`` says: as much as fills `N_CHUNKS`."""
    first = 1 + 100 * n
    return range(first, first + N_CHUNKS * WORDS_PER_CHUNK)


def submit(shards: InProcessShards, n_jobs: int) -> list[Job]:
    return [shards.any.submit(f"j{n}", numbers(n), tenant=f"t{n % 3}") for n in range(n_jobs)]


def all_heard(shards: InProcessShards, jobs: Sequence[Job]) -> bool:
    """Whether every transcript holds each word of its recording once, in order."""
    return all(shards.any.words(job) == list(numbers(int(job.id[1:]))) for job in jobs)


async def test_each_job_is_done_once(ledger: MemoryLedger, store: MemoryStore) -> None:
    """Two Coordinators end all jobs, every chunk is decoded once, and both had their part."""
    shards = InProcessShards(ledger, store)
    async with shards.running():
        jobs = submit(shards, 12)
        assert succeeded(await shards.any.ended(*jobs))
    assert all_heard(shards, jobs)
    assert sum(shards.engine.batch_sizes) == len(jobs) * N_CHUNKS
    assert set(shards.claimed_by) == {shard_index(job.id, 2) for job in jobs} == {0, 1}


async def test_no_shard_keeps_the_device(ledger: MemoryLedger, store: MemoryStore) -> None:
    """While both have work, the shards' batches alternate at the one device, whoever came first."""
    shards = InProcessShards(ledger, store)
    shards.engine.gate.clear()
    async with shards.running():
        jobs = submit(shards, 12)
        await until(lambda: ledger.counts()[JobState.TRANSCRIBING] == 12)

        async def both_have_much() -> bool:
            return min(await _backlogs_s(shards)) >= 2 * N_CHUNKS * WORDS_PER_CHUNK * (WORD_S + PAUSE_S)

        await until(both_have_much)
        before = len(shards.claimed_by)
        shards.engine.gate.set()
        assert succeeded(await shards.any.ended(*jobs))
    both = shards.claimed_by[before : before + 8]
    assert abs(both.count(0) - both.count(1)) <= 2, shards.claimed_by


async def _backlogs_s(shards: InProcessShards) -> list[float]:
    return [(await cluster.coordinator.status()).backlog_audio_s for cluster in shards.clusters.values()]


async def _fence(shards: InProcessShards, index: int) -> float:
    text = (await shards.clusters[index].coordinator.metrics()).decode()
    return next(
        family.samples[0].value for family in text_string_to_metric_families(text) if "lease_fence" in family.name
    )


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
async def test_one_is_killed(kind: str, ledger: MemoryLedger, store: MemoryStore, tmp_path: Path) -> None:
    """The other goes on, a successor waits for the lease and ends the rest; what was in hand may be decoded again."""
    opened = ledger if kind == "memory" else open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    shards = InProcessShards(opened, store)
    async with shards.running():
        jobs = submit(shards, 10)
        await until(lambda: len(shards.engine.batch_sizes) >= 4)
        await shards.kill(0)
        fence = await _fence(shards, 1)
        others = [job for job in jobs if shard_index(job.id, 2) == 1]
        starting = shards.start_anew(0)
        assert succeeded(await shards.any.ended(*others))
        await asyncio.wait_for(starting, 30.0)
        assert succeeded(await shards.any.ended(*jobs))
        assert await _fence(shards, 1) == fence < await _fence(shards, 0)
    assert all_heard(shards, jobs)
    assert len(jobs) * N_CHUNKS <= sum(shards.engine.batch_sizes) <= len(jobs) * N_CHUNKS + IN_HAND
    opened.close()


@pytest.mark.parametrize(("before", "after"), [(1, 2), (2, 3), (3, 2), (2, 1)])
async def test_their_number_changes(before: int, after: int, ledger: MemoryLedger, store: MemoryStore) -> None:
    """Jobs move to the shards of another number without loss; only what was in hand is decoded again."""
    shards = InProcessShards(ledger, store, n=before)
    async with shards.running():
        jobs = submit(shards, 10)
        await until(lambda: len(shards.engine.batch_sizes) >= 4)
        await asyncio.wait_for(shards.change_number(after), 30.0)
        assert succeeded(await shards.any.ended(*jobs))
    assert all_heard(shards, jobs)
    assert len(jobs) * N_CHUNKS <= sum(shards.engine.batch_sizes) <= len(jobs) * N_CHUNKS + IN_HAND


async def test_a_number_that_changes_while_one_is_dead(ledger: MemoryLedger, store: MemoryStore) -> None:
    """New Coordinators wait until the lease of the dead one has run out, and do not lose its jobs."""
    shards = InProcessShards(ledger, store)
    async with shards.running():
        jobs = submit(shards, 10)
        await until(lambda: len(shards.engine.batch_sizes) >= 4)
        await shards.kill(0)
        await asyncio.wait_for(shards.change_number(3), 30.0)
        assert succeeded(await shards.any.ended(*jobs))
    assert all_heard(shards, jobs)


async def test_the_api_finds_the_shard(ledger: MemoryLedger, store: MemoryStore) -> None:
    """A job's progress and story come from its shard, sums from all of them, and metrics say whose they are."""
    shards = InProcessShards(ledger, store)
    shards.engine.gate.clear()
    async with shards.running():
        port = shards.port
        jobs = submit(shards, 6)
        await port.wake(len(jobs))
        await until(lambda: ledger.counts()[JobState.TRANSCRIBING] == 6)
        assert set(await port.eta(tuple(job.id for job in jobs))) == {job.id for job in jobs}
        assert (await port.drain()).n_live_jobs == 6
        assert (await port.capacity()).n_live_jobs == 6
        assert (await port.status()).models[0].ready
        for job in jobs:
            assert await port.story(job.id)
            assert (await port.watch(job.tenant, job.id, 0, 1.0)).job.state is JobState.TRANSCRIBING
        assert len((await port.load()).work) == 6
        metrics = (await port.metrics()).decode()
        shards.engine.gate.set()
        assert succeeded(await shards.any.ended(*jobs))
    assert 'meetmemo_jobs_submitted_total{shard="0"} 6.0' in metrics
    assert 'meetmemo_jobs_submitted_total{shard="1"} 0.0' in metrics
    assert metrics.count("meetmemo_transcriber_replicas{") == 1, "the cluster's figures are there once"
    assert metrics.count("# TYPE meetmemo_live_jobs gauge") == 1
    assert 'meetmemo_shard_up{shard="1"} 1.0' in metrics


async def test_all_shards_drain(ledger: MemoryLedger, store: MemoryStore) -> None:
    """A drain that only one shard heard of holds for all of them soon, as the ledger has it."""
    shards = InProcessShards(ledger, store)
    async with shards.running():
        await shards.clusters[0].coordinator.drain(begin=True)
        assert ledger.drain_mode() is DrainMode.QUEUEING
        other = shards.clusters[1].coordinator

        async def drains() -> bool:
            return (await other.drain()).draining

        await until(drains)
        await shards.port.drain(begin=False)
        assert not (await shards.port.drain()).draining
