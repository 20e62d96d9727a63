"""Idempotency keys whose first request is still being answered: a mark in the ledger that runs out by itself.

Other work that several processes must not do at once is marked here, too: see `pipelines.marks`.
"""

from typing import Protocol

from pipelines.errors import RequestInFlight
from pipelines.marks import Marks


class KeyHolds(Marks, Protocol):
    """Marks of requests in flight, one per tenant and key, whichever replica answers. Methods block.

    All raise `LedgerUnavailable`. A mark outlives a killed holder by its ``ttl_s`` at most.
    """

    def sweep(self) -> int:
        """Forget marks that ran out, which killed holders left; return how many."""


def in_flight(key: str) -> RequestInFlight:
    """Return the refusal of a request whose key is held by another one."""
    return RequestInFlight(f"a request under the idempotency key {key!r} is being answered; wait for its end")
