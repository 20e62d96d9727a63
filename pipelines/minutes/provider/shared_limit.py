"""`SharedLimit`: lets the calls of one of several processes in, by the places that it has of the limit of all."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable

import structlog

from pipelines.errors import LedgerUnavailable
from pipelines.ids import new_id
from pipelines.minutes.provider.call_queue import CallQueue
from pipelines.minutes.provider.place_table import PLACES_TTL_S, PlaceBook, Turn

TURN_S = 1.0
"""Between turns while calls run."""
WAITING_TURN_S = 0.25
"""The same while some wait for a place that another process may have given back."""
LEAST_PAUSE_S = 0.02
OUTAGE_PAUSE_S = 1.0
GIVE_UP_S = PLACES_TTL_S * 2 / 3
"""Who got no turn for so long starts no call: others may soon have its places."""

log = structlog.get_logger()


class SharedLimit:
    """Lets calls in as the book says; implements `Limiter`, belongs to one event loop.

    Turns are taken while calls run or wait, and none else. A refusal is told at once.
    """

    def __init__(self, book: PlaceBook, most: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Allow at most ``most`` calls at once over all processes; ``clock`` gives seconds."""
        self._book = book
        self._most = most
        self._clock = clock
        self._replica = new_id()
        self._queue = CallQueue(0)
        self._places = 0
        self._round = 0
        self._n_answered = 0
        self._refusals: Counter[int] = Counter()
        self._due = asyncio.Event()
        self._turns: asyncio.Task[None] | None = None
        self._told_s = clock()

    @property
    def n_running(self) -> int:
        """Calls of this process on their way, now."""
        return self._queue.n_running

    @contextlib.asynccontextmanager
    async def slot(self, *, urgent: bool = False) -> AsyncIterator[int]:
        """See `Limiter.slot`."""
        if self._turns is None or self._turns.done():
            self._turns = asyncio.create_task(self._take_turns(), name="places for calls")
        if self._queue.is_full:
            self._due.set()
        await self._queue.enter(urgent=urgent)
        try:
            yield self._round
        finally:
            self._queue.leave()
            if self._queue.n_waiting or self._queue.n_running >= self._places:
                self._due.set()  # the place is another's

    def grow(self) -> None:
        """See `Limiter.grow`."""
        self._n_answered += 1

    def refused(self, round_: int) -> None:
        """See `Limiter.refused`."""
        self._refusals[round_] += 1
        self._due.set()

    async def _take_turns(self) -> None:
        while True:
            self._due.clear()
            pause_s = await self._take_turn()
            if not (self._queue.n_running or self._queue.n_waiting or self._has_news):
                return
            await asyncio.sleep(LEAST_PAUSE_S)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._due.wait(), pause_s)

    @property
    def _has_news(self) -> bool:
        """Whether places are to be given back, or outcomes to be told."""
        return bool(self._places or self._n_answered or self._refusals)

    async def _take_turn(self) -> float:
        """Take a turn; return how long the next one may wait, in seconds."""
        begun_s = self._clock()
        n_running = self._queue.n_running
        self._queue.resize(n_running)  # no more may run than the turn tells
        n_answered, refusals = self._n_answered, self._refusals
        turn = Turn(
            replica=self._replica,
            n_running=n_running,
            n_waiting=self._queue.n_waiting,
            n_answered=n_answered,
            refusals=dict(refusals),
        )
        self._n_answered, self._refusals = 0, Counter()
        try:
            places = await asyncio.to_thread(self._book.take_turn, turn, self._most)
        except Exception as error:  # the calls of all jobs wait for these turns: they must go on
            if not isinstance(error, LedgerUnavailable):
                log.exception("no places for calls", action="llm_places")
            self._n_answered += n_answered
            self._refusals += refusals
            if self._clock() - self._told_s > GIVE_UP_S:
                self._queue.resize(0)
            return OUTAGE_PAUSE_S
        self._told_s = begun_s
        self._places, self._round = places.n, places.round
        self._queue.resize(places.n)
        return WAITING_TURN_S if self._queue.n_waiting else TURN_S
