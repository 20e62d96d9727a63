"""`SourceLimits`: what may be pulled from a URL."""

from dataclasses import dataclass
from pathlib import Path

from deployments.sources.places import SourceCredential
from pipelines.jobs.options import CALLBACK_PATIENCE_S

GIB = 1 << 30


@dataclass(frozen=True, kw_only=True)
class SourceLimits:
    """Limits on the URLs that recordings are pulled from.

    ``schemes`` are those of a source URL. ``file:`` sources are read only below ``file_roots``.
    Addresses that are not public are refused unless ``allow_private``. ``places`` are pulled from with credentials of
    their own; buckets only there. A recording that a callback or a bucket's event told of is asked for again for
    ``callback_patience_s`` seconds, unless its job says otherwise.
    """

    max_bytes: int = 4 * GIB
    schemes: frozenset[str] = frozenset({"https", "http"})
    file_roots: tuple[Path, ...] = ()
    allow_private: bool = False
    max_redirects: int = 5
    connect_timeout_s: float = 10.0
    idle_timeout_s: float = 60.0
    total_timeout_s: float = 3600.0
    places: tuple[SourceCredential, ...] = ()
    callback_patience_s: int = CALLBACK_PATIENCE_S
