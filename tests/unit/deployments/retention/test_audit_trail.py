"""The audit trail: reads are entered together, counted where they repeat, and refused rather than lost."""

import asyncio

import pytest

from deployments.retention.audit_trail import AuditTrail
from pipelines.errors import LedgerUnavailable
from tests.contracts.keeping import deed
from tests.fakes.ledger import ManualClock, MemoryLedger
from tests.support.waiting import until


@pytest.fixture
def ledger() -> MemoryLedger:
    return MemoryLedger(clock=ManualClock())


def entered(ledger: MemoryLedger) -> list[tuple[str, int, float]]:
    return [(each.deed.object_id, each.deed.n_times, each.at_s) for each in ledger.audit.walk("acme")]


async def test_reads_are_entered_together(ledger: MemoryLedger) -> None:
    """One write for many, with the time of each; the same deed again within the moment is counted."""
    clock, steps = ManualClock(100.0), asyncio.Event()

    async def sleep(_: float) -> None:
        await steps.wait()

    trail = AuditTrail(ledger.audit, clock, sleep=sleep)
    for object_id, request in (("j1", "r1"), ("j2", "r2"), ("j1", "r3")):
        await trail.record(deed(object_id=object_id, request_id=request))
        clock.advance(1)
    assert (entered(ledger), trail.n_waiting) == ([], 2)
    steps.set()
    await until(lambda: trail.n_waiting == 0)
    assert entered(ledger) == [("j1", 2, 100.0), ("j2", 1, 101.0)]


async def test_an_outage_loses_nothing(ledger: MemoryLedger) -> None:
    """Deeds wait while the ledger is away; when too many wait the next one is refused, and then they are entered."""
    again = asyncio.Event()

    async def sleep(_: float) -> None:
        await again.wait()

    trail = AuditTrail(ledger.audit, ManualClock(100.0), max_waiting=2, sleep=sleep)
    ledger.outage = "away"
    for number in range(2):
        await trail.record(deed(object_id=f"j{number}"))
    with pytest.raises(LedgerUnavailable):
        await trail.record(deed(object_id="j2"))
    assert trail.n_waiting == 2
    ledger.outage = ""
    await trail.record(deed(object_id="j2"))
    again.set()
    await until(lambda: trail.n_waiting == 0)
    assert [object_id for object_id, _, _ in entered(ledger)] == ["j0", "j1", "j2"]


async def test_the_end_of_a_process_enters_what_waits(ledger: MemoryLedger) -> None:
    """A process that is stopped leaves nothing unsaid."""
    trail = AuditTrail(ledger.audit)
    async with trail.running():
        await trail.record(deed())
        assert entered(ledger) == []
    assert len(entered(ledger)) == 1
