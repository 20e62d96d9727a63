"""Marks in a database that several processes share: who has one keeps the others from the same work.

A mark runs out by itself, so that a killed holder blocks nobody for longer than its time; while its process lives it is
renewed three times in that time.
"""

import asyncio
import contextlib
import random
import uuid
from collections.abc import AsyncIterator
from typing import Protocol

import anyio.to_thread
import structlog

from pipelines.errors import LedgerUnavailable, RequestInFlight

log = structlog.get_logger(__name__)


class Marks(Protocol):
    """One holder per scope and key. Methods block and raise `LedgerUnavailable`."""

    def hold(self, tenant: str, key: str, holder: str, ttl_s: float) -> None:
        """Mark a key from now on, or longer if ``holder`` has it; raises `RequestInFlight` while another has."""

    def release(self, tenant: str, key: str, holder: str) -> None:
        """Remove a mark; nothing happens where it is another's, or gone."""


@contextlib.asynccontextmanager
async def marked(marks: Marks, scope: str, key: str, ttl_s: float) -> AsyncIterator[None]:
    """Hold a mark for the block; raises `RequestInFlight` while somebody else has it, `LedgerUnavailable`."""
    holder = uuid.uuid4().hex
    await anyio.to_thread.run_sync(marks.hold, scope, key, holder, ttl_s)
    renewal = asyncio.create_task(_renew(marks, scope, key, holder, ttl_s))
    try:
        yield
    finally:
        renewal.cancel()
        await asyncio.shield(_release(renewal, marks, scope, key, holder))


@contextlib.asynccontextmanager
async def alone(marks: Marks, scope: str, key: str, ttl_s: float, *, poll_s: float = 0.5) -> AsyncIterator[None]:
    """Wait until nobody else has a mark, and hold it for the block; raises `LedgerUnavailable`."""
    async with contextlib.AsyncExitStack() as stack:
        while True:
            try:
                await stack.enter_async_context(marked(marks, scope, key, ttl_s))
                break
            except RequestInFlight:
                await asyncio.sleep(poll_s * random.uniform(0.5, 1.5))  # noqa: S311 - spreads polls, guards nothing
        yield


async def _renew(marks: Marks, scope: str, key: str, holder: str, ttl_s: float) -> None:
    while True:
        await asyncio.sleep(ttl_s / 3)
        try:
            await anyio.to_thread.run_sync(marks.hold, scope, key, holder, ttl_s)
        except RequestInFlight:  # this process stood still for too long, and another one has taken over
            return
        except LedgerUnavailable:
            continue


async def _release(renewal: asyncio.Task[None], marks: Marks, scope: str, key: str, holder: str) -> None:
    await asyncio.wait({renewal})  # its last write must not come after this one
    try:
        await anyio.to_thread.run_sync(marks.release, scope, key, holder)
    except LedgerUnavailable as error:  # the mark runs out
        log.warning("mark left behind", action="hold_orphaned", detail=str(error))
