"""`AuditTrail`: enters deeds that change nothing, such as reads, in the audit log without a write for each.

Deeds wait in the memory of the process for a second at most and are entered together. While the ledger is away they
wait on, `MAX_WAITING` of them; then whoever would do another is refused: nothing is read that cannot be entered. A
process that is killed loses the deeds of its last second, or those that wait for the ledger; one that ends enters them.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import anyio.to_thread
import structlog

from pipelines.audit import AuditLog, Deed
from pipelines.errors import MeetMemoError

FLUSH_S = 1.0
RETRY_S = 5.0
MAX_WAITING = 10_000

log = structlog.get_logger()


class AuditTrail:
    """Enters deeds soon. Belongs to one event loop; ``clock`` gives Unix seconds.

    The same deed by the same actor within a moment, such as the ranges of a recording that is played, is one entry that
    counts how often. A deed is entered twice where the ledger did not say that it was entered, and never lost then.
    """

    def __init__(
        self,
        audit: AuditLog,
        clock: Callable[[], float] = time.time,
        *,
        max_waiting: int = MAX_WAITING,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._audit = audit
        self._clock = clock
        self.max_waiting = max_waiting
        self._sleep = sleep
        self._waiting: dict[Deed, Deed] = {}
        self._entering: list[Deed] = []
        self._turn = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    @property
    def n_waiting(self) -> int:
        """How many deeds are not entered yet."""
        return len(self._waiting) + len(self._entering)

    async def record(self, deed: Deed) -> None:
        """Have a deed entered soon; raises `LedgerUnavailable` where too many wait already."""
        if self.n_waiting >= self.max_waiting:
            await self.flush()
        same = replace(deed, request_id="", at_s=None, n_times=1)
        known = self._waiting.get(same)
        if known is None:
            self._waiting[same] = replace(deed, at_s=self._clock() if deed.at_s is None else deed.at_s)
        else:
            self._waiting[same] = replace(known, n_times=known.n_times + deed.n_times)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._flush_later(), name="audit")

    async def flush(self) -> None:
        """Enter every deed that waits; raises `LedgerUnavailable`, and then they wait on."""
        async with self._turn:
            self._entering += self._waiting.values()
            self._waiting = {}
            if self._entering:
                await anyio.to_thread.run_sync(self._audit.append, tuple(self._entering))
                self._entering = []

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Enter what waits when the context ends."""
        try:
            yield
        finally:
            try:
                await self.flush()
            except MeetMemoError as error:
                log.error("deeds are not in the audit log", action="audit", n_lost=self.n_waiting, error=str(error))

    async def _flush_later(self) -> None:
        pause_s = FLUSH_S
        while self.n_waiting:
            await self._sleep(pause_s)
            try:
                await self.flush()
                pause_s = FLUSH_S
            except MeetMemoError as error:
                pause_s = RETRY_S
                log.warning("audit log put off", action="audit", n_waiting=self.n_waiting, error=str(error))
