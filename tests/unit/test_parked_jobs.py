"""Jobs whose minutes are parked: they end in time, and their minutes follow, with everything but Ray in between."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from deployments.minutes_writer import PARKED_NOTE, MinutesWriter
from pipelines.core import Minutes, Transcript
from pipelines.errors import MinutesParked
from pipelines.jobs import RESULT_FORMATS, JobState
from pipelines.minutes.extractive import write_minutes
from pipelines.minutes.protocol import MinutesOptions
from pipelines.testing.ledger import MemoryLedger
from pipelines.testing.store import MemoryStore
from tests.unit.house import House


class Provider:
    """A language model that is away until it is back."""

    def __init__(self) -> None:
        self.away = True

    async def write(self, transcript: Transcript, options: MinutesOptions) -> Minutes:
        if self.away:
            raise MinutesParked("Insufficient Balance")
        return write_minutes(transcript, options)


@asynccontextmanager
async def running(house: House) -> AsyncIterator[House]:
    await house.coordinator.start()
    try:
        yield house
    finally:
        await house.coordinator.stop()


def writer(store: MemoryStore, provider: Provider) -> MinutesWriter:
    return MinutesWriter(store=store, writers={"auto": provider}, clock=time.time)


async def test_minutes_follow_across_a_restart() -> None:
    """Every job ends with its transcript while the model is away; after a restart of all, its minutes are there."""
    ledger, store, provider = MemoryLedger(), MemoryStore(), Provider()
    first = House(ledger, store, owner="first", minutes_writer=writer(store, provider))
    async with running(first) as house:
        jobs = [house.submit(f"j{n}", range(1, 30)) for n in range(3)]
        for ended in await house.ended(*jobs):
            assert ended.state is JobState.SUCCEEDED
            assert ended.detail == f"{PARKED_NOTE}Insufficient Balance"
            assert "minutes.pdf" not in ended.results
    first.let_go()

    reborn = writer(store, provider)
    second = House(ledger, store, owner="second")
    async with running(second) as house:
        assert await reborn.follow_up(house.coordinator) == 0
        provider.away = False
        assert await reborn.follow_up(house.coordinator) == 3
    second.let_go()
    for job in jobs:
        followed = ledger.get("t", job.id)
        assert (followed.state, followed.results, followed.detail) == (JobState.SUCCEEDED, RESULT_FORMATS, "")
        assert store.exists(f"t/{job.id}/results/minutes.docx")
        assert ledger.events("t", job.id)[-1].name == "minutes_followed"
