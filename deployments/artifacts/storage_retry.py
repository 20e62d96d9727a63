"""`StorageRetry`: retry an operation while the blob store or the ledger is unavailable, with exponential backoff."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar

import structlog

from pipelines.backoff import Backoff
from pipelines.errors import LedgerUnavailable, StoreUnavailable

log = structlog.get_logger()
P = ParamSpec("P")
T = TypeVar("T")
PAUSES = Backoff(first_s=0.5, longest_s=15.0)


class StorageRetry:
    """Retries without end; ``store_ok`` and ``ledger_ok`` say whether the last attempts succeeded."""

    def __init__(self, backoff: Backoff = PAUSES, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Retry after the pauses of ``backoff``, by ``sleep`` (seconds)."""
        self.store_ok = True
        self.ledger_ok = True
        self._backoff = backoff
        self._sleep = sleep

    async def in_thread(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a blocking call in a thread until it does not raise `StoreUnavailable` or `LedgerUnavailable`."""
        return await self.repeat(lambda: asyncio.to_thread(function, *args, **kwargs))

    async def repeat(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Retry an awaitable in the same way; ``attempt`` makes a fresh awaitable each time."""
        for n_failures in itertools.count():
            try:
                result = await attempt()
            except (StoreUnavailable, LedgerUnavailable) as error:
                await self.pause(error, n_failures)
            else:
                self.store_ok = self.ledger_ok = True
                return result
        raise AssertionError("counting does not end")

    async def pause(self, error: StoreUnavailable | LedgerUnavailable, n_failures: int) -> None:
        """Note which storage is unavailable, and pause the longer the more failures came before."""
        if isinstance(error, StoreUnavailable):
            self.store_ok = False
        else:
            self.ledger_ok = False
        pause_s = self._backoff.delay_s(n_failures + 1)
        log.warning("waiting for storage", action="wait", error=str(error), pause_s=pause_s)
        await self._sleep(pause_s)
