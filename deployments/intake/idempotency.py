"""Idempotency-Key (draft-ietf-httpapi-idempotency-key-header): the header, and the mark of a request in flight."""

import contextlib
from collections.abc import AsyncIterator, Mapping

from pipelines.errors import InvalidRequest
from pipelines.ledger.request_locks import KeyHolds
from pipelines.ledger.rules import MAX_IDEMPOTENCY_KEY
from pipelines.marks import marked

HOLD_S = 15.0
"""How long a key is refused after its first request failed with its replica, or could not record its end in the ledger.

Short, since many clients take any 4xx for the last word; it is renewed three times in that time.
"""


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

    The mark is renewed as long as this process lives, since uploads take long; where the process stood still for too
    long, the ledger still makes one job of both requests. Raises `RequestInFlight`.
    """
    if key is None:
        yield
        return
    async with marked(holds, tenant, key, hold_s):
        yield
