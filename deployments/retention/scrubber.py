"""`Scrubber`: has the ledger's file rewritten after erasures: at once, or a moment later where one follows another."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import anyio.to_thread

from deployments.retention.erasure import SCRUBBED_AT_ONCE_BYTES, scrub
from pipelines.ledger.protocol import Ledger

MAX_SHARE = 0.1
"""Of the time: nobody writes while the file is rewritten, and one tenant may erase thousands of jobs."""


class Scrubber:
    """Scrubs erased rows from the ledger's file; housekeeping does so for ended processes. Belongs to one loop."""

    def __init__(
        self,
        ledger: Ledger,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._sleep = sleep
        self._next_s = float("-inf")
        self._turn = asyncio.Lock()
        self._later: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def scrub(self) -> None:
        """Overwrite what was erased so far; returns when that is done, or is going to be."""
        if self._later is not None:
            return
        if self._turn.locked() or self._clock() < self._next_s:
            self._later = asyncio.create_task(self._scrub_later(), name="scrub")
            self._tasks.add(self._later)
            self._later.add_done_callback(self._tasks.discard)
            return
        async with self._turn:
            await self._scrub()

    async def _scrub_later(self) -> None:
        async with self._turn:
            await self._sleep(max(0.0, self._next_s - self._clock()))
            self._later = None  # what is erased from now on needs another one
            await self._scrub()

    async def _scrub(self) -> None:
        began_s = self._clock()
        await anyio.to_thread.run_sync(scrub, self._ledger, SCRUBBED_AT_ONCE_BYTES)
        ended_s = self._clock()
        self._next_s = ended_s + (ended_s - began_s) * (1.0 / MAX_SHARE - 1.0)
