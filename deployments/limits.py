"""Limits of Ingestion and the Segmenter."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from deployments.sources.limits import GIB, SourceLimits
from pipelines.audio.formats import MAX_CHANNELS


@dataclass(frozen=True, kw_only=True)
class UploadPace:
    """The slowest rate allowed for a body: never silent for ``idle_timeout_s``, and ``min_bytes_per_s`` over
    ``grace_s``.

    0 bytes a second ask for no rate.
    """

    idle_timeout_s: float = 60.0
    min_bytes_per_s: float = 1024.0
    grace_s: float = 60.0


@dataclass(frozen=True, kw_only=True)
class TenantLimits:
    """The limits of one tenant at one Ingestion replica.

    ``max_open_upload_bytes`` bounds its uploads that outlive a request: resumable ones, and those put to a URL of ours.
    ``max_streams`` holds for streams of events and for requests that wait for their text, each kind by itself.
    ``max_live_jobs`` bounds its jobs that have not ended, ``max_backlog_audio_s`` what is known of their audio and not
    transcribed. ``requests_per_s`` refills a bucket of ``request_burst`` requests; 0 asks for no such bucket.
    """

    max_upload_bytes: int = 4 * GIB
    max_concurrent_uploads: int = 16
    max_open_upload_bytes: int = 64 * GIB
    max_streams: int = 192
    max_live_jobs: int = 10_000
    max_backlog_audio_s: float = math.inf
    requests_per_s: float = 0.0
    request_burst: int = 100

    def open_upload_share(self, disk_bytes: int) -> int:
        """Return the bytes a tenant's open uploads may have in all: half of a disk of ``disk_bytes`` is left to others.

        Its first open upload may have more.
        """
        return min(self.max_open_upload_bytes, disk_bytes // 2)


@dataclass(frozen=True, kw_only=True)
class DecodeLimits:
    """The longest duration and the most channels of a tenant's recordings."""

    max_duration_s: float
    max_channels: int = MAX_CHANNELS


@dataclass(frozen=True, kw_only=True)
class BacklogBound:
    """What may wait in the whole cluster: jobs that have not ended, and what is known of their audio."""

    max_jobs: float = math.inf
    max_audio_s: float = math.inf

    @property
    def is_set(self) -> bool:
        return not (math.isinf(self.max_jobs) and math.isinf(self.max_audio_s))


@dataclass(frozen=True, kw_only=True)
class IngestionLimits:
    """The limits of one Ingestion replica: in all, and for each tenant; ``bound`` is that of the whole cluster.

    Uploads are spooled to ``spool_dir`` and refused when that would leave less than ``min_free_bytes`` on its disk, or
    when they come more slowly than ``min_upload_bytes_per_s``. ``max_event_streams`` bounds the open SSE answers of
    each kind and the requests that wait for their text, ``keep_alive_s`` the silence on them. ``tenants`` holds those
    whose limits are not the ``tenant`` ones.
    """

    spool_dir: Path
    tenant: TenantLimits = field(default=TenantLimits())
    tenants: Mapping[str, TenantLimits] = field(default_factory=dict)
    bound: BacklogBound = field(default=BacklogBound())
    max_concurrent_uploads: int = 24
    max_event_streams: int = 256
    min_free_bytes: int = 256 << 20
    upload_idle_timeout_s: float = 60.0
    min_upload_bytes_per_s: float = 1024.0
    keep_alive_s: float = 15.0
    sources: SourceLimits = field(default=SourceLimits())

    @property
    def pace(self) -> UploadPace:
        """How slowly a body may come."""
        return UploadPace(idle_timeout_s=self.upload_idle_timeout_s, min_bytes_per_s=self.min_upload_bytes_per_s)

    def of(self, tenant: str) -> TenantLimits:
        """Return a tenant's own limits."""
        return self.tenants.get(tenant, self.tenant)


@dataclass
class LiveLimits:
    """The limits that hold now: an operator may change them while the endpoint runs."""

    now: IngestionLimits

    def of(self, tenant: str) -> TenantLimits:
        """Return a tenant's own limits, now."""
        return self.now.of(tenant)
