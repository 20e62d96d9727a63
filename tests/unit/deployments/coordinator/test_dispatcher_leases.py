"""Leases of a dispatcher, whatever happens in whatever order: no item is lost, none is out twice."""

import asyncio
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from deployments.coordinator.dispatcher import Dispatcher, ItemKey, PullCall, batch_timeout, key_of
from pipelines.core import Chunk, ModelInfo, SpeechInterval
from pipelines.scheduling.work_item import WorkItem
from tests.support.virtual_time import VirtualTimeLoop

REPLICA = ModelInfo(name="m", device="cpu")
JOBS = ("a", "b", "c")
MAX_ATTEMPTS = 3
PAUSE_S = 1.0
PATIENCE_S = 60.0
AGES_S = 1e5  # longer than any batch may take


def make_item(job_id: str, index: int, seconds: float = 1.0) -> WorkItem:
    chunk = Chunk(index=index, channel=0, span=0, pieces=(SpeechInterval(start=0, end=round(seconds * 16_000)),))
    return WorkItem(tenant="t", job_id=job_id, chunk=chunk)


@pytest.mark.parametrize(
    ("given", "timeout_s"),
    [
        ({"audio_s": 30.0, "ahead_s": 0.0, "slowest_speed": None}, 60 + 30 / 0.5),  # nothing was measured
        ({"audio_s": 30.0, "ahead_s": 0.0, "slowest_speed": 10.0}, 60 + 30 / 1),  # a tenth of the slowest
        ({"audio_s": 30.0, "ahead_s": 20.0, "slowest_speed": 10.0}, 60 + 50 / 1),  # the device decodes another first
        ({"audio_s": 0.0, "ahead_s": 0.0, "slowest_speed": 10.0}, 60),
    ],
)
def test_how_long_a_batch_may_take(given: dict[str, Any], timeout_s: float) -> None:
    """By its audio and the slowest speed so far, whatever the hardware."""
    assert batch_timeout(**given, wait_timeout_s=60.0, min_speed=0.5) == timeout_s


def test_the_speed_of_a_call_counts_what_it_claimed() -> None:
    """Items with an outcome count too; a call that claimed nothing says nothing."""
    pull = PullCall()
    assert pull.speed(5.0) is None
    pull.claim([make_item("a", 0), make_item("a", 1)], now_s=10.0)
    pull.items.clear()
    assert pull.speed(14.0) == 0.5


def test_the_audio_of_a_call_is_that_of_its_leases() -> None:
    """It ends with the last lease at nothing, whatever its floats sum up to: nothing is left to do then."""
    pull = PullCall()
    items = [make_item("a", index, seconds=0.1 * (index + 1)) for index in range(9)]
    pull.claim(items[:5], now_s=1.0)
    pull.claim(items[5:], now_s=2.0)
    for n_left, item in reversed(list(enumerate(items))):
        assert pull.take(key_of(item)) is item
        assert pull.audio_s == pytest.approx(sum(each.audio_s for each in items[:n_left]))
        assert pull.take(key_of(item)) is None
    assert pull.audio_s == 0.0


class Leases(RuleBasedStateMachine):
    """Runs a real dispatcher in virtual time; its Transcriber's calls end when and as a rule says.

    ``tries`` counts the attempts of each item that is neither done, given up nor dropped; ``leases`` is what the
    replicas know: by open call, the items it holds. Those of a call that failed are its own until the pause is over
    (``ending``): an outcome may still arrive.
    """

    def __init__(self) -> None:
        super().__init__()
        self.loop = VirtualTimeLoop()
        self.errors: list[dict[str, Any]] = []
        self.loop.set_exception_handler(lambda loop, context: self.errors.append(context))
        self.calls: dict[str, asyncio.Future[int]] = {}
        self.leases: dict[str, dict[ItemKey, WorkItem]] = {}
        self.ending: dict[str, tuple[float, dict[ItemKey, WorkItem]]] = {}
        self.former: list[tuple[str, WorkItem]] = []
        self.tries: dict[ItemKey, int] = {}
        self.n_made = 0
        self.max_pulls = 2
        self.dispatcher = Dispatcher(
            "m",
            self,
            give_up=self.give_up,
            max_pulls=self.max_pulls,
            batch_size=4,
            max_attempts=MAX_ATTEMPTS,
            decode_slots=2,
            pause_s=PAUSE_S,
            wait_timeout_s=PATIENCE_S,
            clock=self.loop.time,
        )

    # What the dispatcher calls

    async def work(self, pull_id: str) -> int:
        self.calls[pull_id] = call = asyncio.get_running_loop().create_future()
        pause_s = PAUSE_S
        try:
            n_rows = await call
            pause_s = 0.0
            return n_rows
        finally:
            del self.calls[pull_id]
            self.ending[pull_id] = (self.loop.time() + pause_s, self.leases.pop(pull_id, {}))

    def give_up(self, item: WorkItem, why: str) -> None:
        n_tried = self.tries.pop(key_of(item)) + any(key_of(item) in items for _, items in self.ending.values())
        assert n_tried == MAX_ATTEMPTS == len(item.errors)

    def end_leases(self) -> None:
        """Do as the dispatcher does once the pause after a call is over: its items count as tried."""
        for pull_id, (end_s, items) in list(self.ending.items()):
            if self.loop.time() >= end_s:
                del self.ending[pull_id]
                self.former += [(pull_id, item) for item in items.values()]
                self.tries |= {key: self.tries[key] + 1 for key in items if key in self.tries}

    @property
    def out(self) -> dict[ItemKey, WorkItem]:
        """All items that some call holds."""
        leases = [*self.leases.values(), *(items for _, items in self.ending.values())]
        return {key: item for items in leases for key, item in items.items()}

    # Steps

    def do(self, step: Any, *args: Any, wait_s: float = 0.0, **options: Any) -> Any:
        """Call a part of the dispatcher within the loop, then let everything happen that can."""

        async def run() -> Any:
            found = step(*args, **options)
            await asyncio.sleep(wait_s)
            for _ in range(10):
                await asyncio.sleep(0)
            return found

        found = self.loop.run_until_complete(run())
        self.end_leases()
        return found

    def take_one(self, data: st.DataObject) -> WorkItem:
        """End the lease of any item that is out."""
        held = [(pull_id, item) for pull_id, items in self.leases.items() for item in items.values()]
        pull_id, item = data.draw(st.sampled_from(held))
        del self.leases[pull_id][key_of(item)]
        assert self.do(self.dispatcher.settle, pull_id, item)
        return item

    @rule(job=st.sampled_from(JOBS), n_items=st.integers(1, 6))
    def add(self, job: str, n_items: int) -> None:
        items = [make_item(job, self.n_made + i) for i in range(n_items)]
        self.n_made += n_items
        self.tries |= {key_of(item): 0 for item in items}
        self.do(self.dispatcher.add, items)

    @precondition(lambda self: self.calls)
    @rule(data=st.data(), max_items=st.integers(1, 6))
    def claim(self, data: st.DataObject, max_items: int) -> None:
        pull_id = data.draw(st.sampled_from(list(self.calls)))
        self.check_claim(pull_id, self.do(self.dispatcher.claim, pull_id, REPLICA, max_items), max_items)

    def check_claim(self, pull_id: str, items: tuple[WorkItem, ...], max_items: int) -> None:
        """Only items that wait are handed out, each to one call, with the attempts that were made of it."""
        out = self.out
        assert len(items) <= max_items
        for item in items:
            assert key_of(item) not in out
            assert item.attempt == len(item.errors) == self.tries[key_of(item)] < MAX_ATTEMPTS
            assert item.alone == (item.attempt + 1 == MAX_ATTEMPTS)
        if any(item.alone for item in items):
            assert len(items) == 1
            assert not any(item.alone for item in out.values())
        self.leases.setdefault(pull_id, {}).update({key_of(item): item for item in items})

    @precondition(lambda self: any(self.leases.values()))
    @rule(data=st.data())
    def succeed(self, data: st.DataObject) -> None:
        del self.tries[key_of(self.take_one(data))]

    @precondition(lambda self: any(self.leases.values()))
    @rule(data=st.data())
    def fail(self, data: st.DataObject) -> None:
        item = self.take_one(data)
        self.tries[key_of(item)] += 1
        self.do(self.dispatcher.retry, item, "it failed")

    @precondition(lambda self: any(self.leases.values()))
    @rule(data=st.data())
    def meet_an_outage(self, data: st.DataObject) -> None:
        """An outage of the store costs no attempt."""
        self.do(self.dispatcher.postpone, self.take_one(data))

    @precondition(lambda self: self.calls)
    @rule(data=st.data(), broken=st.booleans())
    def end_a_call(self, data: st.DataObject, broken: bool) -> None:
        call = self.calls[data.draw(st.sampled_from(list(self.calls)))]
        self.do(call.set_exception, ConnectionError("lost")) if broken else self.do(call.set_result, 0)

    @rule(seconds=st.sampled_from([PAUSE_S / 2, PAUSE_S, AGES_S]))
    def wait(self, seconds: float) -> None:
        """Ages end every call that claimed, and none that only waits for a replica."""
        holding = {pull_id for pull_id, items in self.leases.items() if items}
        waiting = self.calls.keys() - self.leases.keys()
        self.do(lambda: None, wait_s=seconds)
        assert waiting <= self.calls.keys()
        assert seconds < AGES_S or not holding & self.calls.keys()

    @precondition(lambda self: any(items for _, items in self.ending.values()))
    @rule(data=st.data())
    def report_after_the_call_failed(self, data: st.DataObject) -> None:
        """An outcome counts as long as nobody else has the item; the call claims no more."""
        held = [(pull_id, item) for pull_id, (_, items) in self.ending.items() for item in items.values()]
        pull_id, item = data.draw(st.sampled_from(held))
        del self.ending[pull_id][1][key_of(item)], self.tries[key_of(item)]
        assert self.do(self.dispatcher.settle, pull_id, item)
        assert self.do(self.dispatcher.claim, pull_id, REPLICA, 4) == ()

    @precondition(lambda self: self.former)
    @rule(data=st.data())
    def report_too_late(self, data: st.DataObject) -> None:
        """A call that lost its lease settles nothing, wherever the item is now."""
        pull_id, item = data.draw(st.sampled_from(self.former))
        assert not self.do(self.dispatcher.settle, pull_id, item)
        assert self.do(self.dispatcher.claim, pull_id, REPLICA, 4) == ()

    @rule(job=st.sampled_from(JOBS))
    def drop(self, job: str) -> None:
        """Nothing of a dropped job is handed out again: `check_claim` finds no attempts of it."""
        self.tries = {key: n_tried for key, n_tried in self.tries.items() if key[0] != job}
        for items in (*self.leases.values(), *(items for _, items in self.ending.values())):
            for key in [key for key in items if key[0] == job]:
                del items[key]
        self.do(self.dispatcher.drop, "t", job)

    @rule(max_pulls=st.integers(1, 4))
    def allow(self, max_pulls: int) -> None:
        self.max_pulls = max_pulls
        self.do(self.dispatcher.allow, max_pulls)

    # What must hold

    @invariant()
    def nothing_is_lost_or_doubled(self) -> None:
        """Items that wait are no more than those that are neither out nor ended."""
        assert self.out.keys() <= self.tries.keys()
        assert len(self.dispatcher.queue) <= len(self.tries) - len(self.out)
        assert not self.errors

    @invariant()
    def what_waits_has_a_call_to_take_it(self) -> None:
        """Where a call has just failed, the next one waits until the pause is over."""
        n_idle = sum(not self.leases.get(pull_id) for pull_id in self.calls)
        enough = n_idle or self.ending or self.dispatcher.n_pulls >= self.max_pulls
        assert enough or not len(self.dispatcher.queue)

    def teardown(self) -> None:
        """Healthy replicas finish everything that is left."""
        try:
            self.finish()
        finally:
            self.loop.run_until_complete(self.dispatcher.close())
            self.loop.close()
        assert not self.errors

    def finish(self) -> None:
        for _ in range(10 + self.n_made):
            for pull_id in list(self.calls):
                items = self.do(self.dispatcher.claim, pull_id, REPLICA, 4)
                self.check_claim(pull_id, items, 4)
                for key, item in list(self.leases[pull_id].items()):
                    assert self.do(self.dispatcher.settle, pull_id, item)
                    del self.leases[pull_id][key], self.tries[key]
                self.do(self.calls[pull_id].set_result, len(items))
            self.do(lambda: None, wait_s=PAUSE_S)
            if not self.tries:
                break
        assert not self.tries
        assert not len(self.dispatcher.queue)
        assert self.dispatcher.leased_s == 0


TestLeases = Leases.TestCase
TestLeases.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
