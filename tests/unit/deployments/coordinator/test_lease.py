"""The Coordinator's lease: when the ledger is asked, and when it is not."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from deployments.coordinator.lease import LeaderLease
from pipelines.errors import Fenced
from pipelines.ledger.protocol import Lease
from tests.fakes.ledger import MemoryLedger

TTL_S = 0.6


class Counting(MemoryLedger):
    """Counts heartbeats."""

    n_heartbeats = 0

    def heartbeat(self, lease: Lease) -> Lease:
        self.n_heartbeats += 1
        return super().heartbeat(lease)


@pytest.fixture
async def held() -> AsyncIterator[tuple[LeaderLease, Counting]]:
    """A lease that nobody keeps alive."""
    ledger = Counting()
    leader = LeaderLease(ledger, "first", TTL_S)
    await leader.acquire()
    assert leader._beat is not None
    leader._beat.cancel()
    yield leader, ledger
    await leader.release()


async def test_a_fresh_lease_needs_no_confirmation(held: tuple[LeaderLease, Counting]) -> None:
    """Nobody else can hold it while more than a third of it is left; then the ledger is asked, and it is fresh."""
    leader, ledger = held
    await leader.confirm()
    assert ledger.n_heartbeats == 0
    await asyncio.sleep(0.8 * TTL_S)
    await leader.confirm()
    assert ledger.n_heartbeats == 1
    await leader.confirm()
    assert ledger.n_heartbeats == 1


async def test_a_lease_that_another_took_is_not_confirmed(held: tuple[LeaderLease, Counting]) -> None:
    """After a freeze the ledger is asked, and says so."""
    leader, ledger = held
    await asyncio.sleep(1.2 * TTL_S)
    assert ledger.acquire_lease("second", TTL_S)
    with pytest.raises(Fenced):
        await leader.confirm()
