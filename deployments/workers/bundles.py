"""`bundled`: the items of a stream that come shortly after one another, together; `merged`: several streams as one."""

import asyncio
import contextlib
import math
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import TypeVar

T = TypeVar("T")

AHEAD = 64  # items of merged streams that wait for the reader


async def bundled(items: AsyncGenerator[T], linger_s: Callable[[T], float]) -> AsyncGenerator[tuple[T, ...]]:
    """Yield tuples of items: each goes as soon as one of its items has waited for the others as long as it may.

    ``linger_s`` says how many seconds that is for an item. At the stream's end nothing waits. What the stream raises
    comes after the items before it. Whoever stops reading ends the stream.
    """
    loop = asyncio.get_running_loop()
    bundle: list[T] = []
    until_s = math.inf
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
                until_s = min(until_s, loop.time() + linger_s(bundle[-1]))
            else:
                yield tuple(bundle)
                bundle, until_s = [], math.inf
    finally:
        if coming is not None and not coming.done():
            coming.cancel()
            await asyncio.wait({coming})
        await items.aclose()


async def merged(streams: Sequence[AsyncGenerator[T]]) -> AsyncGenerator[tuple[int, T]]:
    """Yield the items of all streams as they come, each with its stream's place.

    The streams run side by side; whoever stops reading ends them. What one of them raises ends all.
    """
    coming: asyncio.Queue[tuple[int, T] | None] = asyncio.Queue(AHEAD)

    async def read(place: int, stream: AsyncGenerator[T]) -> None:
        async with contextlib.aclosing(stream):
            async for item in stream:
                await coming.put((place, item))

    async def read_all() -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for place, stream in enumerate(streams):
                    group.create_task(read(place, stream))
        finally:
            with contextlib.suppress(asyncio.QueueFull):
                coming.put_nowait(None)

    reading = asyncio.create_task(read_all())
    try:
        while not (reading.done() and coming.empty()):
            found = await coming.get()
            if found is not None:
                yield found
        await reading
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
