"""Joins what the network brings in small pieces, so that a hop to a writing thread pays."""

from collections.abc import AsyncIterator

BLOCK_BYTES = 1 << 20  # hashing and writing it take a few milliseconds


async def joined(stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield blocks of at least `BLOCK_BYTES`, but for the last one and one before an error of the stream."""
    waiting = bytearray()
    try:
        async for piece in stream:
            waiting += piece
            if len(waiting) >= BLOCK_BYTES:
                yield bytes(waiting)
                waiting.clear()
    except Exception:
        if waiting:
            yield bytes(waiting)
        raise
    if waiting:
        yield bytes(waiting)
