"""`BatchFeeder`: makes the jobs of batches a few at a time, and looks at the recordings of dry runs."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from deployments.coordinator.lease import LeaderLease
from deployments.ports import SegmenterPort
from pipelines.errors import MeetMemoError
from pipelines.jobs.batch import Batch, Entry, Probe
from pipelines.ledger.batch_book import BatchRepository

log = structlog.get_logger()


@dataclass(kw_only=True)
class BatchFeeder:
    """Probes entries of batches and creates their jobs: up to ``per_batch`` live jobs of each, ``probes`` at once."""

    book: BatchRepository
    segmenter: SegmenterPort
    leader: LeaderLease
    new_id: Callable[[], str]
    per_batch: int
    probes: int = 4

    def create_jobs(self) -> int:
        """Make jobs of pending entries; return how many. Blocks. Raises `Fenced`, `LedgerUnavailable`."""
        n_made = self.book.create_jobs(self.leader.lease, self.per_batch, self.new_id)
        if n_made:
            log.info("batch jobs made", action="batch_fed", n_jobs=n_made)
        return n_made

    async def probe(self) -> int:
        """Look at the next recordings of dry runs; return how many. Raises `LedgerUnavailable`."""
        waiting = await asyncio.to_thread(self.book.to_probe, self.probes)
        await asyncio.gather(*(self._probe(batch, entry) for batch, entry in waiting))
        return len(waiting)

    async def _probe(self, batch: Batch, entry: Entry) -> None:
        try:
            probe = await self.segmenter.probe(batch.tenant, entry.source)
        except MeetMemoError as error:
            probe = Probe(audio_s=None, detail=f"{error.reason}: {error}")
        await asyncio.to_thread(self.book.probed, batch.id, entry.seq, probe)
