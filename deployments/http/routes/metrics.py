"""``/metrics`` in Prometheus' text format: what the ledger counts and what the Coordinator measures."""

import contextlib
import shutil
from collections.abc import Mapping
from types import MappingProxyType

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, Info, generate_latest

from deployments.http.dependencies import Scraper
from deployments.intake.spool_sweep import SpoolUse, spool_use
from deployments.tenant.backend import Backend
from deployments.tenant.threads import in_thread
from pipelines.errors import LedgerUnavailable
from pipelines.jobs.job import JobState


def render_metrics(
    counts: Mapping[JobState, int] | None,
    disk: tuple[int, int] | None,
    coordinators: bytes | None,
    version: str,
    spool: Mapping[str, SpoolUse] = MappingProxyType({}),
) -> bytes:
    """Return one scrape: jobs by state (None: no ledger), the spool's disk as (total, free) bytes, what the
    Coordinator says (None: it does not answer), and what there is of uploads under way, by kind."""
    registry = CollectorRegistry()
    Info("meetmemo_build", "What runs.", registry=registry).info({"version": version})
    if counts is not None:
        jobs = Gauge("meetmemo_jobs", "Jobs in the ledger, by state.", ["state"], registry=registry)
        for state, n_jobs in counts.items():
            jobs.labels(state=state.value).set(n_jobs)
    if disk is not None:
        Gauge("meetmemo_spool_size_bytes", "Size of the disk that uploads go to.", registry=registry).set(disk[0])
        Gauge("meetmemo_spool_free_bytes", "Free space on the disk that uploads go to.", registry=registry).set(disk[1])
    files = Gauge(
        "meetmemo_spool_files", "Uploads in the spool folder, and resumable ones.", ["kind"], registry=registry
    )
    n_bytes = Gauge("meetmemo_spool_bytes", "What has arrived of them.", ["kind"], registry=registry)
    idle = Gauge(
        "meetmemo_spool_idle_seconds",
        "Since the one that was longest untouched grew, or the oldest resumable one began.",
        ["kind"],
        registry=registry,
    )
    for kind, use in spool.items():
        files.labels(kind).set(use.n_files)
        n_bytes.labels(kind).set(use.n_bytes)
        idle.labels(kind).set(use.idle_s)
    up = Gauge("meetmemo_coordinator_up", "Whether the Coordinator answers.", registry=registry)
    up.set(coordinators is not None)
    text: bytes = generate_latest(registry)
    return text + (coordinators or b"")


def metrics_routes(backend: Backend) -> APIRouter:
    """Build the route that Prometheus scrapes."""
    router = APIRouter(tags=["service"])

    def disk() -> tuple[tuple[int, int] | None, dict[str, SpoolUse]]:
        folder = backend.limits.spool_dir
        try:
            usage = shutil.disk_usage(folder)
            spool = spool_use(folder, backend.intake.clock())
            return (usage.total, usage.free), {"upload": spool, "resumable": backend.resumable.use}
        except OSError:
            return None, {}

    @router.get("/metrics", summary="Metrics for Prometheus", response_class=Response)
    async def metrics(scraper: Scraper) -> Response:
        counts = None
        with contextlib.suppress(LedgerUnavailable):  # a gap in its series says so; the other series go on
            counts = await in_thread(backend.ledger.counts)
        usage, spool = await in_thread(disk)
        text = render_metrics(counts, usage, await backend.coordinator_client.metrics(), backend.version, spool)
        return Response(text, media_type=CONTENT_TYPE_LATEST)

    return router
