"""`ExclusiveSlot`: batches that decode side by side in one process, and ones that must be alone in it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator


class ExclusiveSlot:
    """Lets batches run beside one another; one that is alone waits for those that run, and holds up those that come.

    A row that is tried for the last time may be the one that kills its process: it must take no other batch with it,
    and no other batch may take it. Belongs to one event loop.
    """

    def __init__(self) -> None:
        self._changed = asyncio.Condition()
        self._running = 0
        self._exclusive_running = False
        self._exclusive_waiting = 0

    @contextlib.asynccontextmanager
    async def acquire(self, *, exclusive: bool) -> AsyncIterator[None]:
        """Wait until the batch may run, and hold the slot; ``exclusive``: while no other batch does."""
        async with self._changed:
            self._exclusive_waiting += exclusive
            try:
                await self._changed.wait_for(self._exclusive_may_run if exclusive else self._others_may_run)
            finally:
                self._exclusive_waiting -= exclusive
                self._changed.notify_all()
            self._running += 1
            self._exclusive_running = exclusive
        try:
            yield
        finally:
            async with self._changed:
                self._running -= 1
                self._exclusive_running = False
                self._changed.notify_all()

    def _exclusive_may_run(self) -> bool:
        return self._running == 0

    def _others_may_run(self) -> bool:
        return not self._exclusive_running and not self._exclusive_waiting
