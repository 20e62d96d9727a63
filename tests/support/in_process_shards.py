"""Several Coordinators in one process, each with a shard, over one ledger and one Transcriber."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from itertools import count
from typing import Any, cast

from deployments.ports import WorkSource
from deployments.shards import CoordinatorShards, WorkOfShards
from deployments.workers.transcriber import Transcriber
from pipelines.errors import LedgerUnavailable
from pipelines.ledger.protocol import Ledger
from pipelines.scheduling.shards import Shard, index_named
from pipelines.storage.protocol import BlobStore
from tests.fakes.engine import FakeEngine
from tests.support.in_process_cluster import MODEL, InProcessCluster, NoDocuments


class SharedTranscriber:
    """Serve's part: a call that its Coordinator gives up, or leaves behind, goes on in the replica."""

    def __init__(self, replica: Transcriber) -> None:
        self._replica = replica
        self._calls: set[asyncio.Task[int]] = set()

    async def work(self, pull_id: str) -> int:
        call = asyncio.create_task(self._replica.work(pull_id))
        self._calls.add(call)
        call.add_done_callback(self._ended)
        return await asyncio.shield(call)

    def _ended(self, call: asyncio.Task[int]) -> None:
        self._calls.discard(call)
        if not call.cancelled():
            call.exception()  # nobody may be left to hear of it

    async def close(self) -> None:
        """Wait until nothing is at work."""
        await asyncio.gather(*self._calls, return_exceptions=True)
        self._replica.close()


class Line:
    """A Coordinator's line to the ledger; once it is ``cut``, nothing gets through."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.cut = False

    def __getattr__(self, name: str) -> Any:
        if self.cut:
            raise LedgerUnavailable("its Coordinator was killed")
        return getattr(self._ledger, name)


class InProcessShards:
    """The Coordinators of ``n`` shards, which can be killed, started anew, and replaced by those of another number."""

    def __init__(self, ledger: Ledger, store: BlobStore, *, n: int = 2, max_live_jobs: int = 32) -> None:
        self.engine = FakeEngine()
        self.clusters: dict[int, InProcessCluster] = {}
        self.claimed_by: list[int] = []  # the shard of each batch that was claimed, in order
        self._ledger, self._store = ledger, store
        self._max_live_jobs = max_live_jobs
        self._owners = count()
        self._transcriber = SharedTranscriber(
            Transcriber(name=MODEL, engine=self.engine, store=store, source=WorkOfShards(self._find), max_rows=4)
        )
        self._lines: dict[int, Line] = {}
        self._prepare(n)

    def _find(self, index: int) -> WorkSource:
        return _Source(self, index)

    def _prepare(self, n: int) -> None:
        self.clusters = {index: self._cluster(Shard(index, n)) for index in range(n)}

    def _cluster(self, shard: Shard) -> InProcessCluster:
        self._lines[shard.index] = Line(self._ledger)
        return InProcessCluster(
            cast(Ledger, self._lines[shard.index]),
            self._store,
            engine=self.engine,
            owner=f"owner-{next(self._owners)}",
            transcriber=self._transcriber,
            minutes_writer=NoDocuments(self._store),  # documents would take longer than all else
            shard=shard,
            max_live_jobs=self._max_live_jobs,
        )

    @property
    def any(self) -> InProcessCluster:
        """One of them, to submit jobs and to look at their results with."""
        return next(cluster for index, cluster in self.clusters.items() if not self._lines[index].cut)

    @property
    def port(self) -> CoordinatorShards:
        """All of them behind the ports of one."""
        return CoordinatorShards([cluster.coordinator for cluster in self.clusters.values()])

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run all of them for the block."""
        await asyncio.gather(*(cluster.coordinator.start() for cluster in self.clusters.values()))
        try:
            yield
        finally:
            self.engine.gate.set()
            await asyncio.gather(*(cluster.coordinator.stop() for cluster in self.clusters.values()))
            await self._transcriber.close()

    async def kill(self, index: int) -> None:
        """End a shard's Coordinator as SIGKILL would: it writes nothing more, and keeps its lease."""
        self._lines[index].cut = True
        await self.clusters[index].coordinator.stop()

    def start_anew(self, index: int) -> asyncio.Task[None]:
        """Begin to start a shard's Coordinator again, under another owner's name."""
        shard = Shard(index, len(self.clusters))
        self.clusters[index] = self._cluster(shard)
        return asyncio.create_task(self.clusters[index].coordinator.start())

    async def change_number(self, n: int) -> None:
        """Stop all Coordinators while those of another number start, as a reload does."""
        old = list(self.clusters.values())
        self._prepare(n)
        starting = [asyncio.create_task(cluster.coordinator.start()) for cluster in self.clusters.values()]
        for cluster in old:
            await cluster.coordinator.stop()
        await asyncio.gather(*starting)


class _Source:
    """A shard's Coordinator as Serve finds it: the one that runs now."""

    def __init__(self, shards: InProcessShards, index: int) -> None:
        self._shards = shards
        self._index = index

    async def claim(self, pull_id, replica, max_items):  # type: ignore[no-untyped-def]  # as `WorkSource` has it
        items = await self._shards.clusters[self._index].coordinator.claim(pull_id, replica, max_items)
        if items:
            self._shards.claimed_by.append(index_named(pull_id) or 0)
        return items

    async def complete(self, pull_id, replica, outcomes, report=None, **how):  # type: ignore[no-untyped-def]  # the same
        settled = await self._shards.clusters[self._index].coordinator.complete(
            pull_id, replica, outcomes, report, **how
        )
        if settled.items:
            self._shards.claimed_by.append(index_named(pull_id) or 0)
        return settled
