"""The MinutesWriter as a deployment."""

import asyncio
import time
from typing import Any

import structlog

from cluster.serve.deployment_versions import MinutesTuning
from cluster.serve.replica_process import as_one, begin_process, coordinator_handle
from cluster.settings.secrets import KEY
from cluster.settings.settings import Settings
from cluster.settings.sources import secret_named
from cluster.wiring.minutes_writers import build_writers
from deployments.artifacts.search_indexer import SearchIndexer
from deployments.workers.minutes_writer import MinutesWriter
from deployments.workers.search_index_worker import SearchIndexWorker
from pipelines.errors import MeetMemoError, RequestInFlight
from pipelines.ledger.open import connect_ledger
from pipelines.marks import marked
from pipelines.secret import Secret
from pipelines.storage.open import open_store

# How often the MinutesWriter looks for deferred minutes; its circuit breaker bounds how often the model is called.
FOLLOW_UP_INTERVAL_S = 15.0

# One replica at a time looks. The mark that it holds, which is no tenant's, and how long a killed one has it:
FOLLOW_UPS = "", "minutes follow-ups"
FOLLOW_UPS_HOLD_S = 30.0

log = structlog.get_logger()


class MinutesWriterReplica(MinutesWriter):
    """Runs a MinutesWriter with the configured writers, and puts what jobs published into the search index."""

    def __init__(self, settings: Settings) -> None:
        begin_process(settings)
        store = open_store(settings.store_url)
        ledger = connect_ledger(settings.ledger_url)
        writers = build_writers(settings, _key(), store, ledger)
        super().__init__(
            store=store,
            writers=writers.by_name,
            translator=writers.translator,
            clock=time.time,
            styles=settings.minutes.styles,
        )
        self._ledger = ledger
        self._settings = settings
        self._coordinator = as_one([coordinator_handle(index) for index in range(settings.coordinator.shards)])
        self._index_worker = SearchIndexWorker(SearchIndexer(ledger, store))
        self._loops: list[asyncio.Task[None]] = []

    def reconfigure(self, user_config: dict[str, Any]) -> None:
        minutes = MinutesTuning.model_validate(user_config).minutes
        if minutes != self._settings.minutes:
            self._settings = self._settings.model_copy(update={"minutes": minutes})
            writers = build_writers(self._settings, _key(), open_store(self._settings.store_url), self._ledger)
            self.rewrite_by(writers.by_name, writers.translator)

    async def check_health(self) -> None:
        if not self._loops:
            self._loops = [
                asyncio.create_task(self._keep_following_up(), name="follow-ups"),
                asyncio.create_task(self._index_worker.run(), name="index"),
            ]

    async def _keep_following_up(self) -> None:
        while True:
            await asyncio.sleep(FOLLOW_UP_INTERVAL_S)
            try:
                async with marked(self._ledger.holds, *FOLLOW_UPS, FOLLOW_UPS_HOLD_S):
                    await self.follow_up(self._coordinator)
            except RequestInFlight:
                continue  # another replica writes what was deferred
            except MeetMemoError as error:
                log.warning("follow-ups postponed", action="follow", detail=str(error))


def _key() -> Secret | None:
    """Return the language model's key, read for every call; None where this machine has none."""
    key = secret_named(KEY)
    return key if key() else None
