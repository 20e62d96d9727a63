"""`StorageRetry`: retry an operation while the blob store or the ledger is unavailable, with exponential backoff."""

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar

import structlog

from pipelines.errors import LedgerUnavailable, StoreUnavailable

log = structlog.get_logger()
P = ParamSpec("P")
T = TypeVar("T")


class StorageRetry:
    """Retries without end; ``store_ok`` and ``ledger_ok`` tell what the last attempts met.

    Pauses double up to ``longest_pause_s`` and have full jitter (Brooker, "Exponential Backoff And Jitter", 2015):
    otherwise all replicas would come back in the same instant after a database restart. ``rng`` draws them.
    """

    def __init__(
        self, first_pause_s: float = 0.5, longest_pause_s: float = 15.0, rng: random.Random | None = None
    ) -> None:
        self.store_ok = True
        self.ledger_ok = True
        self._first_pause_s = first_pause_s
        self._longest_pause_s = longest_pause_s
        self._rng = rng or random.Random()  # noqa: S311 - spreads retries, keeps no secret

    async def in_thread(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a blocking call in a thread until it does not raise `StoreUnavailable` or `LedgerUnavailable`."""
        return await self.repeat(lambda: asyncio.to_thread(function, *args, **kwargs))

    async def repeat(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """The same for what can be awaited; ``attempt`` makes a fresh awaitable each time."""
        for n_failures in itertools.count():
            try:
                result = await attempt()
            except (StoreUnavailable, LedgerUnavailable) as error:
                await self.rest(error, n_failures)
            else:
                self.store_ok = self.ledger_ok = True
                return result
        raise AssertionError("counting does not end")

    async def rest(self, error: StoreUnavailable | LedgerUnavailable, n_failures: int) -> None:
        """Note what is away, and pause the longer the more failures came before."""
        if isinstance(error, StoreUnavailable):
            self.store_ok = False
        else:
            self.ledger_ok = False
        pause_s = self.pause_s(n_failures)
        log.warning("waiting for storage", action="wait", error=str(error), pause_s=pause_s)
        await asyncio.sleep(pause_s)

    def pause_s(self, n_failures: int) -> float:
        """Draw the pause, in seconds, before the attempt that follows ``n_failures`` + 1 failures in a row."""
        ceiling_s = min(self._first_pause_s * 2.0 ** min(n_failures, 16), self._longest_pause_s)
        return self._rng.uniform(0.1, 1.0) * ceiling_s
