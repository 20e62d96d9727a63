"""Ingestion: the HTTP endpoint. `build_api` wires the routes, `Ingestion` builds it inside a Serve replica."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import anyio
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

from deployments.auth.rate_limit import RateMeter
from deployments.http.assemblyai.routes import transcript_routes
from deployments.http.config import ApiConfig, ApiServices
from deployments.http.console_page import serve_console
from deployments.http.deepgram.routes import listen_routes
from deployments.http.dependencies import BACKEND, DOORKEEPER, METER
from deployments.http.errors.problems import install
from deployments.http.json_bodies import JSON_THREADS, LIMITS, PARSERS
from deployments.http.middleware.browser_guard import BrowserGuard, BrowserRules
from deployments.http.middleware.correlation import Correlation
from deployments.http.middleware.head_requests import HeadRequests
from deployments.http.middleware.method_override import MethodOverride
from deployments.http.middleware.origins import origin_of
from deployments.http.middleware.security_headers import AnswerHeaders
from deployments.http.middleware.trailing_slash import serve_trailing_slashes
from deployments.http.openai.routes import speech_routes
from deployments.http.openapi import DESCRIPTION, TAGS, DocumentedApi
from deployments.http.routes.admin import admin_routes
from deployments.http.routes.api_keys import key_routes
from deployments.http.routes.archive.corrections import correction_routes
from deployments.http.routes.archive.redo import redo_routes
from deployments.http.routes.archive.review import review_routes
from deployments.http.routes.archive.search import search_routes
from deployments.http.routes.audio import audio_routes
from deployments.http.routes.batches import batch_routes
from deployments.http.routes.bucket_notifications import notification_routes
from deployments.http.routes.console import console_routes
from deployments.http.routes.deliveries import delivery_routes
from deployments.http.routes.estimates import estimate_routes
from deployments.http.routes.health import service_routes
from deployments.http.routes.job_minutes import job_minutes_routes
from deployments.http.routes.jobs import job_routes
from deployments.http.routes.keeping.audit import audit_routes
from deployments.http.routes.keeping.exports import export_routes
from deployments.http.routes.keeping.holds import hold_routes
from deployments.http.routes.keeping.receipts import receipt_routes
from deployments.http.routes.metrics import metrics_routes
from deployments.http.routes.parked_minutes import minutes_routes
from deployments.http.routes.people.me import me_routes, tenant_routes
from deployments.http.routes.people.sessions import session_routes
from deployments.http.routes.people.sign_in import method_routes, sign_in_routes
from deployments.http.routes.presigned_uploads import direct_upload_routes
from deployments.http.routes.quarantine import quarantine_routes
from deployments.http.routes.recordings import recorder_routes
from deployments.http.routes.tus import tus_routes
from deployments.http.routes.twilio import twilio_routes
from deployments.http.routes.voices import voice_routes
from deployments.http.sessions.sign_in import SIGN_IN
from deployments.http.shutdown import AnswerAtShutdown, Shutdown
from deployments.http.swagger_page import serve_docs
from deployments.intake.accept import Intake
from deployments.intake.adoption import adopt_spooled
from deployments.intake.resumable.uploads import ResumableUploads
from deployments.intake.spool import UploadGates
from deployments.intake.spool_sweep import SpoolSweeper, sweep
from deployments.limits import IngestionLimits, LiveLimits
from deployments.retention.audit_trail import AuditTrail
from deployments.retention.scrubber import Scrubber
from deployments.tenant.backend import Backend, stream_gate
from deployments.tenant.coordinator_client import CoordinatorClient

TOLD = (
    "accept-ranges",
    "content-disposition",
    "content-location",
    "content-range",
    "dg-request-id",
    "etag",
    "idempotent-replayed",
    "location",
    "ratelimit",
    "ratelimit-policy",
    "retry-after",
    "www-authenticate",
    "x-meetmemo-job",
    "x-meetmemo-warning",
    "x-request-id",
)
TUS_TOLD = (
    "tus-checksum-algorithm",
    "tus-extension",
    "tus-max-size",
    "tus-resumable",
    "tus-version",
    "upload-concat",
    "upload-expires",
    "upload-length",
    "upload-offset",
)
CORS: dict[str, Any] = {
    "allow_methods": ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
    # Whatever a client library adds (x-stainless-*, traceparent, range): a header gives a page no rights, the key does.
    "allow_headers": ["*"],
    "expose_headers": [*TOLD, *TUS_TOLD],
    "max_age": 600,
}


MAX_OPEN_UPLOADS = 64
"""Resumable uploads of a tenant that are not whole."""

_ROUTES = (
    service_routes,
    metrics_routes,
    minutes_routes,
    job_routes,
    estimate_routes,
    search_routes,
    review_routes,
    speech_routes,
    listen_routes,
    transcript_routes,
    job_minutes_routes,
    correction_routes,
    redo_routes,
    audit_routes,
    hold_routes,
    receipt_routes,
    export_routes,
    voice_routes,
    audio_routes,
    console_routes,
    quarantine_routes,
    delivery_routes,
    admin_routes,
    notification_routes,
    direct_upload_routes,
    tus_routes,
    recorder_routes,
    twilio_routes,
)
"""The routers that every API has, in the order of the OpenAPI document."""


def build_api(services: ApiServices, config: ApiConfig, shutdown: Shutdown | None = None) -> FastAPI:
    """Build the application; call it where its event loop runs. ``shutdown`` None: it runs until it is killed."""
    shutdown = shutdown or Shutdown()
    spool_dir, clock = config.limits.spool_dir, services.clock
    sweep(spool_dir)
    adopt_spooled(spool_dir, services.store)
    backend = _backend(services, config)
    sweeper = SpoolSweeper(sweeps=(lambda: sweep(spool_dir), backend.resumable.sweep))

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with sweeper.running(), shutdown.running(), backend.trail.running():
            yield

    app = DocumentedApi(
        title="MeetMemo",
        version=config.version,
        description=DESCRIPTION,
        openapi_tags=TAGS,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    BACKEND.put(app, backend)
    LIMITS.put(app, backend.live)
    DOORKEEPER.put(app, services.authenticator)
    SIGN_IN.put(app, services.sign_in)
    METER.put(app, RateMeter(backend.live.of, time.monotonic))
    JSON_THREADS.put(app, anyio.CapacityLimiter(PARSERS))
    serve_docs(app)
    serve_console(app)
    for routes in _ROUTES:
        app.include_router(routes(backend))
    if services.batches is not None:
        app.include_router(batch_routes(backend))
    if services.keys is not None:
        app.include_router(key_routes(services.keys, clock))
    app.include_router(me_routes(services.sign_in))
    app.include_router(method_routes(services.sign_in))
    if services.sign_in is not None:
        app.include_router(sign_in_routes(services.sign_in))
        app.include_router(tenant_routes(services.sign_in))
        app.include_router(session_routes(services.sign_in.sessions))
    serve_trailing_slashes(app.router)
    install(app)
    _add_middleware(app, config, shutdown)
    return app


def _backend(services: ApiServices, config: ApiConfig) -> Backend:
    live = LiveLimits(config.limits)
    resumable = ResumableUploads(
        services.store,
        services.ledger,
        config.limits.spool_dir,
        clock=services.clock,
        new_id=services.new_id,
        min_free_bytes=config.limits.min_free_bytes,
        max_open=MAX_OPEN_UPLOADS,
    )
    return Backend(
        ledger=services.ledger,
        store=services.store,
        coordinator_client=CoordinatorClient(services.coordinator, services.ledger),
        intake=Intake(ledger=services.ledger, store=services.store, clock=services.clock, new_id=services.new_id),
        policy=config.policy,
        live=live,
        uploads=UploadGates(live, resumable.n_promised),
        resumable=resumable,
        waiting=stream_gate(live, "requests that wait for their text"),
        scrubber=Scrubber(services.ledger),
        trail=AuditTrail(services.ledger.audit, services.clock),
        public_url=config.public_url.rstrip("/"),
        version=config.version,
        batches=services.batches,
        prices=config.prices,
        twilio=config.twilio,
        enrolment=services.enrolment,
        signer=services.signer,
    )


def _add_middleware(app: FastAPI, config: ApiConfig, shutdown: Shutdown) -> None:
    """Add what every request passes; the last one added is the outermost."""
    app.add_middleware(HeadRequests)
    app.add_middleware(MethodOverride)
    app.add_middleware(AnswerAtShutdown, shutdown=shutdown)
    if config.cors_origins:
        app.add_middleware(CORSMiddleware, allow_origins=list(config.cors_origins), **CORS)
    own_pages = [origin_of(config.public_url)] if config.public_url else []
    rules = BrowserRules(
        hosts=config.known_hosts,
        origins=frozenset({*config.cors_origins, *own_pages}),
        refuse_cross_site=config.refuse_cross_site,
    )
    app.add_middleware(BrowserGuard, rules=rules)
    app.add_middleware(AnswerHeaders)
    app.add_middleware(Correlation)


class Ingestion:
    """Serves the HTTP API. It must not have a ``__call__``: ``serve.ingress()`` adds one that serves the
    application.
    """

    def __init__(self, services: ApiServices, config: ApiConfig) -> None:
        self._services = services
        self._config = config
        self._live: LiveLimits | None = None
        self._shutdown = Shutdown()

    def limit(self, limits: IngestionLimits) -> None:
        """Take as much as this from now on; bounds of all uploads and streams together stay as they were."""
        self._config = replace(self._config, limits=limits)
        if self._live is not None:
            self._live.now = limits

    def shut_down(self, left_s: float) -> None:
        """Answer before the process is killed, in ``left_s`` seconds, whoever is not answered by then. Any thread."""
        self._shutdown.begin(left_s)

    def __serve_build_asgi_app__(self) -> FastAPI:
        """Build the application; Ray Serve calls this once in the replica, where ``serve.ingress()`` got no app."""
        app = build_api(self._services, self._config, self._shutdown)
        self._live = LIMITS.of(app)
        return app
