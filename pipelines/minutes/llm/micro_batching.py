"""Requests that arrive close together are handled together."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")


class MicroBatcher(Generic[Item]):
    """Collects items for ``window_s`` seconds from the first on, or until there are ``max_items``.

    ``handle`` takes them; each item passes its result or error to the task that waits for it. Belongs to one event
    loop.
    """

    def __init__(
        self, handle: Callable[[Sequence[Item]], Coroutine[None, None, None]], *, window_s: float, max_items: int
    ) -> None:
        self._handle = handle
        self._window_s = window_s
        self._max_items = max_items
        self._waiting: list[Item] = []
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, item: Item) -> None:
        """Have an item handled with those that arrive within the window."""
        self._waiting.append(item)
        if len(self._waiting) >= self._max_items:
            self._flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._window_s, self._flush)

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        batch, self._waiting = self._waiting, []
        if batch:
            task = asyncio.create_task(self._handle(batch))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
