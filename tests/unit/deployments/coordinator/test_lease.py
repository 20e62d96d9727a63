"""The Coordinator's lease: when the ledger is asked, and when it is not."""

from collections.abc import AsyncIterator

import pytest

from deployments.coordinator.lease import LeaderLease
from pipelines.errors import Fenced
from pipelines.ledger.protocol import Lease
from tests.fakes.ledger import ManualClock, MemoryLedger

TTL_S = 60.0  # heartbeats keep to the loop's time: none comes before the test has ended


class Counting(MemoryLedger):
    """Counts heartbeats."""

    n_heartbeats = 0

    def heartbeat(self, lease: Lease) -> Lease:
        self.n_heartbeats += 1
        return super().heartbeat(lease)


Held = tuple[LeaderLease, Counting]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def held(clock: ManualClock) -> AsyncIterator[Held]:
    """A lease that nobody keeps alive."""
    ledger = Counting(clock=clock)
    leader = LeaderLease(ledger, "first", TTL_S, clock)
    await leader.acquire()
    yield leader, ledger
    await leader.release()


async def test_a_fresh_lease_needs_no_confirmation(held: Held, clock: ManualClock) -> None:
    """Nobody else can hold it while more than a third of it is left; then the ledger is asked, and it is fresh."""
    leader, ledger = held
    await leader.confirm()
    assert ledger.n_heartbeats == 0
    clock.advance(0.8 * TTL_S)
    await leader.confirm()
    assert ledger.n_heartbeats == 1
    await leader.confirm()
    assert ledger.n_heartbeats == 1


async def test_a_lease_that_another_took_is_not_confirmed(held: Held, clock: ManualClock) -> None:
    """After a freeze the ledger is asked, and says so."""
    leader, ledger = held
    clock.advance(1.2 * TTL_S)
    assert ledger.acquire_lease("second", TTL_S)
    with pytest.raises(Fenced):
        await leader.confirm()
