"""The deployments' classes with their collaborators opened inside the replica's process.

Stores, ledgers and models hold connections and memory that cannot travel; what travels are the resolved settings.
"""

import asyncio
import math
import os
import socket
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import structlog
from ray import serve
from ray.serve.handle import DeploymentHandle

from cluster import __version__
from cluster.serve import autoscaling_policy
from cluster.serve.config_file import APP_NAME
from cluster.serve.deployment_versions import (
    COORDINATOR,
    CoordinatorTuning,
    LimitTuning,
    MinutesTuning,
    TranscriberTuning,
    scale_to_zero_models,
    transcriber_name,
)
from cluster.serve.engine_share import EngineShare, live_jobs
from cluster.serve.loopback import keep_replica_on_loopback
from cluster.settings.private_files import OTHERS
from cluster.settings.secrets import read_key, read_secret
from cluster.settings.sections import LimitSettings, ModelSettings, RetentionSettings, SourceSettings
from cluster.settings.settings import Settings
from cluster.settings.sources import process_environment
from cluster.wiring.authentication import build_authenticator, known_hosts
from cluster.wiring.logging import observe
from cluster.wiring.minutes_writers import build_writers
from cluster.wiring.notifications import build_courier, build_notices, can_sign, mail_domains, webhook_limits
from cluster.wiring.twilio import twilio_accounts
from deployments.coordinator.coordinator import Coordinator
from deployments.coordinator.options import CoordinatorOptions
from deployments.handles import BEGUN, CoordinatorHandle, MinutesHandle, SegmenterHandle, TranscriberHandle
from deployments.http.app import Ingestion
from deployments.http.config import ApiConfig, ApiServices
from deployments.limits import DecodeLimits, IngestionLimits, TenantLimits
from deployments.ports import SegmentRequest
from deployments.retention.housekeeping import Retention
from deployments.sources.limits import SourceLimits
from deployments.sources.places import SourceCredential
from deployments.telemetry.counters import CoordinatorMetrics, MeasureOptions
from deployments.workers.minutes_writer import MinutesWriter
from deployments.workers.segmenter import Segmenter, SegmenterOptions
from deployments.workers.transcriber import Transcriber
from pipelines.audio.sandbox import IsolatedDecoder
from pipelines.core import MIB
from pipelines.errors import InputError, MeetMemoError, OptionError, SourceUnreachable
from pipelines.ledger.open import connect_keys, connect_ledger
from pipelines.ledger.sql_batches import SqlBatches
from pipelines.models.catalogue import ModelFiles, is_english_only, read_profile, resolve, weights_sha256
from pipelines.models.profile import ModelProfile
from pipelines.storage.open import open_store

# How often the MinutesWriter looks for parked minutes; its breaker says how often the model is really asked.
FOLLOW_UP_INTERVAL_S = 15.0

log = structlog.get_logger()


def _begin(settings: Settings) -> None:
    """Set up this replica's process."""
    os.umask(OTHERS)  # Ray may have been started without MeetMemo
    observe(settings)
    keep_replica_on_loopback()


def coordinator_handle() -> CoordinatorHandle:
    """The Coordinator of the running application, looked up when it is first called."""
    return CoordinatorHandle(lambda: serve.get_deployment_handle(COORDINATOR, app_name=APP_NAME))


def source_limits(settings: Settings) -> SourceLimits:
    """What may be pulled from a source URL, and with which credentials; raises `ConfigurationError`."""
    schemes = {"http", "https"} | ({"file"} if settings.limits.source_files_below else set())
    return SourceLimits(
        max_bytes=settings.limits.max_upload_mb * MIB,
        schemes=frozenset(schemes),
        file_roots=settings.limits.source_files_below,
        allow_private=settings.limits.private_sources,
        places=(
            *(account.place for account in twilio_accounts(settings)),
            *(_place(source) for source in settings.sources),
        ),
    )


def _place(source: SourceSettings) -> SourceCredential:
    return SourceCredential(
        name=source.name,
        url=source.url,
        secret=(read_secret(source.secret, process_environment()) or "") if source.secret else "",
        endpoint=source.endpoint,
        region=source.region,
        tenants=source.tenants,
        sidecars=source.sidecars,
        sidecar_fields=tuple(source.sidecar_fields.items()),
    )


def ingestion_limits(settings: Settings) -> IngestionLimits:
    """What one replica of the endpoint takes."""
    return IngestionLimits(
        spool_dir=settings.spool_dir,
        tenant=tenant_limits(settings.limits),
        tenants={name: tenant_limits(settings.limits.of(name)) for name in settings.limits.tenants},
        max_concurrent_uploads=settings.limits.max_concurrent_uploads,
        max_event_streams=settings.limits.max_event_streams,
        min_upload_bytes_per_s=settings.limits.min_upload_bytes_per_s,
        sources=source_limits(settings),
    )


def retention_of(settings: RetentionSettings) -> Retention:
    """How long what has ended is kept."""
    return Retention(results_days=settings.results_days, audio_days=settings.audio_days, tenants=settings.tenants)


def tenant_limits(limits: LimitSettings) -> TenantLimits:
    """What one tenant may ask of the endpoint."""
    return TenantLimits(
        max_upload_bytes=limits.max_upload_mb * MIB,
        max_concurrent_uploads=limits.max_tenant_uploads,
        max_open_upload_bytes=limits.max_open_upload_mb * MIB,
        max_streams=limits.max_tenant_streams,
        max_live_jobs=limits.max_waiting_jobs,
        max_backlog_audio_s=limits.max_waiting_audio_h * 3600 or math.inf,
        requests_per_s=limits.requests_per_s,
        request_burst=limits.request_burst,
    )


def decode_limits(limits: LimitSettings) -> DecodeLimits:
    """How long and how wide one tenant's recordings may be."""
    return DecodeLimits(max_duration_s=limits.max_duration_h * 3600, max_channels=limits.max_channels)


def model_files(settings: Settings, model: ModelSettings) -> ModelFiles:
    """Find a configured model; raises `ModelUnknown` and `ModelUnavailable`."""
    return resolve(model.path or model.name, settings.models_dir)


def profile_of(files: ModelFiles) -> ModelProfile:
    """What is known about a model; published models carry no profile, but vocabulary and name tell.

    Some speak English only; the turbo and distilled ones were not trained to translate.
    """
    profile = read_profile(files.path)
    if profile.languages is None and is_english_only(files.path):
        profile = replace(profile, languages=("en",))
    trained = not (files.name.startswith("distil-") or files.name.endswith("turbo"))
    return replace(profile, translates=profile.translates and trained)


def stop_coordinator(drain_s: float) -> None:
    """Make the running Coordinator stop: what is in hand gets ``drain_s`` seconds, then it gives its lease back.

    The next start then need not wait for the lease to run out.
    """
    handle = serve.get_deployment_handle(COORDINATOR, app_name=APP_NAME)
    handle.stop.remote(drain_s).result(timeout_s=drain_s + 10)


def build_measures(settings: Settings) -> CoordinatorMetrics:
    """The Coordinator's counters, with a series for every configured model and class of tenants."""
    return CoordinatorMetrics(
        [model.name for model in settings.models],
        MeasureOptions(
            tenant_classes=settings.metrics.tenant_classes,
            base_s=settings.metrics.objective_base_s,
            per_audio_s=settings.metrics.objective_per_audio_s,
        ),
    )


def count_transcribers() -> dict[str, int]:
    """How many replicas of each model's Transcriber are running, as Serve's controller knows it."""
    application = serve.status().applications.get(APP_NAME)
    deployments = application.deployments if application else {}
    prefix = transcriber_name("")
    return {
        name.removeprefix(prefix): sum(n for state, n in status.replica_states.items() if state == "RUNNING")
        for name, status in deployments.items()
        if name.startswith(prefix)
    }


class CoordinatorReplica(Coordinator):
    """A Coordinator that starts before its first health check passes, and gives its lease back when it is stopped."""

    def __init__(
        self,
        settings: Settings,
        segmenter: DeploymentHandle[Any],
        minutes_writer: DeploymentHandle[Any],
        transcribers: dict[str, DeploymentHandle[Any]],
        shares: dict[str, EngineShare],
    ) -> None:
        _begin(settings)
        super().__init__(
            ledger=connect_ledger(settings.ledger_url),
            store=open_store(settings.store_url),
            batches=SqlBatches(settings.ledger_url),
            segmenter=SegmenterHandle(segmenter),
            transcribers={name: TranscriberHandle(handle) for name, handle in transcribers.items()},
            minutes_writer=MinutesHandle(minutes_writer),
            count_replicas=count_transcribers,
            measures=build_measures(settings),
            options=CoordinatorOptions(
                owner=f"{socket.gethostname()}-{os.getpid()}",
                profiles={model.name: profile_of(model_files(settings, model)) for model in settings.models},
                weights={model.name: weights_sha256(model_files(settings, model).path) for model in settings.models},
                scale_to_zero=frozenset(scale_to_zero_models(settings)),
                decode_slots={model: share.lanes for model, share in shares.items()},
                max_pulls={model: share.max_pulls for model, share in shares.items()},
                max_live_jobs=settings.coordinator.max_live_jobs or live_jobs(shares.values()),
                max_attempts=settings.coordinator.max_attempts,
                lease_s=settings.coordinator.lease_s,
                batch_patience_s=settings.coordinator.batch_timeout_s,
                housekeeping_interval_s=settings.coordinator.housekeeping_s,
                notices=build_notices(settings),
                retention=retention_of(settings.retention),
            ),
        )
        self._courier = build_courier(settings, self._ledger, self._store, self._measures)
        self._deliveries: asyncio.Task[None] | None = None

    def reconfigure(self, user_config: dict[str, Any]) -> None:
        tuning = CoordinatorTuning.model_validate(user_config)
        self.retune(
            max_live_jobs=tuning.max_live_jobs,
            max_pulls=tuning.max_pulls,
            scale_to_zero=frozenset(tuning.scale_to_zero),
            retention=retention_of(tuning.retention),
        )

    async def check_health(self) -> None:
        if self._deliveries is None:
            await self.start()
            self._deliveries = asyncio.create_task(self._courier.run(), name="courier")
        self.check()

    async def __del__(self) -> None:
        if self._deliveries is not None:
            self._deliveries.cancel()
        await self.stop()


class SegmenterReplica(Segmenter):
    """A Segmenter over the configured store: ``at_once`` recordings at a time, the others wait here."""

    def __init__(self, settings: Settings, at_once: int) -> None:
        _begin(settings)
        self._settings = settings
        super().__init__(
            store=open_store(settings.store_url),
            options=SegmenterOptions(
                max_duration_s=settings.limits.max_duration_h * 3600,
                max_channels=settings.limits.max_channels,
                tenants={name: decode_limits(settings.limits.of(name)) for name in settings.limits.tenants},
                span_timeout_s=settings.coordinator.span_timeout_s,
                sources=source_limits(settings),
            ),
            decode=IsolatedDecoder(),
        )
        self._room = asyncio.Semaphore(at_once)

    def reconfigure(self, user_config: dict[str, Any]) -> None:
        limits = LimitTuning.model_validate(user_config).limits
        self.limit(
            max_duration_s=limits.max_duration_h * 3600,
            max_channels=limits.max_channels,
            tenants={name: decode_limits(limits.of(name)) for name in limits.tenants},
            sources=source_limits(self._settings.model_copy(update={"limits": limits})),
        )

    async def probe(self, tenant: str, url: str) -> Any:
        """As `Segmenter.probe`; a recording that cannot be read is an answer."""
        try:
            return await super().probe(tenant, url)
        except (InputError, SourceUnreachable, OptionError) as error:
            return error

    async def segment(self, request: SegmentRequest) -> AsyncIterator[Any]:
        """As `Segmenter.segment`, after `BEGUN`.

        A bad recording is an answer: Serve logs what is raised as a fault of ours.
        """
        async with self._room:
            yield BEGUN
            try:
                async for found in super().segment(request):
                    yield found
            except InputError as error:
                yield error


class TranscriberReplica(Transcriber):
    """A Transcriber whose model is loaded and warm before the replica is ready."""

    def __init__(self, settings: Settings, model: ModelSettings, share: EngineShare) -> None:
        _begin(settings)

        from pipelines.whisper.engine import WhisperEngine  # with torch, which the other replicas do without

        engine = WhisperEngine.load(model_files(settings, model).path, share.engine_options(model))
        engine.warm_up()
        super().__init__(
            name=model.name,
            engine=engine,
            store=open_store(settings.store_url),
            source=coordinator_handle(),
            max_rows=share.batch_size,
            most_rows=share.most_rows,
            lanes=share.lanes,
            hang_s=settings.coordinator.hang_s,
        )

    def reconfigure(self, user_config: dict[str, Any]) -> None:
        tuning = TranscriberTuning.model_validate(user_config)
        self.resize(tuning.batch_size, tuning.most_rows)

    async def check_health(self) -> None:
        self.check()

    async def record_autoscaling_stats(self) -> dict[str, float]:
        """What `BacklogPolicy` wants to know; Serve asks every few seconds."""
        return {
            autoscaling_policy.BUSY: self.lanes.look(),
            autoscaling_policy.SPEED: self.lanes.speed,
            autoscaling_policy.BATCH_AUDIO_S: self.lanes.batch_audio_s,
            autoscaling_policy.BACKLOG_S: self.backlog_s,
        }


class MinutesWriterReplica(MinutesWriter):
    """A MinutesWriter with the writers that are configured."""

    def __init__(self, settings: Settings) -> None:
        _begin(settings)
        store = open_store(settings.store_url)
        writers = build_writers(settings, read_key(os.environ), store)
        super().__init__(store=store, writers=writers, clock=time.time, styles=settings.minutes.styles)
        self._settings = settings
        self._coordinator = coordinator_handle()
        self._follow_ups: asyncio.Task[None] | None = None

    def reconfigure(self, user_config: dict[str, Any]) -> None:
        minutes = MinutesTuning.model_validate(user_config).minutes
        if minutes != self._settings.minutes:
            self._settings = self._settings.model_copy(update={"minutes": minutes})
            self.rewrite_by(build_writers(self._settings, read_key(os.environ), open_store(self._settings.store_url)))

    async def check_health(self) -> None:
        if self._follow_ups is None:
            self._follow_ups = asyncio.create_task(self._keep_following_up(), name="follow-ups")

    async def _keep_following_up(self) -> None:
        while True:
            await asyncio.sleep(FOLLOW_UP_INTERVAL_S)
            try:
                await self.follow_up(self._coordinator)
            except MeetMemoError as error:
                log.warning("follow-ups postponed", action="follow", detail=str(error))


class IngestionReplica(Ingestion):
    """The HTTP endpoint over the configured ledger and store."""

    def __init__(self, settings: Settings, coordinator: DeploymentHandle[Any]) -> None:
        _begin(settings)
        self._settings = settings
        keys = connect_keys(settings.ledger_url)
        super().__init__(
            ApiServices(
                ledger=connect_ledger(settings.ledger_url),
                store=open_store(settings.store_url),
                coordinator=CoordinatorHandle(lambda: coordinator),
                authenticator=build_authenticator(settings, keys),
                keys=keys,
                batches=SqlBatches(settings.ledger_url),
            ),
            ApiConfig(
                models=tuple(model.name for model in settings.models),
                default_model=settings.first_model,
                profiles={model.name: profile_of(model_files(settings, model)) for model in settings.models},
                limits=ingestion_limits(settings),
                llm_configured=settings.llm_configured,
                keeps_audio=settings.retention.audio_days > 0,
                styles=settings.minutes.styles,
                usd_per_audio_hour=settings.usd_per_audio_hour,
                vocabularies=settings.vocabulary,
                twilio=twilio_accounts(settings),
                reuse=settings.reuse,
                webhooks=webhook_limits(settings) if can_sign(os.environ) else None,
                mail_domains=mail_domains(settings),
                public_url=settings.http.public_url,
                version=__version__,
                cors_origins=settings.http.cors_origins,
                known_hosts=known_hosts(settings),
                refuse_cross_site=settings.auth.mode == "off",
            ),
        )

    def reconfigure(self, user_config: dict[str, Any]) -> None:
        tuned = self._settings.model_copy(update={"limits": LimitTuning.model_validate(user_config).limits})
        self.limit(ingestion_limits(tuned))
