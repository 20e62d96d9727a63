"""Idempotency keys whose first request is still being answered: a mark in the ledger that runs out by itself."""

from typing import Protocol

from pipelines.errors import RequestInFlight


class KeyHolds(Protocol):
    """Marks of requests in flight, one per tenant and key, whichever replica answers. Methods block.

    All raise `LedgerUnavailable`. A mark outlives a killed holder by its ``ttl_s`` at most.
    """

    def hold(self, tenant: str, key: str, holder: str, ttl_s: float) -> None:
        """Mark a key from now on, or longer if ``holder`` has it; raises `RequestInFlight` while another has."""

    def release(self, tenant: str, key: str, holder: str) -> None:
        """Remove a mark; nothing happens where it is another's, or gone."""

    def sweep(self) -> int:
        """Forget marks that ran out, which killed holders left; return how many."""


def in_flight(key: str) -> RequestInFlight:
    """Return the refusal of a request whose key is held by another one."""
    return RequestInFlight(f"a request under the idempotency key {key!r} is being answered; wait for its end")
