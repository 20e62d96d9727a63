"""Calls that wait for a place, first come first served."""

import asyncio
from collections import deque


class CallQueue:
    """Lets calls in as long as fewer than ``places`` run; belongs to one event loop.

    Calls that go on with something begun come before new ones: put off to the end, they would all run last.
    """

    def __init__(self, places: int) -> None:
        self._places = places
        self._n_running = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._urgent: deque[asyncio.Future[None]] = deque()

    @property
    def n_running(self) -> int:
        """Calls on their way, now."""
        return self._n_running

    @property
    def n_waiting(self) -> int:
        """Calls that wait, now."""
        return len(self._waiting) + len(self._urgent)

    @property
    def is_full(self) -> bool:
        """Whether a call that comes now has to wait."""
        return self._n_running >= self._places or self.n_waiting > 0

    def resize(self, places: int) -> None:
        """Have so many places from now on; whoever runs goes on."""
        self._places = places
        self._admit()

    async def enter(self, *, urgent: bool = False) -> None:
        """Wait for a place, which `leave` gives back."""
        if not self.is_full:
            self._n_running += 1
            return
        queue = self._urgent if urgent else self._waiting
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

    def leave(self) -> None:
        """Give a place back."""
        self._n_running -= 1
        self._admit()

    def _admit(self) -> None:
        while (queue := self._urgent or self._waiting) and self._n_running < self._places:
            place = queue.popleft()
            if not place.done():
                self._n_running += 1
                place.set_result(None)
