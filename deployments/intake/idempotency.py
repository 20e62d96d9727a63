"""Idempotency-Key (draft-ietf-httpapi-idempotency-key-header): the header, and the mark of a request in flight."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Mapping

import anyio.to_thread
import structlog

from pipelines.errors import InvalidRequest, LedgerUnavailable, RequestInFlight
from pipelines.ledger.request_locks import KeyHolds
from pipelines.ledger.rules import MAX_IDEMPOTENCY_KEY

HOLD_S = 15.0
"""How long a key is refused after its first request failed with its replica, or could not record its end in the ledger.

Short, since many clients take any 4xx for the last word; it is renewed three times in that time.
"""

log = structlog.get_logger(__name__)


def idempotency_key(headers: Mapping[str, str]) -> str | None:
    """Read the header ``Idempotency-Key``; raises `InvalidRequest`."""
    key = headers.get("idempotency-key")
    if key is None:
        return None
    key = key.strip()
    if len(key) >= 2 and key[0] == key[-1] == '"':  # the draft's structured string; bare keys are common
        key = key[1:-1]
    if not (1 <= len(key) <= MAX_IDEMPOTENCY_KEY and key.isascii() and key.isprintable()):
        raise InvalidRequest(f"Idempotency-Key must have 1 to {MAX_IDEMPOTENCY_KEY} printable ASCII characters.")
    return key


@contextlib.asynccontextmanager
async def held(holds: KeyHolds, tenant: str, key: str | None, hold_s: float = HOLD_S) -> AsyncIterator[None]:
    """Refuse others under the same key while a request is answered; None as key: nothing to refuse.

    The mark is renewed as long as this process lives, since uploads take long. Raises `RequestInFlight`.
    """
    if key is None:
        yield
        return
    holder = uuid.uuid4().hex
    await anyio.to_thread.run_sync(holds.hold, tenant, key, holder, hold_s)
    renewal = asyncio.create_task(_renew(holds, tenant, key, holder, hold_s))
    try:
        yield
    finally:
        renewal.cancel()
        await asyncio.shield(_release(renewal, holds, tenant, key, holder))


async def _renew(holds: KeyHolds, tenant: str, key: str, holder: str, hold_s: float) -> None:
    while True:
        await asyncio.sleep(hold_s / 3)
        try:
            await anyio.to_thread.run_sync(holds.hold, tenant, key, holder, hold_s)
        except RequestInFlight:  # this process stood still for too long; the ledger still makes one job of both
            return
        except LedgerUnavailable:
            continue


async def _release(renewal: asyncio.Task[None], holds: KeyHolds, tenant: str, key: str, holder: str) -> None:
    await asyncio.wait({renewal})  # its last write must not come after this one
    try:
        await anyio.to_thread.run_sync(holds.release, tenant, key, holder)
    except LedgerUnavailable as error:  # the mark runs out
        log.warning("mark of a request left behind", action="hold_orphaned", detail=str(error))
