"""Wait for a condition that has no event of its own."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable

POLL_S = 0.005


async def until(
    predicate: Callable[[], object | Awaitable[object]], timeout_s: float = 30.0, *, poll_s: float = POLL_S
) -> None:
    """Poll until ``predicate()``, or what it brings when it is awaited, is true.

    Raises:
        TimeoutError: it did not become true within ``timeout_s``.
    """
    async with asyncio.timeout(timeout_s):
        while True:
            answer = predicate()
            if await answer if inspect.isawaitable(answer) else answer:
                return
            await asyncio.sleep(poll_s)
