"""`Turns`: batches that decode side by side in one process, and ones that must be alone in it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator


class Turns:
    """Lets batches run beside one another; one that is alone waits for those that run, and holds up those that come.

    A row that is tried for the last time may be the one that kills its process: it must take no other batch with it,
    and no other batch may take it. Belongs to one event loop.
    """

    def __init__(self) -> None:
        self._changed = asyncio.Condition()
        self._running = 0
        self._alone_running = False
        self._alone_waiting = 0

    @contextlib.asynccontextmanager
    async def turn(self, *, alone: bool) -> AsyncIterator[None]:
        """Wait for a turn and hold it."""
        async with self._changed:
            self._alone_waiting += alone
            try:
                await self._changed.wait_for(self._alone_may_run if alone else self._others_may_run)
            finally:
                self._alone_waiting -= alone
                self._changed.notify_all()
            self._running += 1
            self._alone_running = alone
        try:
            yield
        finally:
            async with self._changed:
                self._running -= 1
                self._alone_running = False
                self._changed.notify_all()

    def _alone_may_run(self) -> bool:
        return self._running == 0

    def _others_may_run(self) -> bool:
        return not self._alone_running and not self._alone_waiting
