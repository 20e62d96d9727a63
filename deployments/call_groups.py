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
    ``counts_s`` seconds no longer counts: one slow request holds back none that come after it.
    """

    def __init__(
        self,
        call: Callable[[tuple[R, ...]], Awaitable[None]],
        *,
        at_once: int,
        largest: int,
        counts_s: float = math.inf,
    ) -> None:
        """Take ``call``, which tells each of its requests what became of it, and raises nothing."""
        self._call = call
        self._at_once = at_once
        self._largest = largest
        self._counts_s = counts_s
        self._waiting: list[R] = []
        self._open: dict[asyncio.Task[None], list[R]] = {}
        self._slow: set[asyncio.Task[None]] = set()
        self._opening = False

    def add(self, request: R) -> None:
        """Have a request called for, as soon as there is a call for it."""
        self._waiting.append(request)
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
        if self._waiting and not self._opening and self._n_free > 0:
            self._opening = True
            asyncio.get_running_loop().call_soon(self._open_calls)

    def _open_calls(self) -> None:
        self._opening = False
        while self._waiting and (n_free := self._n_free) > 0:
            n_taken = min(self._largest, math.ceil(len(self._waiting) / n_free))
            taken, self._waiting = self._waiting[:n_taken], self._waiting[n_taken:]
            task = asyncio.create_task(self._called(tuple(taken)))
            self._open[task] = taken
            task.add_done_callback(self._close)
            if self._counts_s < math.inf:
                asyncio.get_running_loop().call_later(self._counts_s, self._discount, task)

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
