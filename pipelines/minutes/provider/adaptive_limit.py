"""Limit the calls at once: additive increase, multiplicative decrease (Chiu and Jain 1989).

Between the limit it fell to and the one at which it was refused, the limit comes back quickly (as in CUBIC, RFC 9438),
and a refusal now and then, which any busy server has, shrinks nothing: it must not keep a long queue waiting.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator

DECREASE = 0.85
# Of a place, for each success below the limit that was refused last.
RETURN = 0.25
# More than this many refusals in a round, as a share of the limit, are too many; one is always borne.
BORNE = 0.02


class AdaptiveLimit:
    """Lets calls in, first come first served, at most `limit` at once; belongs to one event loop.

    Calls that go on with something begun come before new ones: put off to the end, they would all run last.

    The limit shrinks at most once for each round: calls that were already on their way when it shrank say nothing
    about the new one.
    """

    def __init__(self, most: int, *, first: int | None = None, least: int = 1) -> None:
        """Start at ``first`` (default: the most) and stay between ``least`` and ``most`` calls."""
        self._most = most
        self._least = least
        self._limit = float(min(most, first or most))
        self._refused_at = self._limit
        self._n_running = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._urgent: deque[asyncio.Future[None]] = deque()
        self._round = 0
        self._pressure = 0.0

    @property
    def limit(self) -> int:
        """Calls allowed at once, now."""
        return max(self._least, int(self._limit))

    @property
    def n_running(self) -> int:
        """Calls on their way, now."""
        return self._n_running

    @contextlib.asynccontextmanager
    async def slot(self, *, urgent: bool = False) -> AsyncIterator[int]:
        """Wait for a place; yields the round it belongs to, which `refused` asks for."""
        await self._enter(self._urgent if urgent else self._waiting)
        try:
            yield self._round
        finally:
            self._n_running -= 1
            self._admit()

    def grow(self) -> None:
        """Raise the limit after a call that succeeded."""
        self._pressure *= 1 - 1 / max(1.0, self._limit)
        step = RETURN if self._limit < self._refused_at - 1 else 1.0 / max(1.0, self._limit)
        self._limit = min(float(self._most), self._limit + step)
        self._admit()

    def refused(self, round_: int) -> None:
        """Lower the limit if too many calls of the current round were refused for overload."""
        if round_ != self._round:
            return
        self._pressure += 1
        if self._pressure > 1 + BORNE * self._limit:
            self._pressure = 0.0
            self._round += 1
            self._refused_at = self._limit
            self._limit = max(float(self._least), min(self._limit, float(self._n_running)) * DECREASE)

    async def _enter(self, queue: "deque[asyncio.Future[None]]") -> None:
        if self._n_running < self.limit and not self._waiting and not self._urgent:
            self._n_running += 1
            return
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():  # let in and cancelled in the same moment
                self._n_running -= 1
            elif place in queue:
                queue.remove(place)
            self._admit()
            raise

    def _admit(self) -> None:
        while (queue := self._urgent or self._waiting) and self._n_running < self.limit:
            place = queue.popleft()
            if not place.done():
                self._n_running += 1
                place.set_result(None)
