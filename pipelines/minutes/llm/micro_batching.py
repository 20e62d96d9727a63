"""Requests that arrive close together are handled together."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(kw_only=True)
class _Waiting(Generic[Item, Result]):
    item: Item
    outcome: "asyncio.Future[Result]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Gatherer(Generic[Item, Result]):
    """Collects items for ``window_s`` seconds from the first on, or until there are ``max_items``.

    ``handle`` takes them and one function for each, which it calls with the item's result or error; it must settle
    every item. Belongs to one event loop.
    """

    def __init__(
        self,
        handle: Callable[[Sequence[Item], Callable[[int, Result | BaseException], None]], Awaitable[None]],
        *,
        window_s: float,
        max_items: int,
    ) -> None:
        self._handle = handle
        self._window_s = window_s
        self._max_items = max_items
        self._waiting: list[_Waiting[Item, Result]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def submit(self, item: Item) -> Result:
        """Wait for the item's result; raises its error."""
        waiting = _Waiting[Item, Result](item=item)
        self._waiting.append(waiting)
        if len(self._waiting) >= self._max_items:
            self._flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._window_s, self._flush)
        return await waiting.outcome

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        batch, self._waiting = self._waiting, []
        if batch:
            task = asyncio.create_task(self._run(batch))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _run(self, batch: list[_Waiting[Item, Result]]) -> None:
        def settle(index: int, outcome: Result | BaseException) -> None:
            future = batch[index].outcome
            if future.done():
                return
            if isinstance(outcome, BaseException):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)

        try:
            await self._handle([waiting.item for waiting in batch], settle)
        except BaseException as error:
            for index in range(len(batch)):
                settle(index, error)
            if not isinstance(error, Exception):
                raise
