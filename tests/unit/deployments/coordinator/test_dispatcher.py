"""Pulls: batches form late, and what a dead replica held comes back."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from deployments.coordinator.dispatcher import Dispatcher
from pipelines.core import Chunk, ModelInfo, SpeechInterval
from pipelines.scheduling.work_item import WorkItem
from tests.support.virtual_time import in_virtual_time
from tests.support.waiting import until

REPLICA = ModelInfo(name="m", device="cpu")


def item(index: int, job_id: str = "job") -> WorkItem:
    chunk = Chunk(index=index, channel=0, span=0, pieces=(SpeechInterval(start=0, end=16_000),))
    return WorkItem(tenant="t", job_id=job_id, chunk=chunk)


class ScriptedTranscriber:
    """Runs the test's function for every pull."""

    def __init__(self) -> None:
        self.n_calls = 0
        self.run: Callable[[str], Awaitable[int]] = self._nothing

    async def work(self, pull_id: str) -> int:
        self.n_calls += 1
        return await self.run(pull_id)

    async def _nothing(self, pull_id: str) -> int:
        return 0


class Desk:
    """A dispatcher with everything its tests look at."""

    def __init__(
        self,
        max_pulls: int = 2,
        batch_size: int = 4,
        max_attempts: int = 3,
        decode_slots: int = 1,
        wait_timeout_s: float = 3600.0,
        pause_s: float = 0.0,
        min_speed: float = 1e6,
    ) -> None:
        self.transcriber = ScriptedTranscriber()
        self.given_up: list[tuple[WorkItem, str]] = []
        self.done: list[int] = []
        self.dispatcher = Dispatcher(
            "m",
            self.transcriber,
            give_up=lambda item, why: self.given_up.append((item, why)),
            max_pulls=max_pulls,
            batch_size=batch_size,
            max_attempts=max_attempts,
            decode_slots=decode_slots,
            pause_s=pause_s,
            wait_timeout_s=wait_timeout_s,
            min_speed=min_speed,
            clock=asyncio.get_running_loop().time,
        )

    def serve(self, pull_id: str, max_items: int = 4) -> list[WorkItem]:
        """Claim and settle one batch, as a healthy replica does."""
        items = self.dispatcher.claim(pull_id, REPLICA, max_items)
        self.done += [item.chunk.index for item in items if self.dispatcher.settle(pull_id, item)]
        return list(items)


@in_virtual_time
async def test_more_replicas_get_more_pulls() -> None:
    """A running dispatcher keeps as many calls open as it is allowed to now."""
    desk, gate = Desk(max_pulls=1, batch_size=1), asyncio.Event()

    async def work(pull_id: str) -> int:
        await gate.wait()
        return len(desk.serve(pull_id, 1))

    desk.transcriber.run = work
    desk.dispatcher.add([item(index) for index in range(4)])
    assert desk.dispatcher.n_pulls == 1
    desk.dispatcher.allow(3)
    assert desk.dispatcher.n_pulls == 3
    desk.dispatcher.allow(1)
    gate.set()
    await until(lambda: len(desk.done) == 4)


@in_virtual_time
async def test_all_items_are_served_once() -> None:
    """Healthy replicas work off everything that was queued, each item once."""
    desk = Desk()

    async def work(pull_id: str) -> int:
        await asyncio.sleep(0)
        return len(desk.serve(pull_id))

    desk.transcriber.run = work
    desk.dispatcher.add([item(index) for index in range(50)])
    await until(lambda: len(desk.done) == 50)
    assert sorted(desk.done) == list(range(50))
    assert desk.dispatcher.leased_s == 0


@in_virtual_time
async def test_pulls_are_bounded() -> None:
    """However much waits, no more calls are open than the bound."""
    desk = Desk(max_pulls=3)
    blocked = asyncio.Event()

    async def work(pull_id: str) -> int:
        await blocked.wait()
        return len(desk.serve(pull_id))

    desk.transcriber.run = work
    desk.dispatcher.add([item(index) for index in range(100)])
    desk.dispatcher.add([item(index) for index in range(100, 200)])
    await asyncio.sleep(0.05)
    assert desk.transcriber.n_calls == 3
    blocked.set()
    await until(lambda: len(desk.done) == 200)


@in_virtual_time
async def test_what_fills_no_batch_is_divided_among_the_slots() -> None:
    """Three rows on a replica of two decode slots are two batches at once; with plenty waiting, batches are full."""
    desk = Desk(max_pulls=4, batch_size=16, decode_slots=2)
    sizes: list[int] = []
    opened = asyncio.Event()

    async def work(pull_id: str) -> int:
        await opened.wait()
        sizes.append(len(desk.serve(pull_id, 16)))
        return sizes[-1]

    desk.transcriber.run = work
    desk.dispatcher.add([item(index) for index in range(3)])
    await asyncio.sleep(0)
    assert desk.transcriber.n_calls == 2
    opened.set()
    await until(lambda: len(desk.done) == 3)
    assert sizes == [2, 1]
    desk.dispatcher.add([item(index) for index in range(3, 67)])
    await until(lambda: len(desk.done) == 67)
    assert sizes[2:4] == [16, 16]


@in_virtual_time
async def test_a_dead_replicas_items_come_back() -> None:
    """A call that fails after its claim loses nothing: its items are served by later calls."""
    desk = Desk()
    deaths = iter([True, False])

    async def work(pull_id: str) -> int:
        if next(deaths, False):
            desk.dispatcher.claim(pull_id, REPLICA, 4)
            raise RuntimeError("the replica died")
        return len(desk.serve(pull_id))

    desk.transcriber.run = work
    desk.dispatcher.add([item(index) for index in range(10)])
    await until(lambda: len(desk.done) == 10)
    assert sorted(desk.done) == list(range(10))
    assert not desk.given_up


@in_virtual_time
async def test_a_poison_item_is_given_up_after_its_attempts() -> None:
    """An item that kills every replica is given up, with the reason; it does not loop for ever."""
    desk = Desk(max_attempts=3)

    async def work(pull_id: str) -> int:
        if desk.dispatcher.claim(pull_id, REPLICA, 1):
            raise RuntimeError("poison")
        return 0

    desk.transcriber.run = work
    desk.dispatcher.add([item(7)])
    await until(lambda: bool(desk.given_up))
    ((given_up, why),) = desk.given_up
    assert given_up.chunk.index == 7
    assert given_up.attempt == 2
    assert "poison" in why
    assert desk.transcriber.n_calls == 3


@in_virtual_time
async def test_an_unknown_pull_gets_nothing() -> None:
    """A replica that still holds a pull of a former Coordinator takes no work and settles none."""
    desk = Desk()
    desk.transcriber.run = lambda pull_id: asyncio.sleep(3600, 0)
    desk.dispatcher.add([item(1)])
    assert desk.dispatcher.claim("from before", REPLICA, 4) == ()
    assert not desk.dispatcher.settle("from before", item(1))
    await desk.dispatcher.close()


@in_virtual_time
async def test_a_dropped_jobs_outcome_is_ignored() -> None:
    """After a cancel neither waiting nor leased items of the job count any more."""
    desk = Desk()
    claimed = asyncio.Event()
    proceed = asyncio.Event()
    settled: list[bool] = []

    async def work(pull_id: str) -> int:
        items = desk.dispatcher.claim(pull_id, REPLICA, 1)
        claimed.set()
        await proceed.wait()
        settled.extend(desk.dispatcher.settle(pull_id, item) for item in items)
        return len(items)

    desk.transcriber.run = work
    desk.dispatcher.add([item(index) for index in range(6)])
    await claimed.wait()
    desk.dispatcher.drop("t", "job")
    proceed.set()
    await until(lambda: bool(settled))
    assert not any(settled)
    assert len(desk.dispatcher.queue) == 0


@pytest.mark.parametrize("n_rows", [1, 4, 16])
@in_virtual_time
async def test_batches_are_as_large_as_the_replica_takes(n_rows: int) -> None:
    """The replica says how many rows it wants, and gets that many while they last."""
    desk = Desk(max_pulls=1)
    sizes: list[int] = []

    async def work(pull_id: str) -> int:
        sizes.append(len(desk.serve(pull_id, n_rows)))
        return sizes[-1]

    desk.transcriber.run = work
    desk.dispatcher.add([item(index) for index in range(32)])
    await until(lambda: len(desk.done) == 32)
    assert [size for size in sizes if size] == [n_rows] * (32 // n_rows)


@in_virtual_time
async def test_a_batch_that_hangs_comes_back() -> None:
    """A replica that answers nothing loses its batch when the time is up; waiting for a replica is no hanging."""
    desk = Desk(max_pulls=1, wait_timeout_s=0.05)
    hangs = iter([True])
    cancelled = asyncio.Event()

    async def work(pull_id: str) -> int:
        await asyncio.sleep(0.15)  # until a replica has time: longer than a claimed batch may take
        if not next(hangs, False):
            return len(desk.serve(pull_id))
        desk.dispatcher.claim(pull_id, REPLICA, 4)
        try:
            await asyncio.sleep(3600)
        finally:
            cancelled.set()
        return 0

    desk.transcriber.run = work
    desk.dispatcher.add([item(index) for index in range(3)])
    await until(lambda: len(desk.done) == 3)
    assert cancelled.is_set()
    assert desk.transcriber.n_calls == 2


@in_virtual_time
async def test_slow_hardware_gets_its_time() -> None:
    """What batches took so far decides how long one may take: nine times the slowest is no hanging."""
    desk = Desk(max_pulls=1, batch_size=1, wait_timeout_s=0.0, min_speed=5.0)

    async def work(pull_id: str) -> int:
        items = desk.dispatcher.claim(pull_id, REPLICA, 1)
        slow = desk.done and items
        await asyncio.sleep(0.9 if slow else 0.1)  # of 0.2 that one second of audio may take before the first
        desk.done += [item.chunk.index for item in items if desk.dispatcher.settle(pull_id, item)]
        return len(items)

    desk.transcriber.run = work
    desk.dispatcher.add([item(index) for index in range(4)])
    await until(lambda: len(desk.done) == 4)
    assert desk.transcriber.n_calls == 4


@in_virtual_time
async def test_the_last_attempt_is_made_alone() -> None:
    """A chunk that kills every replica takes none of its batch's other chunks into quarantine."""
    desk = Desk(max_pulls=1, batch_size=8, max_attempts=3)
    batches: list[list[int]] = []

    async def work(pull_id: str) -> int:
        items = desk.dispatcher.claim(pull_id, REPLICA, 8)
        batches.append([item.chunk.index for item in items])
        if any(item.chunk.index == 5 for item in items):
            raise RuntimeError("segmentation fault")
        desk.done += [item.chunk.index for item in items if desk.dispatcher.settle(pull_id, item)]
        return len(items)

    desk.transcriber.run = work
    desk.dispatcher.add([item(index) for index in range(8)])
    await until(lambda: len(desk.done) == 7 and bool(desk.given_up))
    assert sorted(desk.done) == [0, 1, 2, 3, 4, 6, 7]
    assert [len(batch) for batch in batches[:2]] == [8, 8]
    assert all(len(batch) <= 1 for batch in batches[2:])
    ((given_up, _),) = desk.given_up
    assert given_up.errors == ("RuntimeError: segmentation fault",) * 3


@in_virtual_time
async def test_a_dropped_job_does_not_come_back_after_an_outage() -> None:
    """An item that waits for the store to answer again is forgotten with its job."""
    desk = Desk()
    desk.transcriber.run = lambda pull_id: asyncio.sleep(3600, 0)
    desk.dispatcher.postpone(item(1))
    desk.dispatcher.drop("t", "job")
    await asyncio.sleep(0.01)
    assert len(desk.dispatcher.queue) == 0
    assert desk.transcriber.n_calls == 0
    await desk.dispatcher.close()


@in_virtual_time
async def test_what_a_batch_leaves_gets_a_pull_of_its_own() -> None:
    """Five rows for two decode slots are divided into three and one; the last one waits for no batch to end."""
    desk = Desk(max_pulls=4, batch_size=4, decode_slots=2)
    sizes: list[int] = []

    async def work(pull_id: str) -> int:
        sizes.append(len(desk.dispatcher.claim(pull_id, REPLICA, 4)))
        await asyncio.sleep(3600)
        return 0

    desk.transcriber.run = work
    desk.dispatcher.add([item(index) for index in range(5)])
    await until(lambda: sum(sizes) == 5)
    assert sizes == [3, 1, 1]
    await desk.dispatcher.close()


@in_virtual_time
async def test_a_call_that_failed_claims_nothing() -> None:
    """A replica whose connection broke may still ask for its batch: it belongs to others now."""
    desk = Desk(max_pulls=1, pause_s=3600.0)
    asked: list[str] = []

    async def work(pull_id: str) -> int:
        asked.append(pull_id)
        raise ConnectionError("lost")

    desk.transcriber.run = work
    desk.dispatcher.add([item(1)])
    await until(lambda: bool(asked))
    await asyncio.sleep(0)
    assert desk.dispatcher.claim(asked[0], REPLICA, 4) == ()
    assert len(desk.dispatcher.queue) == 1
    await desk.dispatcher.close()


@in_virtual_time
async def test_a_parked_pull_gathers_rows_that_come_fast() -> None:
    """A lone row is handed out at once; where rows come one soon after another the next batch holds a few."""
    desk, loop, n_rows = Desk(max_pulls=1), asyncio.get_running_loop(), 9
    batches: list[tuple[float, int]] = []

    async def work(pull_id: str) -> int:
        while len(desk.done) < n_rows:
            if items := desk.serve(pull_id):
                batches.append((loop.time(), len(items)))
            else:
                await desk.dispatcher.park(pull_id, loop.time() + 60.0)
        return n_rows

    desk.transcriber.run = work
    desk.dispatcher.add([item(0)])
    await asyncio.sleep(30.0)
    desk.dispatcher.add([item(1)])
    await asyncio.sleep(1.0)
    for index in range(2, n_rows):
        desk.dispatcher.add([item(index)])
        await asyncio.sleep(0.02)
    await until(lambda: len(desk.done) == n_rows)
    assert batches[:3] == [(0.0, 1), (30.0, 1), (31.0, 1)]
    assert [n for _, n in batches[3:]] == [4, 2]
    assert [at_s for at_s, _ in batches[3:]] == pytest.approx([31.08, 31.2])


@in_virtual_time
async def test_a_full_batch_waits_for_no_more_rows() -> None:
    desk, loop = Desk(max_pulls=1, batch_size=2), asyncio.get_running_loop()
    claimed: list[float] = []

    async def work(pull_id: str) -> int:
        while len(desk.done) < 5:
            if desk.serve(pull_id, 2):
                claimed.append(loop.time())
            else:
                await desk.dispatcher.park(pull_id, loop.time() + 60.0)
        return 5

    desk.transcriber.run = work
    desk.dispatcher.add([item(0)])
    await asyncio.sleep(0.01)
    desk.dispatcher.add([item(1), item(2)])
    await asyncio.sleep(0.01)
    desk.dispatcher.add([item(3), item(4)])
    await until(lambda: len(desk.done) == 5)
    assert claimed == [pytest.approx(0.0), pytest.approx(0.01), pytest.approx(0.02)]
