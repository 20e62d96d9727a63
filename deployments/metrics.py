"""``/metrics`` in Prometheus' text format: what the ledger counts and what the Coordinator measures."""

from collections.abc import Mapping

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, Info, generate_latest

from deployments.access import Scraper
from deployments.backend import Backend
from deployments.ports import ClusterStatus
from deployments.tenant_jobs import in_thread
from pipelines.jobs import JobState


def render_metrics(counts: Mapping[JobState, int], status: ClusterStatus | None, version: str) -> bytes:
    """One scrape. Without a ``status`` (the Coordinator does not answer) only what the ledger knows is there."""
    registry = CollectorRegistry()
    Info("meetmemo_build", "What runs.", registry=registry).info({"version": version})
    jobs = Gauge("meetmemo_jobs", "Jobs in the ledger, by state.", ["state"], registry=registry)
    for state, n_jobs in counts.items():
        jobs.labels(state=state.value).set(n_jobs)
    Gauge("meetmemo_coordinator_up", "Whether the Coordinator answers.", registry=registry).set(status is not None)
    if status is not None:
        backlog = Gauge("meetmemo_backlog_audio_seconds", "Speech cut but not transcribed.", registry=registry)
        backlog.set(status.backlog_audio_s)
        speed = Gauge("meetmemo_speed_ratio", "Audio seconds per wall second, lately, while busy.", registry=registry)
        speed.set(status.speed)
        ready = Gauge("meetmemo_model_ready", "Whether a replica of the model is ready.", ["model"], registry=registry)
        for model in status.models:
            ready.labels(model=model.name).set(model.ready)
    text: bytes = generate_latest(registry)
    return text


def metrics_routes(backend: Backend, *, version: str) -> APIRouter:
    """Build the route that Prometheus scrapes."""
    router = APIRouter(tags=["service"])

    @router.get("/metrics", summary="Metrics for Prometheus", response_class=Response)
    async def metrics(scraper: Scraper) -> Response:
        counts = await in_thread(backend.ledger.counts)
        text = render_metrics(counts, await backend.line.status(), version)
        return Response(text, media_type=CONTENT_TYPE_LATEST)

    return router
