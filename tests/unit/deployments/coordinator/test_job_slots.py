"""A job that waits for a recording which is not there yet holds up nobody."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from deployments.coordinator import segment_stream
from deployments.coordinator.job_slots import AWAY_PER_SLOT, LOOK_S, JobSlots
from deployments.coordinator.live_job import LiveJob, Slot
from deployments.ports import SegmentRequest
from pipelines.backoff import Backoff
from pipelines.core import BlobRef, SourceSummary, Span
from pipelines.errors import SourceUnreachable
from pipelines.jobs.job import JobState
from tests.contracts.ledger_base import make_job
from tests.fakes.ledger import MemoryLedger
from tests.fakes.store import MemoryStore
from tests.support.in_process_cluster import CodedSegmenter, InProcessCluster
from tests.support.virtual_time import run_in_virtual_time
from tests.support.waiting import until

ABSENT = SourceUnreachable("the server answered 404", may_come=True)


class Recorder(CodedSegmenter):
    """A Segmenter to which the recordings of jobs in ``absent`` are not there yet."""

    def __init__(self, store: MemoryStore, *absent: str) -> None:
        super().__init__(store)
        self.absent = set(absent)

    async def segment(self, request: SegmentRequest) -> AsyncIterator[BlobRef | Span | SourceSummary]:
        if request.job_id in self.absent:
            raise ABSENT
        async for found in super().segment(request):
            yield found


async def test_others_go_on_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a slot for one job, a second one is transcribed while the first waits; then the first one is, too."""
    monkeypatch.setattr(segment_stream, "SOURCE_PAUSES", Backoff(first_s=0.05, longest_s=0.05))
    ledger, store = MemoryLedger(), MemoryStore()
    recorder = Recorder(store, "waits")
    cluster = InProcessCluster(ledger, store, segmenter=recorder, max_live_jobs=1)
    await cluster.coordinator.start()
    try:
        waits = cluster.submit("waits", [1, 2, 3])
        await until(lambda: "source_awaited" in [event.name for event in ledger.events("t", "waits")])
        (other,) = await cluster.ended(cluster.submit("other", [4, 5]))
        assert other.state is JobState.SUCCEEDED
        assert ledger.get("t", "waits").state is JobState.TRANSCRIBING
        assert any("slot given back" in entry.what for entry in await cluster.coordinator.story("waits"))
        recorder.absent.clear()
        (ended,) = await cluster.ended(waits)
        assert (ended.state, cluster.words(ended)) == (JobState.SUCCEEDED, [1, 2, 3])
    finally:
        await cluster.coordinator.stop()


async def test_one_that_waits_can_be_cancelled() -> None:
    """Its end does not wait for its source."""
    ledger, store = MemoryLedger(), MemoryStore()
    cluster = InProcessCluster(ledger, store, segmenter=Recorder(store, "waits"), max_live_jobs=1)
    await cluster.coordinator.start()
    try:
        waits = cluster.submit("waits", [1, 2, 3])
        await until(lambda: "source_awaited" in [event.name for event in ledger.events("t", "waits")])
        ledger.request_cancel("t", "waits")
        (ended,) = await cluster.ended(waits)
        assert ended.state is JobState.CANCELLED
        (other,) = await cluster.ended(cluster.submit("other", [4, 5]))
        assert other.state is JobState.SUCCEEDED
    finally:
        await cluster.coordinator.stop()


class Room:
    """Slots for ``n_slots`` jobs, and the jobs that are live."""

    def __init__(self, n_slots: int, n_live: int) -> None:
        self.live = [LiveJob(job=(job := make_job(f"j{number}")), stored=job) for number in range(n_live)]
        self.n_freed = 0
        self.slots = JobSlots(n_slots=lambda: n_slots, freed=self._freed)
        for live in self.live:
            self.slots.take(live)

    def _freed(self) -> None:
        self.n_freed += 1


def test_a_slot_is_free_while_its_job_waits() -> None:
    """It is free from the first moment, wanted when the time is up, and held at once where there is one."""
    room = Room(2, 2)

    async def program() -> None:
        waiting = asyncio.create_task(room.slots.give_back(room.live[0], 10.0))
        await asyncio.sleep(9.0)
        assert (room.slots.n_taken, room.n_freed) == (1, 1)
        await waiting
        assert (room.slots.n_taken, room.live[0].slot) == (2, Slot.HELD)

    _, at_s = run_in_virtual_time(program())
    assert at_s == pytest.approx(10.0)


def test_who_is_due_comes_before_new_jobs_and_in_turn() -> None:
    """Without a free slot it waits for the next one, which counts as taken; of several the first that was due."""
    room = Room(2, 4)

    async def program() -> list[LiveJob]:
        came: list[LiveJob] = []

        async def wait(live: LiveJob, pause_s: float) -> None:
            await room.slots.give_back(live, pause_s)
            came.append(live)

        tasks = [asyncio.create_task(wait(room.live[number], 5.0 + number)) for number in (0, 1)]
        await asyncio.sleep(20.0)
        assert (came, room.slots.n_taken) == ([], 4)
        room.slots.release(room.live.pop())
        await asyncio.sleep(2 * LOOK_S)
        assert (came, room.slots.n_taken) == ([room.live[0]], 3)
        room.slots.release(room.live.pop())
        await asyncio.gather(*tasks)
        return came

    came, _ = run_in_virtual_time(program())
    assert came == room.live


def test_not_without_end() -> None:
    """So many jobs may wait; those beyond count as before, so that memory is bounded."""
    room = Room(1, AWAY_PER_SLOT + 3)

    async def program() -> None:
        tasks = [asyncio.create_task(room.slots.give_back(live, 60.0)) for live in room.live]
        await asyncio.sleep(1.0)
        assert room.slots.n_taken == 3
        for task in tasks:
            task.cancel()

    run_in_virtual_time(program())


def test_one_that_ended_while_it_waited_holds_none() -> None:
    """Its wait is cancelled after its slot was released."""
    room = Room(1, 1)

    async def program() -> None:
        waiting = asyncio.create_task(room.slots.give_back(room.live[0], 60.0))
        await asyncio.sleep(1.0)
        room.slots.release(room.live[0])
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert room.slots.n_taken == 0

    run_in_virtual_time(program())
