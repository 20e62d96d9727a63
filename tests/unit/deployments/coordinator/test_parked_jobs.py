"""Jobs whose minutes are parked: they end in time, and their minutes follow, with everything but Ray in between."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from deployments.workers.minutes_writer import PARKED_NOTE, MinutesWriter
from pipelines.core import Minutes, Transcript
from pipelines.errors import MinutesParked
from pipelines.jobs.job import RESULT_FORMATS, JobState
from pipelines.minutes.extractive.writer import write_minutes
from pipelines.minutes.protocol import MinutesOptions
from tests.fakes.ledger import MemoryLedger
from tests.fakes.store import MemoryStore
from tests.support.in_process_cluster import InProcessCluster, succeeded
from tests.support.waiting import until


class Provider:
    """A language model that is away until it is back."""

    def __init__(self) -> None:
        self.away = True

    async def write(self, transcript: Transcript, options: MinutesOptions) -> Minutes:
        if self.away:
            raise MinutesParked("Insufficient Balance")
        return write_minutes(transcript, options)


@asynccontextmanager
async def running(cluster: InProcessCluster) -> AsyncIterator[InProcessCluster]:
    await cluster.coordinator.start()
    try:
        yield cluster
    finally:
        await cluster.coordinator.stop()


def writer(store: MemoryStore, provider: Provider) -> MinutesWriter:
    return MinutesWriter(store=store, writers={"auto": provider}, clock=time.time)


async def test_minutes_follow_across_a_restart() -> None:
    """Every job ends with its transcript while the model is away; after a restart of all, its minutes are there."""
    ledger, store, provider = MemoryLedger(), MemoryStore(), Provider()
    first = InProcessCluster(ledger, store, owner="first", minutes_writer=writer(store, provider))
    async with running(first) as cluster:
        jobs = [cluster.submit(f"j{n}", range(1, 30)) for n in range(3)]
        for ended in await cluster.ended(*jobs):
            assert ended.state is JobState.SUCCEEDED
            assert ended.detail == f"{PARKED_NOTE}Insufficient Balance"
            assert "minutes.pdf" not in ended.results
    first.let_go()

    reborn = writer(store, provider)
    second = InProcessCluster(ledger, store, owner="second")
    async with running(second) as cluster:
        assert await reborn.follow_up(cluster.coordinator) == 0
        provider.away = False
        assert await reborn.follow_up(cluster.coordinator) == 3
    second.let_go()
    for job in jobs:
        followed = ledger.get("t", job.id)
        assert (followed.state, followed.results, followed.detail) == (JobState.SUCCEEDED, RESULT_FORMATS, "")
        assert store.exists(f"t/{job.id}/results/minutes.docx")
        assert ledger.events("t", job.id)[-1].name == "minutes_followed"


class SlowProvider:
    """A language model that answers when it is told to."""

    def __init__(self) -> None:
        self.answer = asyncio.Event()
        self.n_asked = 0

    async def write(self, transcript: Transcript, options: MinutesOptions) -> Minutes:
        self.n_asked += 1
        await self.answer.wait()
        return write_minutes(transcript, options)


async def test_slow_minutes_hold_back_no_recording() -> None:
    """More jobs than may be in hand at once are transcribed while none has its minutes; their transcripts are there."""
    ledger, store, provider = MemoryLedger(), MemoryStore(), SlowProvider()
    slow = MinutesWriter(store=store, writers={"auto": provider}, clock=time.time)
    async with running(InProcessCluster(ledger, store, minutes_writer=slow, max_live_jobs=2)) as cluster:
        jobs = [cluster.submit(f"j{n}", range(1, 30)) for n in range(7)]
        await until(lambda: provider.n_asked == len(jobs))
        assert {ledger.get("t", job.id).state for job in jobs} == {JobState.SUMMARIZING}
        assert all(store.exists(f"t/{job.id}/results/transcript.json") for job in jobs)
        provider.answer.set()
        assert succeeded(await cluster.ended(*jobs))
    cluster.let_go()


async def test_minutes_beyond_the_bound_are_parked() -> None:
    """What would wait in line without bound is parked, and follows when there is room."""
    ledger, store, provider = MemoryLedger(), MemoryStore(), SlowProvider()
    slow = MinutesWriter(store=store, writers={"auto": provider}, clock=time.time, max_at_once=2)
    async with running(InProcessCluster(ledger, store, minutes_writer=slow)) as cluster:
        jobs = [cluster.submit(f"j{n}", range(1, 30)) for n in range(5)]
        await until(lambda: sum(ledger.get("t", job.id).state.final for job in jobs) == 3)
        parked = [job for job in jobs if ledger.get("t", job.id).state.final]
        assert all(ledger.get("t", job.id).detail == f"{PARKED_NOTE}2 minutes are being written" for job in parked)
        provider.answer.set()
        await cluster.ended(*jobs)
        assert await slow.follow_up(cluster.coordinator) == 3
    cluster.let_go()
