"""Pulls that go on: under load the report of a batch brings the next one."""

from collections import Counter
from typing import Any

import pytest

from deployments.coordinator import dispatcher, group_commit
from deployments.ports import Outcome, Settled
from deployments.retention.housekeeping import Retention
from deployments.telemetry.reports import BatchReport
from deployments.workers.transcriber import PULL_S, Transcriber
from pipelines.core import Chunk, ModelInfo, SpeechInterval
from pipelines.scheduling.work_item import WorkItem
from pipelines.storage.layout import JobKeys
from tests.fakes.engine import FakeEngine, coded_pcm
from tests.fakes.ledger import ManualClock, MemoryLedger
from tests.fakes.store import MemoryStore
from tests.support.in_process_cluster import MODEL, InProcessCluster, succeeded
from tests.support.waiting import until


class CountingCluster(InProcessCluster):
    """Counts the calls between its Coordinator and its Transcribers."""

    def __init__(self, **options: Any) -> None:
        super().__init__(MemoryLedger(), MemoryStore(), **options)
        self.calls: Counter[str] = Counter()
        self.claim, self.complete = self.count_claim, self.count_complete

    async def work(self, pull_id: str) -> int:
        self.calls["work"] += 1
        return await super().work(pull_id)

    async def count_claim(self, pull_id: str, replica: ModelInfo, max_items: int) -> tuple[WorkItem, ...]:
        self.calls["claim"] += 1
        return await self.coordinator.claim(pull_id, replica, max_items)

    async def count_complete(self, *args: Any, **options: Any) -> Settled:
        self.calls["complete"] += 1
        return await self.coordinator.complete(*args, **options)


async def test_a_batch_costs_one_call_while_others_wait() -> None:
    """A job of fifty chunks, in batches of four: its batches take hardly more calls than there are batches."""
    cluster = CountingCluster()
    cluster.engine.gate.clear()
    cluster.coordinator.retune(max_live_jobs=1, max_pulls={MODEL: 2}, retention=Retention())
    await cluster.coordinator.start()
    submitted = cluster.submit("j", range(1, 501))
    await until(lambda: cluster.store.exists(JobKeys(tenant="t", job_id="j").summary))
    cluster.engine.gate.set()
    (job,) = await cluster.ended(submitted)
    await cluster.coordinator.stop()
    assert succeeded([job])
    assert cluster.words(job) == list(range(1, 501))
    n_batches = len(cluster.engine.batch_sizes)
    assert cluster.calls["complete"] == n_batches >= 13
    assert cluster.calls["claim"] == cluster.calls["work"] < n_batches / 2


async def test_a_free_slot_waits_for_the_next_job() -> None:
    """A job that comes soon after another one is decoded by its pull: Serve is not asked for a replica again."""
    cluster = CountingCluster()
    await cluster.coordinator.start()
    await cluster.ended(cluster.submit("j1", range(1, 21)))
    before = cluster.calls.copy()
    (job,) = await cluster.ended(cluster.submit("j2", range(1, 21)))
    n_claims = cluster.calls["claim"] - before["claim"]
    await cluster.coordinator.stop()
    assert cluster.words(job) == list(range(1, 21))
    assert (cluster.calls["work"], n_claims) == (before["work"], 0)


async def test_a_pull_that_waited_in_vain_ends() -> None:
    """An idle replica has no open call."""
    cluster = CountingCluster()
    await cluster.coordinator.start()
    await cluster.ended(cluster.submit("j", range(1, 21)))
    (replica,) = cluster.replicas
    await until(lambda: replica.n_parked == 1)
    await until(lambda: replica.n_parked == 0)
    await cluster.coordinator.stop()


class Endless:
    """A Coordinator that always has another batch; notes how large a batch each report asks for."""

    def __init__(self, item: WorkItem, clock: ManualClock) -> None:
        self._item = item
        self._clock = clock
        self.asked: list[int] = []

    async def claim(self, pull_id: str, replica: ModelInfo, max_items: int) -> tuple[WorkItem, ...]:
        return (self._item,)

    async def complete(
        self,
        pull_id: str,
        replica: ModelInfo,
        outcomes: tuple[Outcome, ...],
        report: BatchReport | None = None,
        *,
        max_items: int = 0,
        wait_s: float = 0.0,
    ) -> Settled:
        self.asked.append(max_items)
        self._clock.advance(PULL_S / 4)
        return Settled(backlog_s=1.0, items=(self._item,) if max_items else ())


def stored_item(store: MemoryStore) -> WorkItem:
    """Return a row whose samples are stored."""
    keys, pcm = JobKeys(tenant="t", job_id="j"), coded_pcm([1])
    chunk = Chunk(index=0, channel=0, span=0, pieces=(SpeechInterval(start=0, end=len(pcm)),))
    samples = store.put(keys.pcm(0, 0), pcm.tobytes())
    return WorkItem(tenant="t", job_id="j", chunk=chunk, samples=samples, language="en")


async def test_a_pull_ends_though_others_wait() -> None:
    """A replica that is to be stopped is waited for: no pull goes on for ever."""
    store, clock = MemoryStore(), ManualClock()
    source = Endless(stored_item(store), clock)
    transcriber = Transcriber(name=MODEL, engine=FakeEngine(), store=store, source=source, max_rows=4, clock=clock)
    assert await transcriber.work("p") == 5
    assert source.asked == [4, 4, 4, 4, 0]
    transcriber.close()


async def test_one_recording_after_another_waits_for_no_company(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no other job is under way nothing is gathered, however soon one recording follows the other."""
    for module in (dispatcher, group_commit):
        monkeypatch.setattr(module, "GATHER_S", 3600.0)
        monkeypatch.setattr(module, "FAST_S", 3600.0)
    cluster = InProcessCluster(MemoryLedger(), MemoryStore())
    await cluster.coordinator.start()
    for number in range(4):
        assert succeeded(await cluster.ended(cluster.submit(f"j{number}", range(1, 9), minutes="none")))
    await cluster.coordinator.stop()
    cluster.let_go()
