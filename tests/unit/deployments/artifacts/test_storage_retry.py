"""`StorageRetry`: an operation is repeated while the store or the ledger is away, with growing pauses in between."""

import itertools

import pytest

from deployments.artifacts.storage_retry import PAUSES, StorageRetry
from pipelines.errors import LedgerUnavailable, StoreUnavailable


@pytest.mark.parametrize(
    ("error", "store_ok", "ledger_ok"), [(StoreUnavailable("s"), False, True), (LedgerUnavailable("l"), True, False)]
)
async def test_outages_are_waited_for(error: Exception, store_ok: bool, ledger_ok: bool) -> None:
    """Pauses stay below a ceiling that grows; meanwhile it shows what is away, afterwards that all is there."""
    slept: list[float] = []
    calls = itertools.count(1)

    async def sleep(seconds: float) -> None:
        assert (storage_retry.store_ok, storage_retry.ledger_ok) == (store_ok, ledger_ok)
        slept.append(seconds)

    async def attempt() -> int:
        if (call := next(calls)) <= 8:
            raise error
        return call

    storage_retry = StorageRetry(sleep=sleep)
    assert await storage_retry.repeat(attempt) == 9
    assert all(pause_s <= PAUSES.ceiling_s(n) for n, pause_s in enumerate(slept, start=1))
    assert len(slept) == 8
    assert storage_retry.store_ok
    assert storage_retry.ledger_ok
