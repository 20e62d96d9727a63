"""Storage fails at every call site in turn: the job waits, ends right and leaves nothing behind."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from deployments.artifacts.storage_retry import StorageRetry
from pipelines.backoff import Backoff
from pipelines.errors import LedgerUnavailable, StoreUnavailable
from pipelines.storage.layout import JobKeys
from tests.fakes.engine import FakeEngine
from tests.fakes.ledger import MemoryLedger
from tests.fakes.store import MemoryStore
from tests.support.in_process_cluster import InProcessCluster, succeeded
from tests.support.waiting import until

NUMBERS = range(1, 41)  # four chunks in two spans
BLOB_CALLS = ("put", "put_all", "get", "get_range", "exists", "list", "delete", "delete_prefix")
LEDGER_CALLS = (
    "migrate",
    "acquire_lease",
    "heartbeat",
    "claim",
    "live",
    "cancel_requests",
    "apply_many",
    "record",
    "get",
    "list",
)


class Faulty:
    """Stands before a store or a ledger; its ``n``-th call fails, before or after it was carried out."""

    def __init__(self, inner: Any, names: tuple[str, ...], error: Callable[[str], Exception]) -> None:
        self.inner = inner
        self._names = names
        self._error = error
        self._lock = threading.Lock()
        self.n = 0  # the call that fails; 0: none
        self.after = False
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        real = getattr(self.inner, name)
        if name not in self._names:
            return real

        def call(*args: Any, **kwargs: Any) -> Any:
            with self._lock:
                self.calls.append(name)
                fails = len(self.calls) == self.n
            if fails and not self.after:
                raise self._error(f"{name} failed")
            result = real(*args, **kwargs)
            if fails:
                raise self._error(f"{name} failed, but only its answer was lost")
            return result

        return call


async def run(n_store: int, n_ledger: int, *, after: bool) -> tuple[int, int]:
    """One job, one fault; returns how many calls there were of each kind."""
    ledger = Faulty(MemoryLedger(), LEDGER_CALLS, LedgerUnavailable)
    store = Faulty(MemoryStore(), BLOB_CALLS, StoreUnavailable)
    cluster = InProcessCluster(
        ledger,
        store,
        languages=("de", "en"),
        engine=FakeEngine(languages=("de", "en"), poison=[15]),
        storage_retry=StorageRetry(Backoff(first_s=0.001, longest_s=15.0)),
    )
    cluster.ledger, cluster.store = ledger.inner, store.inner  # the test's own looks do not fail
    job = cluster.submit("j", NUMBERS, minutes="none", diarize="auto")
    ledger.n, store.n, ledger.after, store.after = n_ledger, n_store, after, after
    where = f"store call {n_store}, ledger call {n_ledger}"
    keys = JobKeys(tenant="t", job_id="j")
    await cluster.coordinator.start()
    try:
        (ended,) = await cluster.ended(job)
        assert succeeded([ended]), f"{where}: {ended}"
        assert cluster.words(job) == [*range(1, 11), *range(21, 41)], where
        assert ended.n_failed_chunks == 1, where
        assert [event.name for event in cluster.ledger.events("t", "j")].count("succeeded") == 1, where
        assert cluster.store.exists(keys.kept), where
        await until(lambda: not cluster.store.exists(keys.source) and not list(cluster.store.list(keys.work)))
    finally:
        await cluster.coordinator.stop()
    return len(store.calls), len(ledger.calls)


@pytest.mark.parametrize("after", [False, True], ids=["refused", "answer lost"])
async def test_the_store_fails_once_at_every_call(after: bool) -> None:
    """Each call of the store that a job makes, from its claim to its end, may fail once."""
    n_calls, _ = await run(0, 0, after=after)
    assert n_calls > 30
    for n in range(1, n_calls + 1):
        async with asyncio.timeout(60):
            await run(n, 0, after=after)


@pytest.mark.parametrize("after", [False, True], ids=["refused", "answer lost"])
async def test_the_ledger_fails_once_at_every_call(after: bool) -> None:
    """The same for each call of the ledger, also when it did what was asked and only the answer is lost."""
    _, n_calls = await run(0, 0, after=after)
    assert n_calls >= 8
    for n in range(1, min(n_calls, 60) + 1):
        async with asyncio.timeout(60):
            await run(0, n, after=after)
