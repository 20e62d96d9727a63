"""`JobFilter`: which jobs a list of the ledger holds."""

from collections.abc import Collection
from dataclasses import dataclass

from pipelines.jobs.job import JobState


@dataclass(frozen=True, kw_only=True)
class JobFilter:
    """Narrow a list of jobs; a field that is left out narrows nothing.

    ``filename_contains`` is compared without case, ``id_prefix`` with it. Times are Unix seconds of creation, the
    later one excluded. ``with_failed_chunks`` leaves out jobs of which every chunk has text so far.
    """

    states: Collection[JobState] = ()
    filename_contains: str = ""
    external_id: str = ""
    id_prefix: str = ""
    created_from_s: float | None = None
    created_before_s: float | None = None
    with_failed_chunks: bool = False


ALL_JOBS = JobFilter()
