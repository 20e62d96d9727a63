"""``/metrics`` in Prometheus' text format: what the ledger counts and what the Coordinator measures."""

import contextlib
import shutil
from collections.abc import Mapping

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, Info, generate_latest

from deployments.access import Scraper
from deployments.backend import Backend
from deployments.tenant_jobs import in_thread
from pipelines.errors import LedgerUnavailable
from pipelines.jobs import JobState


def render_metrics(
    counts: Mapping[JobState, int] | None, disk: tuple[int, int] | None, coordinators: bytes | None, version: str
) -> bytes:
    """One scrape: jobs by state (None: the ledger is away), the spool's disk as (total, free) bytes, and what the
    Coordinator says (None: it does not answer)."""
    registry = CollectorRegistry()
    Info("meetmemo_build", "What runs.", registry=registry).info({"version": version})
    if counts is not None:
        jobs = Gauge("meetmemo_jobs", "Jobs in the ledger, by state.", ["state"], registry=registry)
        for state, n_jobs in counts.items():
            jobs.labels(state=state.value).set(n_jobs)
    if disk is not None:
        Gauge("meetmemo_spool_size_bytes", "Size of the disk that uploads go to.", registry=registry).set(disk[0])
        Gauge("meetmemo_spool_free_bytes", "Free space on the disk that uploads go to.", registry=registry).set(disk[1])
    up = Gauge("meetmemo_coordinator_up", "Whether the Coordinator answers.", registry=registry)
    up.set(coordinators is not None)
    text: bytes = generate_latest(registry)
    return text + (coordinators or b"")


def metrics_routes(backend: Backend, *, version: str) -> APIRouter:
    """Build the route that Prometheus scrapes."""
    router = APIRouter(tags=["service"])

    def disk() -> tuple[int, int] | None:
        try:
            usage = shutil.disk_usage(backend.limits.spool_dir)
        except OSError:
            return None
        return usage.total, usage.free

    @router.get("/metrics", summary="Metrics for Prometheus", response_class=Response)
    async def metrics(scraper: Scraper) -> Response:
        counts = None
        with contextlib.suppress(LedgerUnavailable):  # a gap in its series says so; the other series go on
            counts = await in_thread(backend.ledger.counts)
        text = render_metrics(counts, await in_thread(disk), await backend.line.metrics(), version)
        return Response(text, media_type=CONTENT_TYPE_LATEST)

    return router
