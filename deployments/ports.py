"""What one deployment may ask of another, as protocols of plain async methods.

A Ray Serve handle is adapted to them in `deployments.handles`; tests pass objects of their own.
Only ids, references and dataclasses travel: never audio bytes, open files or requests.
"""

from dataclasses import dataclass
from typing import Protocol

from pipelines.jobs import Job


@dataclass(frozen=True, kw_only=True)
class ModelStatus:
    """One configured Whisper model: is a replica loaded and warm, and on what?"""

    name: str
    ready: bool
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class ClusterStatus:
    """The Coordinator's view of the cluster.

    ``backlog_audio_s`` is audio accepted and cut but not transcribed; ``speed`` is audio seconds per wall second
    over the last minutes, 0 where nothing was measured yet.
    """

    models: tuple[ModelStatus, ...]
    backlog_audio_s: float
    speed: float
    ledger_ok: bool = True
    store_ok: bool = True
    draining: bool = False


@dataclass(frozen=True, kw_only=True)
class JobView:
    """A job as stored, and the seconds until it is expected to end (None while unknown)."""

    job: Job
    eta_s: float | None


class CoordinatorPort(Protocol):
    """What Ingestion asks of the Coordinator; the ledger stays the truth if it does not answer."""

    async def wake(self) -> None:
        """Say that the ledger holds something new: a job, or a request to cancel one."""

    async def watch(self, tenant: str, job_id: str, seen_version: int, timeout_s: float) -> JobView:
        """Return the job once its version exceeds ``seen_version`` or the time is up; raises `JobUnknown`."""

    async def eta(self, job_ids: tuple[str, ...]) -> dict[str, float | None]:
        """Estimate seconds to the end for each live job; ended and unknown jobs are left out."""

    async def status(self) -> ClusterStatus:
        """Describe the cluster for readiness checks and operators."""
