"""`LeaderLease`: holds the Coordinator's lease and notices when it is lost."""

import asyncio
import contextlib
import time
from collections.abc import Callable

import structlog

from pipelines.errors import Fenced, LedgerError, LedgerUnavailable, MeetMemoError
from pipelines.ledger.protocol import Lease, Ledger
from pipelines.scheduling.shards import WHOLE, Shard

log = structlog.get_logger()


class LeaderLease:
    """Holds the lease of one Coordinator, which must stop when it loses it: its writes are refused from then on."""

    def __init__(
        self,
        ledger: Ledger,
        owner: str,
        ttl_s: float,
        clock: Callable[[], float] = time.monotonic,
        *,
        shard: Shard = WHOLE,
    ) -> None:
        """Measure by ``clock``: seconds, which also pass while the process is frozen."""
        self._ledger = ledger
        self._owner = owner
        self._ttl_s = ttl_s
        self._shard = shard
        self._clock = clock
        self._lease: Lease | None = None
        self._lost = False
        self._sure_until = 0.0
        self._beat: asyncio.Task[None] | None = None

    @property
    def lease(self) -> Lease:
        """The lease to write with; raises `Fenced` before it was won and after it was lost."""
        if self._lease is None or self._lost:
            raise Fenced(f"{self._owner} does not hold the coordinator's lease")
        return self._lease

    async def ensure_valid(self) -> None:
        """Wait until nobody else can hold the lease: after a freeze, until the ledger confirms it; raises `Fenced`."""
        while self.lease and self._clock() >= self._sure_until:  # noqa: ASYNC110 - the beat, or time, ends it
            await asyncio.sleep(self._ttl_s / 30)

    async def acquire(self) -> None:
        """Take the lease, waiting for those of predecessors to be released or expire, and renew it from now on."""
        while self._lease is None:
            asked = self._clock()
            with contextlib.suppress(LedgerUnavailable):
                self._lease = await asyncio.to_thread(self._ledger.acquire_lease, self._owner, self._ttl_s, self._shard)
                self._sure_until = asked + self._ttl_s
            if self._lease is None:
                await asyncio.sleep(min(1.0, self._ttl_s / 10))
        self._beat = asyncio.create_task(self._keep(), name="heartbeat")

    async def confirm(self) -> None:
        """Raise `Fenced` unless the lease is still ours: checked before writes without a fence.

        The ledger is asked only when the last heartbeat leaves less than a third of the lease to write in.
        """
        if self.lease and self._clock() >= self._sure_until - self._ttl_s / 3:
            await self._renew()

    async def release(self) -> None:
        """Give the lease back, so that a successor need not wait."""
        if self._beat is not None:
            self._beat.cancel()
            await asyncio.gather(self._beat, return_exceptions=True)
        if self._lease is not None and not self._lost:
            with contextlib.suppress(MeetMemoError):
                await asyncio.to_thread(self._ledger.release, self._lease)

    def mark_lost(self) -> None:
        """Note that a write was fenced."""
        if not self._lost:
            log.error("lease lost", action="fence", owner=self._owner)
        self._lost = True

    async def _renew(self) -> None:
        asked = self._clock()
        self._lease = await asyncio.to_thread(self._ledger.heartbeat, self.lease)
        self._sure_until = asked + self._ttl_s

    async def _keep(self) -> None:
        while not self._lost:
            await asyncio.sleep(self._ttl_s / 3)
            try:
                await self._renew()
            except Fenced:
                self.mark_lost()
            except LedgerError as error:
                log.error("ledger unavailable", action="heartbeat", error=str(error))
