"""Wait for a condition that has no event of its own."""

import asyncio
from collections.abc import Callable

POLL_S = 0.005


async def until(predicate: Callable[[], object], timeout_s: float = 30.0) -> None:
    """Poll until ``predicate()`` is true.

    Raises:
        TimeoutError: it did not become true within ``timeout_s``.
    """
    async with asyncio.timeout(timeout_s):
        while not predicate():  # noqa: ASYNC110 - callers have no event to wait for
            await asyncio.sleep(POLL_S)
