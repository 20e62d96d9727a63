"""`MetricsSnapshot`: puts together the Coordinator's metrics for Prometheus: its counters and its state."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from deployments.artifacts.parked_minutes import DeferredMinutes
from deployments.artifacts.storage_retry import StorageRetry
from deployments.coordinator.job_runners import JobRunners
from deployments.telemetry.counters import CoordinatorMetrics
from deployments.telemetry.gauges import ModelGauges, Snapshot, WaitingWork, render_snapshot
from pipelines.errors import LedgerUnavailable, StoreUnavailable
from pipelines.ledger.protocol import Ledger, QueuedJobs
from pipelines.scheduling.shards import WHOLE, Shard
from pipelines.storage.measured import MeasuredStore

STORAGE_TIMEOUT_S = 2.0
"""A scrape waits no longer for a ledger or a store."""

PARKED_FRESH_S = 15.0
"""How long a count of deferred minutes is cached: it lists a part of the store."""


@dataclass(kw_only=True)
class MetricsSnapshot:
    """Looks at the Coordinator's parts; belongs to its event loop.

    Figures of the whole cluster come from the first shard alone, so that they are not added up.
    """

    counters: CoordinatorMetrics
    runners: JobRunners
    ledger: Ledger
    store: MeasuredStore
    storage_retry: StorageRetry
    count_replicas: Callable[[], Mapping[str, int]]
    fence: Callable[[], int]
    shard: Shard = WHOLE
    _n_parked: int | None = None
    _parked_until_s: float = 0.0  # monotonic

    async def render(self, *, draining: bool) -> bytes:
        """Return one scrape, without the figures of an unavailable ledger or store."""
        queued: tuple[QueuedJobs, ...] | None
        try:
            async with asyncio.timeout(STORAGE_TIMEOUT_S):
                queued = await asyncio.to_thread(self.ledger.queued_jobs, self.shard)
        except (LedgerUnavailable, TimeoutError):
            queued = None
        replicas = await asyncio.to_thread(self.count_replicas)
        leads = self.shard.index == 0
        snapshot = Snapshot(
            waiting=self._waiting(queued or (), time.time()),
            models={
                name: ModelGauges(
                    n_replicas=replicas.get(name, 0),
                    n_pulls=dispatcher.n_pulls,
                    leased_audio_s=dispatcher.leased_s,
                    info=dispatcher.replica,
                )
                for name, dispatcher in self.runners.dispatchers.items()
            },
            speed=self.runners.meter.speed,
            fence=self.fence(),
            ledger_ok=self.storage_retry.ledger_ok and queued is not None,
            store_ok=self.storage_retry.store_ok,
            draining=draining,
            n_parked=await self._count_parked() if leads else None,
            of_cluster=leads,
        )
        self.counters.store_calls("coordinator", self.store.take_calls())
        return self.counters.render() + render_snapshot(snapshot)

    def _waiting(self, queued: tuple[QueuedJobs, ...], now_s: float) -> dict[tuple[str, str], WaitingWork]:
        options = self.counters.options
        found = {(kind, model): _Sums() for kind in options.classes for model in self.runners.dispatchers}
        for group in queued:
            sums = found.get((options.class_of(group.tenant), group.model))
            if sums is not None:  # else its model is gone, and it will fail as soon as it is begun
                sums.n_queued += group.n_jobs
                sums.see(group.oldest_created_at_s)
        for run in self.runners.jobs.values():
            sums = found.get((options.class_of(run.job.tenant), run.job.options.model))
            if sums is not None:
                sums.n_live += 1
                sums.backlog_s += max(0.0, run.job.progress.audio_s - run.job.progress.done_s)
                sums.see(run.job.created_at_s)
        return {
            labels: WaitingWork(
                n_queued=sums.n_queued,
                n_live=sums.n_live,
                backlog_audio_s=sums.backlog_s,
                oldest_s=max(0.0, now_s - sums.oldest_at_s) if sums.oldest_at_s is not None else 0.0,
            )
            for labels, sums in found.items()
        }

    async def _count_parked(self) -> int | None:
        now_s = time.monotonic()
        if now_s >= self._parked_until_s:
            self._parked_until_s = now_s + PARKED_FRESH_S
            try:
                async with asyncio.timeout(STORAGE_TIMEOUT_S):
                    self._n_parked = await asyncio.to_thread(DeferredMinutes(self.store).count)
            except (StoreUnavailable, TimeoutError):
                self._n_parked = None
        return self._n_parked


@dataclass
class _Sums:
    """Adds up the jobs of one class and model."""

    n_queued: int = 0
    n_live: int = 0
    backlog_s: float = 0.0
    oldest_at_s: float | None = None

    def see(self, created_at_s: float) -> None:
        self.oldest_at_s = created_at_s if self.oldest_at_s is None else min(self.oldest_at_s, created_at_s)
