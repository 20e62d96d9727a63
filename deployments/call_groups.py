"""`CallGroups`: small requests of several jobs in one call, since each call of another process has its price."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

R = TypeVar("R")


class CallGroups(Generic[R]):
    """Calls for the requests that come while ``at_once`` calls are open together. Belongs to one event loop.

    A request that finds no call open goes at once, with those that come in the same turn of the loop; requests are
    spread evenly over the calls that may be opened, ``largest`` in one at most. A call that takes longer than
    ``counts_s`` seconds no longer counts: one slow request holds back none that come after it. Within ``gather_s``
    seconds of a call no other one is opened, unless it is full: what comes fast waits for company, and is not spread.
    """

    def __init__(
        self,
        call: Callable[[tuple[R, ...]], Awaitable[None]],
        *,
        at_once: int,
        largest: int,
        counts_s: float = math.inf,
        gather_s: float = 0.0,
    ) -> None:
        """Take ``call``, which tells each of its requests what became of it, and raises nothing."""
        self._call = call
        self._at_once = at_once
        self._largest = largest
        self._counts_s = counts_s
        self._gather_s = gather_s
        self._waiting: list[R] = []
        self._open: dict[asyncio.Task[None], list[R]] = {}
        self._slow: set[asyncio.Task[None]] = set()
        self._opening: asyncio.Handle | None = None
        self._opened_s = -math.inf

    def add(self, request: R) -> None:
        """Have a request called for, as soon as there is a call for it."""
        self._waiting.append(request)
        if len(self._waiting) == self._largest and self._opening is not None:
            self._opening.cancel()
            self._opening = None
        self._open_soon()

    def discard(self, request: R) -> None:
        """Forget a request that nobody wants any more; a call of which all are forgotten is cancelled."""
        if request in self._waiting:
            self._waiting.remove(request)
        for task, requests in self._open.items():
            if request in requests:
                requests.remove(request)
                if not requests:
                    task.cancel()

    def _open_soon(self) -> None:
        if not self._waiting or self._opening is not None or self._n_free <= 0:
            return
        loop = asyncio.get_running_loop()
        until_s = self._opened_s + self._gather_s
        if len(self._waiting) >= self._largest or until_s <= loop.time():
            self._opening = loop.call_soon(self._open_calls)
        else:
            self._opening = loop.call_at(until_s, self._open_calls)

    def _open_calls(self) -> None:
        loop = asyncio.get_running_loop()
        self._opening = None
        while self._waiting and (n_free := self._n_free) > 0:
            n_taken = self._largest if self._gather_s else min(self._largest, math.ceil(len(self._waiting) / n_free))
            taken, self._waiting = self._waiting[:n_taken], self._waiting[n_taken:]
            task = asyncio.create_task(self._called(tuple(taken)))
            self._open[task] = taken
            self._opened_s = loop.time()
            task.add_done_callback(self._close)
            if self._counts_s < math.inf:
                loop.call_later(self._counts_s, self._discount, task)

    @property
    def _n_free(self) -> int:
        return self._at_once - len(self._open) + len(self._slow)

    def _discount(self, task: asyncio.Task[None]) -> None:
        if task in self._open:
            self._slow.add(task)
            self._open_soon()

    async def _called(self, requests: tuple[R, ...]) -> None:
        await self._call(requests)

    def _close(self, task: asyncio.Task[None]) -> None:
        del self._open[task]
        self._slow.discard(task)
        self._open_soon()
