"""What changes among a tenant's jobs, as server-sent events: one stream for a whole list.

The ledger is asked every second for what was written since, so that every Ingestion replica tells the same.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

import anyio.to_thread
from pydantic import BaseModel

from deployments.coordinator_line import CoordinatorLine
from deployments.job_schemas import JobBody
from pipelines.errors import LedgerUnavailable
from pipelines.jobs import Job, JobState
from pipelines.ledger import Ledger

POLL_S = 1.0
OVERLAP_S = 10.0  # clocks of several machines differ, and a transaction shows later than its time says
PAGE = 500
MAX_TOLD = 20_000  # what a stream remembers having told
KEEP_ALIVE = b": keep-alive\n\n"


class Counts(BaseModel):
    """How many jobs a tenant has, by state."""

    jobs: dict[JobState, int]


class Changes(BaseModel):
    """Jobs as they are now."""

    jobs: list[JobBody]


@dataclass(kw_only=True)
class JobFeed:
    """One reader's view of a tenant's jobs; ``clock`` gives Unix seconds. Belongs to one event loop."""

    ledger: Ledger
    line: CoordinatorLine
    tenant: str
    public_url: str
    keep_alive_s: float
    clock: Callable[[], float] = time.time
    poll_s: float = POLL_S
    _told: dict[str, tuple[int, float, float]] = field(default_factory=dict)

    async def events(self) -> AsyncIterator[bytes]:
        """Yield ``counts`` at once and whenever something changed, ``jobs`` with what changed, comments in between.

        Told first is what changed in the last `OVERLAP_S`: who lists jobs after the stream began misses nothing.

        While the ledger does not answer the stream is silent; what it missed comes afterwards.
        """
        since_s = self.clock()
        yield _event("counts", await self._counts())
        silent_s = 0.0
        while True:
            await asyncio.sleep(self.poll_s)
            now_s = self.clock()
            try:
                changed = [job for job in await self._changed(since_s) if self._told.get(job.id) != _mark(job)]
                counts = await self._counts() if changed else None
            except LedgerUnavailable:
                continue
            since_s = now_s
            if counts is None:
                silent_s += self.poll_s
                if silent_s >= self.keep_alive_s:
                    silent_s = 0.0
                    yield KEEP_ALIVE
                continue
            silent_s = 0.0
            self._told.update((job.id, _mark(job)) for job in changed)
            while len(self._told) > MAX_TOLD:
                del self._told[next(iter(self._told))]
            for start in range(0, len(changed), PAGE):
                yield _event("jobs", await self._show(changed[start : start + PAGE]))
            yield _event("counts", counts)

    async def _changed(self, since_s: float) -> Sequence[Job]:
        return await anyio.to_thread.run_sync(self._read, since_s - OVERLAP_S)

    def _read(self, from_s: float) -> Sequence[Job]:
        found: list[Job] = []
        after: str | None = None
        while True:
            page = self.ledger.list(self.tenant, updated_from_s=from_s, limit=PAGE, after=after)
            found += page.jobs
            after = page.next_cursor
            if after is None:
                return found

    async def _counts(self) -> Counts:
        return Counts(jobs=await anyio.to_thread.run_sync(self.ledger.counts, self.tenant))

    async def _show(self, jobs: Sequence[Job]) -> Changes:
        eta_s = await self.line.eta(tuple(job.id for job in jobs if not job.state.final))
        return Changes(jobs=[JobBody.from_domain(job, eta_s.get(job.id), self.public_url) for job in jobs])


def _mark(job: Job) -> tuple[int, float, float]:
    return job.version, job.updated_at_s, job.progress.done_s


def _event(name: str, body: BaseModel) -> bytes:
    return f"event: {name}\ndata: {body.model_dump_json()}\n\n".encode()
