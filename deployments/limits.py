"""What Ingestion takes at most."""

from dataclasses import dataclass, field
from pathlib import Path

GIB = 1 << 30


@dataclass(frozen=True, kw_only=True)
class SourceLimits:
    """What may be pulled from a URL.

    ``schemes`` are those of a source URL. ``file:`` sources are read only below ``file_roots``.
    Addresses that are not public are refused unless ``allow_private``.
    """

    max_bytes: int = 4 * GIB
    schemes: frozenset[str] = frozenset({"https", "http"})
    file_roots: tuple[Path, ...] = ()
    allow_private: bool = False
    max_redirects: int = 5
    connect_timeout_s: float = 10.0
    idle_timeout_s: float = 60.0
    total_timeout_s: float = 3600.0


@dataclass(frozen=True, kw_only=True)
class IngestionLimits:
    """What one Ingestion replica takes.

    Uploads are spooled to ``spool_dir`` and refused when that would leave less than ``min_free_bytes`` on its disk.
    ``max_live_jobs`` bounds the jobs of a tenant that have not ended, ``max_event_streams`` the open SSE answers,
    ``keep_alive_s`` the silence on them.
    """

    spool_dir: Path
    max_upload_bytes: int = 4 * GIB
    max_concurrent_uploads: int = 16
    max_live_jobs: int = 10_000
    max_event_streams: int = 256
    min_free_bytes: int = 256 << 20
    upload_idle_timeout_s: float = 60.0
    keep_alive_s: float = 15.0
    sources: SourceLimits = field(default=SourceLimits())
