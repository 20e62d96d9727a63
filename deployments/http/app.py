"""Ingestion: the HTTP endpoint. `build_api` wires the routes, `Ingestion` builds it inside a Serve replica."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import anyio
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

from deployments.artifacts.template_queue import TemplateQueue
from deployments.auth.authenticators import Authenticator, NoAuthentication
from deployments.auth.rate_limit import RateMeter
from deployments.http.browser_guard import BrowserGuard, BrowserRules
from deployments.http.console_page import serve_console
from deployments.http.correlation import Correlation
from deployments.http.errors.problems import install
from deployments.http.json_bodies import PARSERS
from deployments.http.openai.routes import speech_routes
from deployments.http.openapi import DESCRIPTION, TAGS, DocumentedApi
from deployments.http.origins import origin_of
from deployments.http.routes.api_keys import key_routes
from deployments.http.routes.audio import audio_routes
from deployments.http.routes.batches import batch_routes
from deployments.http.routes.bucket_notifications import notification_routes
from deployments.http.routes.console import console_routes
from deployments.http.routes.corrections import correction_routes
from deployments.http.routes.deliveries import delivery_routes
from deployments.http.routes.drain import admin_routes
from deployments.http.routes.health import service_routes
from deployments.http.routes.job_minutes import job_minutes_routes
from deployments.http.routes.jobs import job_routes
from deployments.http.routes.metrics import metrics_routes
from deployments.http.routes.parked_minutes import minutes_routes
from deployments.http.routes.presigned_uploads import direct_upload_routes
from deployments.http.routes.quarantine import quarantine_routes
from deployments.http.routes.recordings import recorder_routes
from deployments.http.routes.tus import resumable_uploads, tus_routes
from deployments.http.routes.twilio import twilio_routes
from deployments.http.security_headers import AnswerHeaders
from deployments.http.swagger_page import serve_docs
from deployments.intake.accept import Intake
from deployments.intake.job_policy import JobPolicy
from deployments.intake.resumable_leftovers import sweep_leftovers
from deployments.intake.spool import UploadGates
from deployments.intake.spool_sweep import SpoolSweeper, sweep
from deployments.intake.twilio import TwilioAccount
from deployments.limits import IngestionLimits, LiveLimits, TenantLimits
from deployments.notifications.webhooks import WebhookLimits
from deployments.ports import CoordinatorPort
from deployments.retention.scrubber import Scrubber
from deployments.sources.limits import SourceLimits
from deployments.tenant.backend import Backend
from deployments.tenant.coordinator_client import CoordinatorClient
from pipelines.errors import ConfigurationError
from pipelines.export.templating.templates import Templates
from pipelines.export.templating.tenant_styles import TenantStyles
from pipelines.ids import new_id as random_id
from pipelines.ledger.api_keys import KeyStore
from pipelines.ledger.batch_book import BatchRepository
from pipelines.ledger.protocol import Ledger
from pipelines.models.profile import ModelProfile
from pipelines.storage.protocol import BlobStore

__all__ = ["Ingestion", "IngestionConfig", "IngestionLimits", "SourceLimits", "TenantLimits", "build_api"]

TUS_SENT = ("tus-resumable", "upload-length", "upload-offset", "upload-metadata", "upload-checksum")
TUS_TOLD = ("tus-resumable", "upload-offset", "upload-length", "upload-expires", "x-meetmemo-job")
SENT = ("authorization", "x-api-key", "content-type", "idempotency-key", "x-filename", "last-event-id")
TOLD = ("location", "retry-after", "ratelimit", "ratelimit-policy", "www-authenticate", "etag")
CORS: dict[str, Any] = {
    "allow_methods": ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
    "allow_headers": [*SENT, *TUS_SENT],
    "expose_headers": [*TOLD, *TUS_TOLD],
    "max_age": 600,
}


def build_api(
    ledger: Ledger,
    store: BlobStore,
    coordinator: CoordinatorPort,
    *,
    models: Sequence[str],
    default_model: str,
    limits: IngestionLimits,
    authenticator: Authenticator | None = None,
    keys: KeyStore | None = None,
    cors_origins: Sequence[str] = (),
    known_hosts: frozenset[str] | None = None,
    refuse_cross_site: bool = True,
    batches: BatchRepository | None = None,
    clock: Callable[[], float] = time.time,
    new_id: Callable[[], str] = random_id,
    llm_configured: bool,
    keeps_audio: bool = True,
    styles: TenantStyles | None = None,
    webhooks: WebhookLimits | None = None,
    mail_domains: frozenset[str] | None = None,
    version: str,
    public_url: str = "",
    profiles: Mapping[str, ModelProfile] = MappingProxyType({}),
    usd_per_audio_hour: float | None = None,
    vocabularies: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
    twilio: Sequence[TwilioAccount] = (),
    reuse: bool = True,
    templates: Templates | None = None,
) -> FastAPI:
    """Build the application; call it where its event loop runs.

    Without a ``authenticator`` everybody may do everything, without ``keys`` or ``batches`` there are no routes for
    them. Pages of ``cors_origins`` may ask as well, others not where ``refuse_cross_site``; ``known_hosts`` are the
    names that requests may call it by, None: any. ``clock`` gives Unix seconds, ``new_id`` an id that was never used.
    ``public_url`` is scheme and host as clients see them, "" for URLs that begin with the path. ``profiles`` tells by
    model what it can, ``styles`` what tenants' minutes look like. ``templates`` tries those that jobs bring, None: each
    in a process of its own. Raises `ConfigurationError` when the default model is not among ``models``.
    """
    if default_model not in models:
        raise ConfigurationError(f"the default model {default_model!r} is not among {', '.join(models) or 'no models'}")
    sweep(limits.spool_dir)
    live = LiveLimits(limits)
    backend = Backend(
        ledger=ledger,
        store=store,
        line=CoordinatorClient(coordinator, ledger),
        intake=Intake(ledger=ledger, store=store, clock=clock, new_id=new_id),
        offer=JobPolicy(
            models=tuple(models),
            default_model=default_model,
            llm_configured=llm_configured,
            keeps_audio=keeps_audio,
            styles=styles or TenantStyles(),
            profiles=profiles,
            vocabularies=vocabularies,
            reuse=reuse,
            webhooks=webhooks,
            mail_domains=mail_domains,
            templates=TemplateQueue(templates),
        ),
        live=live,
        uploads=UploadGates(live),
        scrubber=Scrubber(ledger),
        public_url=public_url.rstrip("/"),
        batches=batches,
        usd_per_audio_hour=usd_per_audio_hour,
    )
    resumable = resumable_uploads(backend)
    sweeper = SpoolSweeper(
        sweeps=(
            lambda: sweep(limits.spool_dir),
            lambda: sweep_leftovers(limits.spool_dir, clock()),
        )
    )
    app = DocumentedApi(
        title="MeetMemo",
        version=version,
        description=DESCRIPTION,
        openapi_tags=TAGS,
        docs_url=None,
        redoc_url=None,
        lifespan=sweeper.running,
    )
    app.state.backend = backend
    app.state.authenticator = authenticator or NoAuthentication()
    app.state.meter = RateMeter(live.of, time.monotonic)
    app.state.json_parsers = anyio.CapacityLimiter(PARSERS)
    serve_docs(app)
    serve_console(app)
    app.include_router(service_routes(backend, llm_configured=llm_configured, version=version))
    app.include_router(metrics_routes(backend, version=version))
    app.include_router(minutes_routes(backend))
    app.include_router(job_routes(backend))
    app.include_router(speech_routes(backend))
    app.include_router(job_minutes_routes(backend))
    app.include_router(correction_routes(backend))
    app.include_router(audio_routes())
    app.include_router(console_routes(backend, llm_configured=llm_configured, version=version))
    app.include_router(quarantine_routes(backend))
    app.include_router(delivery_routes())
    app.include_router(admin_routes(backend))
    app.include_router(notification_routes(backend))
    app.include_router(direct_upload_routes(backend))
    app.include_router(tus_routes(backend, resumable))
    app.include_router(recorder_routes(backend))
    app.include_router(twilio_routes(backend, twilio))
    if batches is not None:
        app.include_router(batch_routes(backend))
    if keys is not None:
        app.include_router(key_routes(keys, clock))
    install(app)
    if cors_origins:
        app.add_middleware(CORSMiddleware, allow_origins=list(cors_origins), **CORS)
    own_pages = [origin_of(public_url)] if public_url else []
    rules = BrowserRules(
        hosts=known_hosts, origins=frozenset({*cors_origins, *own_pages}), refuse_cross_site=refuse_cross_site
    )
    app.add_middleware(BrowserGuard, rules=rules)
    app.add_middleware(AnswerHeaders)
    app.add_middleware(Correlation)
    return app


@dataclass(frozen=True, kw_only=True)
class IngestionConfig:
    """The resolved settings of `Ingestion`; see `build_api`."""

    models: tuple[str, ...]
    default_model: str
    limits: IngestionLimits
    llm_configured: bool
    version: str
    keeps_audio: bool = True
    styles: TenantStyles = field(default=TenantStyles())
    webhooks: WebhookLimits | None = None
    mail_domains: frozenset[str] | None = None
    public_url: str = ""
    profiles: Mapping[str, ModelProfile] = field(default_factory=dict)
    cors_origins: tuple[str, ...] = ()
    known_hosts: frozenset[str] | None = None
    refuse_cross_site: bool = True
    usd_per_audio_hour: float | None = None
    vocabularies: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    twilio: tuple[TwilioAccount, ...] = ()
    reuse: bool = True


class Ingestion:
    """The deployment. It must not have a ``__call__``: ``serve.ingress()`` adds one that serves the application."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        store: BlobStore,
        coordinator: CoordinatorPort,
        config: IngestionConfig,
        authenticator: Authenticator | None = None,
        keys: KeyStore | None = None,
        batches: BatchRepository | None = None,
    ) -> None:
        self._ledger = ledger
        self._store = store
        self._coordinator = coordinator
        self._config = config
        self._doorkeeper = authenticator
        self._keys = keys
        self._batches = batches
        self._live: LiveLimits | None = None

    def limit(self, limits: IngestionLimits) -> None:
        """Take as much as this from now on; bounds of all uploads and streams together stay as they were."""
        self._config = replace(self._config, limits=limits)
        if self._live is not None:
            self._live.now = limits

    def __serve_build_asgi_app__(self) -> FastAPI:
        """Ray Serve calls this once in the replica, after the constructor, where ``serve.ingress()`` got no app."""
        config = self._config
        app = build_api(
            self._ledger,
            self._store,
            self._coordinator,
            models=config.models,
            default_model=config.default_model,
            limits=config.limits,
            authenticator=self._doorkeeper,
            keys=self._keys,
            batches=self._batches,
            llm_configured=config.llm_configured,
            keeps_audio=config.keeps_audio,
            styles=config.styles,
            webhooks=config.webhooks,
            mail_domains=config.mail_domains,
            version=config.version,
            public_url=config.public_url,
            profiles=config.profiles,
            cors_origins=config.cors_origins,
            known_hosts=config.known_hosts,
            refuse_cross_site=config.refuse_cross_site,
            usd_per_audio_hour=config.usd_per_audio_hour,
            vocabularies=config.vocabularies,
            twilio=config.twilio,
            reuse=config.reuse,
        )
        self._live = app.state.backend.live
        return app
