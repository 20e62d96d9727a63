"""One limit between several processes: never more calls at once than it allows, nobody left out, no litter."""

import asyncio
import contextlib

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pipelines.errors import LedgerUnavailable
from pipelines.minutes.provider.place_table import PLACES_TTL_S, PlaceTable, Turn
from pipelines.minutes.provider.shared_limit import GIVE_UP_S, SharedLimit
from tests.fakes.spending import MemoryPlaces
from tests.support.virtual_time import run_in_virtual_time

MOST = 7
REPLICAS = ("a", "b", "c", "d")


class SharedPlaces(RuleBasedStateMachine):
    """Replicas that begin and end calls, take turns and die in any order, on one table."""

    def __init__(self) -> None:
        super().__init__()
        self.table = PlaceTable()
        self.now_s = 0.0
        self.running = dict.fromkeys(REPLICAS, 0)
        self.places = dict.fromkeys(REPLICAS, 0)
        self.told = dict.fromkeys(REPLICAS, 0)  # calls that ran at the last turn
        self.names = dict(zip(REPLICAS, REPLICAS, strict=True))

    @rule(replica=st.sampled_from(REPLICAS))
    def begin(self, replica: str) -> None:
        """A call begins where there is a place, and then they are not more than the limit all together."""
        if self.running[replica] < self.places[replica]:
            self.running[replica] += 1
            assert self.table.limit is not None
            held = sum(sharer.n_held for sharer in self.table.sharers.values())
            assert sum(self.running.values()) <= held

    @rule(replica=st.sampled_from(REPLICAS))
    def end(self, replica: str) -> None:
        """A call ends."""
        self.running[replica] = max(0, self.running[replica] - 1)

    @rule(
        replica=st.sampled_from(REPLICAS),
        n_waiting=st.integers(0, 20),
        n_answered=st.integers(0, 3),
        n_refused=st.integers(0, 3),
    )
    def turn(self, replica: str, n_waiting: int, n_answered: int, n_refused: int) -> None:
        """A replica takes a turn; what it gets beside the others' is within the limit."""
        n_running = self.running[replica]
        limit = self.table.limit
        turn = Turn(
            replica=self.names[replica],
            n_running=n_running,
            n_waiting=n_waiting,
            n_answered=n_answered,
            refusals={limit.round: n_refused} if limit and n_refused else {},
        )
        self.table, places = self.table.after(turn, MOST, self.now_s)
        assert self.table.limit is not None
        assert 0 <= places.n <= n_running + n_waiting
        if places.n > n_running:  # it may begin calls
            assert self.table.n_held <= self.table.limit.n_calls
        self.places[replica] = places.n

    @rule(replica=st.sampled_from(REPLICAS))
    def die(self, replica: str) -> None:
        """A replica is killed with its calls, and another one starts in its place."""
        self.running[replica] = self.places[replica] = 0
        self.names[replica] += "'"

    @precondition(lambda self: not any(self.running.values()))
    @rule()
    def long_after(self) -> None:
        """So long after everything that nobody's places count any more."""
        self.now_s += PLACES_TTL_S + 1
        self.places = dict.fromkeys(REPLICAS, 0)
        self.table, places = self.table.after(Turn(replica="new", n_running=0, n_waiting=MOST), MOST, self.now_s)
        assert self.table.limit is not None
        assert places.n == self.table.limit.n_calls
        self.table, _ = self.table.after(Turn(replica="new", n_running=0), MOST, self.now_s)

    @invariant()
    def bounded(self) -> None:
        """The limit stays between one call and the most."""
        assert self.table.limit is None or 1 <= self.table.limit.n_calls <= MOST


TestSharedPlaces = SharedPlaces.TestCase


class Calls:
    """Calls of one second by several replicas of a limit, counted over all of them."""

    def __init__(self, n_replicas: int, most: int) -> None:
        self.outage = False
        loop = asyncio.get_running_loop()
        self.book = MemoryPlaces(clock=loop.time, check=self._check)
        self.limits = [SharedLimit(self.book, most, clock=loop.time) for _ in range(n_replicas)]
        self.running = self.most_running = 0
        self.ended: list[int] = []

    def _check(self) -> None:
        if self.outage:
            raise LedgerUnavailable("away")

    async def call(self, replica: int, seconds: float = 1.0) -> None:
        async with self.limits[replica].slot():
            self.running += 1
            self.most_running = max(self.most_running, self.running)
            await asyncio.sleep(seconds)
            self.running -= 1
            self.ended.append(replica)
            self.limits[replica].grow()

    async def all(self, n_each: int) -> float:
        """Make so many calls by each replica; returns the seconds that it took."""
        begun_s = asyncio.get_running_loop().time()
        await asyncio.gather(*(self.call(replica) for replica in range(len(self.limits)) for _ in range(n_each)))
        took_s = asyncio.get_running_loop().time() - begun_s
        await asyncio.sleep(3.0)
        return took_s


def test_four_replicas_share_one_limit() -> None:
    """Never more calls than the limit run at once, hardly ever fewer while some wait, and each replica has its part."""

    async def program() -> tuple[Calls, float]:
        calls = Calls(4, MOST)
        return calls, await calls.all(70)

    calls, took_s = run_in_virtual_time(program())[0]
    assert calls.most_running == MOST
    assert took_s < 1.5 * 4 * 70 / MOST
    half = calls.ended[: len(calls.ended) // 2]
    assert max(map(half.count, range(4))) < 1.5 * min(map(half.count, range(4)))
    assert not calls.book.table.sharers  # nothing is held by whoever needs nothing


def test_one_place_goes_round() -> None:
    """With fewer places than replicas each has its turn: nobody waits until the others are done."""

    async def program() -> Calls:
        calls = Calls(3, 1)
        await calls.all(6)
        return calls

    calls = run_in_virtual_time(program())[0]
    assert calls.most_running == 1
    assert set(calls.ended[:6]) == {0, 1, 2}


def test_a_replica_alone_has_all_places() -> None:
    """Those who want none keep none from it."""

    async def program() -> tuple[Calls, float]:
        calls = Calls(4, MOST)
        begun_s = asyncio.get_running_loop().time()
        await asyncio.gather(*(calls.call(0) for _ in range(10 * MOST)))
        return calls, asyncio.get_running_loop().time() - begun_s

    calls, took_s = run_in_virtual_time(program())[0]
    assert calls.most_running == MOST
    assert took_s < 15.0


def test_refusals_reach_the_others() -> None:
    """What one replica is refused shrinks the places of another within a second."""

    async def program() -> tuple[int, int]:
        calls = Calls(2, 50)
        others = [asyncio.create_task(calls.call(1)) for _ in range(300)]
        async with calls.limits[0].slot() as round_:
            for _ in range(10):
                calls.limits[0].refused(round_)
            await asyncio.sleep(3.0)
            running = calls.limits[1].n_running
        await asyncio.gather(*others)
        return running, calls.most_running

    running, most = run_in_virtual_time(program())[0]
    assert running < 45 < most


def test_without_a_ledger_no_more_calls_begin() -> None:
    """Calls on their way go on; after a while none begins, since the places may be another's, and then all go on."""

    async def program() -> tuple[list[int], int, int]:
        calls = Calls(1, 2)
        begun = [asyncio.create_task(calls.call(0, 10.0)) for _ in range(8)]
        await asyncio.sleep(1.0)
        calls.outage = True
        running = []
        for _ in range(3):
            await asyncio.sleep(GIVE_UP_S)
            running.append(calls.limits[0].n_running)
        n_before = len(calls.ended)
        calls.outage = False
        await asyncio.gather(*begun)
        return running, n_before, calls.most_running

    running, n_before, most = run_in_virtual_time(program())[0]
    assert running[-2:] == [0, 0]
    assert n_before < 8
    assert most == 2


def test_a_cancelled_wait_leaves_no_place_taken() -> None:
    """Neither for this replica nor for the others."""

    async def program() -> Calls:
        calls = Calls(2, 1)
        tasks = [asyncio.create_task(calls.call(n % 2)) for n in range(6)]
        await asyncio.sleep(0.5)
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await asyncio.sleep(3.0)
        await calls.call(1)
        await asyncio.sleep(3.0)
        return calls

    calls = run_in_virtual_time(program())[0]
    assert calls.ended == [1]
    assert not calls.book.table.sharers
