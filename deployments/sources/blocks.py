"""Joins what the network brings in small pieces, so that a hop to a writing thread pays."""

from collections.abc import AsyncIterator
from typing import Protocol

BLOCK_BYTES = 1 << 20  # hashing and writing it take a few milliseconds


class Content(Protocol):
    """Takes the bytes of a source as they come, and gives those to keep; both methods may refuse them."""

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes; return what is to be kept now."""

    def finish(self) -> bytes:
        """Take that no more come; return the last bytes to be kept."""

    @property
    def decided(self) -> bool:
        """Whether all further bytes are kept as they are."""


async def passed_on(stream: AsyncIterator[bytes], content: Content) -> AsyncIterator[bytes]:
    """Yield what ``content`` makes of a stream."""
    async for piece in stream:
        yield content.feed(piece)
    yield content.finish()


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
