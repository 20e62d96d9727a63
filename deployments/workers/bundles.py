"""`bundled`: the items of a stream that come shortly after one another, together."""

import asyncio
from collections.abc import AsyncGenerator
from typing import TypeVar

T = TypeVar("T")


async def bundled(items: AsyncGenerator[T], linger_s: float) -> AsyncGenerator[tuple[T, ...]]:
    """Yield tuples of items: each holds what came within ``linger_s`` seconds of its first item.

    What the stream raises comes after the items before it. Whoever stops reading ends the stream.
    """
    loop = asyncio.get_running_loop()
    bundle: list[T] = []
    until_s = 0.0
    coming: asyncio.Task[T] | None = None
    try:
        while True:
            coming = coming or asyncio.ensure_future(anext(items))
            await asyncio.wait({coming}, timeout=max(0.0, until_s - loop.time()) if bundle else None)
            if coming.done():
                try:
                    bundle.append(coming.result())
                except BaseException as error:
                    if bundle:
                        yield tuple(bundle)
                    if isinstance(error, StopAsyncIteration):
                        return
                    raise
                coming = None
                if len(bundle) == 1:
                    until_s = loop.time() + linger_s
            else:
                yield tuple(bundle)
                bundle = []
    finally:
        if coming is not None and not coming.done():
            coming.cancel()
            await asyncio.wait({coming})
        await items.aclose()
