"""`SearchIndexWorker`: keeps the search index up to date, apart from the process that drives the jobs.

The ledger marks what is to be indexed in the transaction of the change: this process need not hear of it.
"""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from deployments.artifacts.search_indexer import JOBS_PER_ROUND, SearchIndexer
from pipelines.errors import MeetMemoError

INDEX_INTERVAL_S = 1.0
"""Between looks for jobs that ended and transcripts that were corrected; those of a second are indexed together."""

log = structlog.get_logger()


class SearchIndexWorker:
    """Indexes what is pending, round after round while rounds are full, and looks again every `INDEX_INTERVAL_S`."""

    def __init__(self, indexer: SearchIndexer, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Pause by ``sleep`` (seconds)."""
        self._indexer = indexer
        self._sleep = sleep

    async def run(self) -> None:
        """Index until cancelled; what waits while ledger or store are unavailable is indexed later."""
        while True:
            try:
                while await asyncio.to_thread(self._indexer.index_some) >= JOBS_PER_ROUND:
                    pass
            except MeetMemoError as error:
                log.warning("indexing put off", action="index", error=str(error))
            await self._sleep(INDEX_INTERVAL_S)
