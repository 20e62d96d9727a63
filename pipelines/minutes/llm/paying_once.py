"""`PayingOnce`: of several processes that are to pay for the same answer, one does."""

import contextlib
from collections.abc import AsyncIterator

from pipelines.errors import LedgerUnavailable, MinutesParked
from pipelines.marks import Marks, alone

HOLD_S = 60.0
"""A process that is killed while it pays keeps others from the same answer for so long."""


class PayingOnce:
    """Lets one payer at a time at each answer, over all processes and within this one.

    Whoever waited finds the answer in the cache, or pays for it, since the other one failed.
    """

    def __init__(self, marks: Marks) -> None:
        self._marks = marks

    @contextlib.asynccontextmanager
    async def turn(self, tenant: str, digest: str) -> AsyncIterator[None]:
        """Wait until nobody else pays for an answer; raises `MinutesParked` where nobody knows."""
        async with contextlib.AsyncExitStack() as stack:
            try:
                # A tab is in no key that a client may choose for its requests.
                await stack.enter_async_context(alone(self._marks, tenant, f"paid\t{digest}", HOLD_S))
            except LedgerUnavailable as error:
                raise MinutesParked(f"it is not known who else pays for the same: {error}") from error
            yield
