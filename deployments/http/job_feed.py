"""Stream the changes of a tenant's jobs as server-sent events: one stream for a whole list.

The ledger is asked every second for what was written since, so that every Ingestion replica sends the same: once for
all streams of a replica, and only while there are any.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field

from pydantic import BaseModel

from deployments.artifacts.shared_reads import SharedReads
from deployments.http.sse import event, kept_alive
from deployments.schemas.jobs import JobBody
from deployments.tenant.coordinator_client import CoordinatorClient
from pipelines.errors import LedgerUnavailable
from pipelines.jobs.job import Job, JobState
from pipelines.ledger.protocol import Ledger

POLL_S = 1.0
OVERLAP_S = 10.0  # clocks of several machines differ, and a transaction shows later than its time says
PAGE = 500
MAX_TOLD = 20_000  # job versions a stream has sent


class Counts(BaseModel):
    """The number of a tenant's jobs in each state."""

    jobs: dict[JobState, int]


class Changes(BaseModel):
    """Jobs as they are now."""

    jobs: list[JobBody]


class ChangedJobs:
    """Reads what changed in the ledger for all streams of a process together. Belongs to one event loop."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._changes = SharedReads(self._read_changes, lambda: POLL_S)
        self._counts = SharedReads(self._read_counts, lambda: POLL_S)

    async def since(self, tenant: str, from_s: float) -> Sequence[Job]:
        """Return a tenant's jobs that were written at or after a time (Unix seconds), and perhaps some from before it.

        Waits for the next look into the ledger; raises `LedgerUnavailable`.
        """
        return await self._changes.answer((tenant, from_s))

    async def counts(self, tenant: str) -> Counts:
        """Return how many jobs a tenant has by the next look into the ledger; raises `LedgerUnavailable`."""
        return Counts(jobs=await self._counts.answer(tenant))

    async def counts_now(self, tenant: str) -> Counts:
        """Return the same without waiting for others."""
        return Counts(jobs=await asyncio.to_thread(self._ledger.counts, tenant))

    def _read_changes(self, asked: frozenset[tuple[str, float]]) -> dict[tuple[str, float], list[Job]]:
        since_s: dict[str, float] = {}
        for tenant, from_s in asked:
            since_s[tenant] = min(from_s, since_s.get(tenant, from_s))
        found: dict[str, list[Job]] = {tenant: [] for tenant in since_s}
        after: str | None = None
        while True:
            page = self._ledger.changed(since_s, limit=PAGE, after=after)
            for job in page.jobs:
                found[job.tenant].append(job)
            after = page.next_cursor
            if after is None:
                return {(tenant, from_s): found[tenant] for tenant, from_s in asked}

    def _read_counts(self, tenants: frozenset[str]) -> dict[str, dict[JobState, int]]:
        return self._ledger.counts_by_tenant(tenants)


@dataclass(kw_only=True)
class JobFeed:
    """One reader's view of a tenant's jobs; ``clock`` gives Unix seconds. Belongs to one event loop."""

    changed: ChangedJobs
    coordinator_client: CoordinatorClient
    tenant: str
    public_url: str
    keep_alive_s: float
    clock: Callable[[], float] = time.time
    _told: dict[str, tuple[int, float, float]] = field(default_factory=dict)

    def events(self) -> AsyncGenerator[bytes, None]:
        """Yield ``counts`` at once and whenever something changed, ``jobs`` with what changed, comments in between.

        Told first is what changed in the last `OVERLAP_S`: who lists jobs after the stream began misses nothing.

        While the ledger does not answer there are comments only; what was missed comes afterwards.
        """
        return kept_alive(self._events(), self.keep_alive_s)

    async def _events(self) -> AsyncGenerator[bytes, None]:
        since_s = self.clock()
        yield _event("counts", await self.changed.counts_now(self.tenant))
        while True:
            asked_s = self.clock()
            try:
                news, counts = await self._news(since_s - OVERLAP_S)
            except LedgerUnavailable:
                continue
            since_s = asked_s
            if counts is None:
                continue
            self._told.update((job.id, _mark(job)) for job in news)
            while len(self._told) > MAX_TOLD:
                del self._told[next(iter(self._told))]
            for start in range(0, len(news), PAGE):
                yield _event("jobs", await self._show(news[start : start + PAGE]))
            yield _event("counts", counts)

    async def _news(self, from_s: float) -> tuple[Sequence[Job], Counts | None]:
        """Return jobs that were not told as they are now, and the counts if there are any."""
        changed = await self.changed.since(self.tenant, from_s)
        news = [job for job in changed if self._told.get(job.id) != _mark(job)]
        return news, await self.changed.counts(self.tenant) if news else None

    async def _show(self, jobs: Sequence[Job]) -> Changes:
        eta_s = await self.coordinator_client.eta(tuple(job.id for job in jobs if not job.state.final))
        return Changes(jobs=[JobBody.from_domain(job, eta_s.get(job.id), self.public_url) for job in jobs])


def _mark(job: Job) -> tuple[int, float, float]:
    return job.version, job.updated_at_s, job.progress.done_s


def _event(name: str, body: BaseModel) -> bytes:
    return event(body.model_dump_json(), name=name)
