"""Limit the calls at once of one process, by what the server refuses."""

import contextlib
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from pipelines.minutes.provider.call_limit import CallLimit
from pipelines.minutes.provider.call_queue import CallQueue


class Limiter(Protocol):
    """Gives calls their places, and learns from their outcomes how many there may be."""

    def slot(self, *, urgent: bool = False) -> AbstractAsyncContextManager[int]:
        """Wait for a place; yields the round it belongs to, which `refused` asks for."""

    def grow(self) -> None:
        """Raise the limit after a call that succeeded."""

    def refused(self, round_: int) -> None:
        """Lower the limit if too many calls of the current round were refused for overload."""


class AdaptiveLimit:
    """Lets calls in, at most `limit` at once; belongs to one event loop. Implements `Limiter` for one process."""

    def __init__(self, most: int) -> None:
        """Start at ``most`` calls, and never allow more."""
        self._most = most
        self._state = CallLimit.starting_at(most)
        self._queue = CallQueue(most)

    @property
    def limit(self) -> int:
        """Calls allowed at once, now."""
        return self._state.n_calls

    @property
    def n_running(self) -> int:
        """Calls on their way, now."""
        return self._queue.n_running

    @contextlib.asynccontextmanager
    async def slot(self, *, urgent: bool = False) -> AsyncIterator[int]:
        """See `Limiter.slot`."""
        await self._queue.enter(urgent=urgent)
        try:
            yield self._state.round
        finally:
            self._queue.leave()

    def grow(self) -> None:
        """See `Limiter.grow`."""
        self._become(self._state.answered(self._most))

    def refused(self, round_: int) -> None:
        """See `Limiter.refused`."""
        self._become(self._state.refused(round_, self._queue.n_running))

    def _become(self, state: CallLimit) -> None:
        self._state = state
        self._queue.resize(state.n_calls)
