"""A whole cluster in one process behind a real HTTP server, for clients that are programs of others."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deployments.auth.authenticators import Authenticator, NoAuthentication
from deployments.http.app import build_api
from deployments.http.config import ApiServices
from deployments.limits import IngestionLimits
from deployments.sources.limits import SourceLimits
from pipelines.jobs.job import Job
from pipelines.models.profile import ModelProfile
from tests.fakes.engine import FakeEngine
from tests.fakes.ledger import MemoryLedger
from tests.fakes.store import MemoryStore
from tests.support.api_harness import api_config
from tests.support.asgi_server import serve_asgi
from tests.support.in_process_cluster import CODED_START, MODEL, InProcessCluster


@dataclass(frozen=True, kw_only=True)
class ServedCluster:
    """The cluster and the URL of its endpoint."""

    cluster: InProcessCluster
    url: str

    @property
    def job(self) -> Job:
        """The newest job."""
        return self.cluster.ledger.list(None).jobs[0]

    @property
    def n_jobs(self) -> int:
        return len(self.cluster.ledger.list(None).jobs)


@contextlib.asynccontextmanager
async def served_cluster(
    folder: Path,
    *,
    languages: tuple[str, ...] = ("en",),
    authenticator: Authenticator | None = None,
    sources: SourceLimits | None = None,
    **switches: Any,
) -> AsyncIterator[ServedCluster]:
    """Serve a cluster whose model speaks ``languages``; ``switches`` are fields of `ApiConfig` and `JobPolicy`."""
    ledger, store = MemoryLedger(), MemoryStore()
    cluster = InProcessCluster(ledger, store, engine=FakeEngine(languages=languages), languages=languages)
    await cluster.coordinator.start()
    app = build_api(
        ApiServices(
            ledger=ledger,
            store=store,
            coordinator=cluster.coordinator,
            authenticator=authenticator or NoAuthentication(),
        ),
        api_config(
            IngestionLimits(spool_dir=folder / "spool", min_free_bytes=0, sources=sources or SourceLimits()),
            models=(MODEL,),
            profiles={MODEL: ModelProfile(languages=languages)},
            **switches,
        ),
    )
    try:
        async with serve_asgi(app) as url:
            yield ServedCluster(cluster=cluster, url=url)
            cluster.engine.gate.set()
    finally:
        cluster.engine.gate.set()
        await cluster.coordinator.stop()


def coded(numbers: list[int]) -> bytes:
    """Return a "recording" of these numbers, as `CodedSegmenter` reads it."""
    return CODED_START + " ".join(map(str, numbers)).encode()
