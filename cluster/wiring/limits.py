"""Limits of uploads, sources, recordings and retention, made of the settings."""

import math

from cluster.settings.sections import LanguageSettings, LimitSettings, RetentionSettings, SourceSettings
from cluster.settings.settings import Settings
from cluster.settings.sources import secret_named
from cluster.wiring.twilio import twilio_accounts
from deployments.limits import BacklogBound, DecodeLimits, IngestionLimits, TenantLimits
from deployments.retention.rules import Retention, RetentionRule
from deployments.sources.limits import SourceLimits
from deployments.sources.places import SourceCredential
from pipelines.core import MIB
from pipelines.transcript.language_detection import LanguagePolicy


def source_limits(settings: Settings) -> SourceLimits:
    """Return what may be pulled from a source URL, and with which credentials; raises `ConfigurationError`."""
    schemes = {"http", "https"} | ({"file"} if settings.limits.source_files_below else set())
    return SourceLimits(
        max_bytes=settings.limits.max_upload_mb * MIB,
        schemes=frozenset(schemes),
        file_roots=settings.limits.source_files_below,
        allow_private=settings.limits.private_sources,
        callback_patience_s=settings.limits.callback_patience_s,
        places=(
            *(account.place for account in twilio_accounts(settings)),
            *(_place(source) for source in settings.sources),
        ),
    )


def _place(source: SourceSettings) -> SourceCredential:
    return SourceCredential(
        name=source.name,
        url=source.url,
        secret=secret_named(source.secret) if source.secret else "",
        endpoint=source.endpoint,
        region=source.region,
        tenants=source.tenants,
        sidecars=source.sidecars,
        sidecar_fields=tuple(source.sidecar_fields.items()),
    )


def ingestion_limits(settings: Settings) -> IngestionLimits:
    """Return what one replica of the endpoint takes."""
    return IngestionLimits(
        spool_dir=settings.spool_dir,
        tenant=tenant_limits(settings.limits),
        tenants={name: tenant_limits(settings.limits.of(name)) for name in settings.limits.tenants},
        bound=BacklogBound(
            max_jobs=settings.limits.cluster_waiting_jobs or math.inf,
            max_audio_s=settings.limits.cluster_waiting_audio_h * 3600 or math.inf,
        ),
        max_concurrent_uploads=settings.limits.max_concurrent_uploads,
        max_event_streams=settings.limits.max_event_streams,
        min_upload_bytes_per_s=settings.limits.min_upload_bytes_per_s,
        sources=source_limits(settings),
    )


def retention_of(settings: RetentionSettings) -> Retention:
    """Return how long what has ended is kept."""
    return Retention(
        results_days=settings.results_days,
        audio_days=settings.audio_days,
        tenants=settings.tenants,
        rules=tuple(
            RetentionRule(
                tenant=rule.tenant or "",
                metadata=tuple(rule.metadata.items()),
                results_days=rule.results_days,
                audio_days=rule.audio_days,
            )
            for rule in settings.rules
        ),
        audit_days=settings.audit_days,
    )


def tenant_limits(limits: LimitSettings) -> TenantLimits:
    """Return what one tenant may ask of the endpoint."""
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
    """Return how long and how wide one tenant's recordings may be."""
    return DecodeLimits(max_duration_s=limits.max_duration_h * 3600, max_channels=limits.max_channels)


def language_policies(settings: LanguageSettings) -> dict[str, LanguagePolicy]:
    """Return what holds for detected languages by tenant, and under "" for those that are not named."""
    everybody = LanguagePolicy(allowed=settings.allowed, doubtful_below=settings.doubtful_below)
    own = {
        tenant: LanguagePolicy(
            allowed=everybody.allowed if given.allowed is None else given.allowed,
            doubtful_below=everybody.doubtful_below if given.doubtful_below is None else given.doubtful_below,
        )
        for tenant, given in settings.tenants.items()
    }
    return {"": everybody, **own}
