"""`JobCost`: what an ended job took, all that is kept of it once the job itself is deleted."""

from dataclasses import dataclass, field

from pipelines.core import Usage
from pipelines.jobs.job import Job, JobState
from pipelines.jobs.usage import JobUsage


@dataclass(frozen=True, kw_only=True)
class JobCost:
    """Figures for a tenant's account; no name, no words, nothing of a recording but its length and size."""

    tenant: str
    model: str
    created_at_s: float
    failed: bool
    audio_s: float
    source_bytes: int
    usage: JobUsage = field(default=JobUsage())
    tokens: Usage = field(default=Usage())

    @classmethod
    def of(cls, job: Job) -> "JobCost":
        """Return what a job took."""
        return cls(
            tenant=job.tenant,
            model=job.options.model,
            created_at_s=job.created_at_s,
            failed=job.state is JobState.FAILED,
            audio_s=job.heard.audio_s if job.decodes else 0.0,
            source_bytes=job.source.n_bytes,
            usage=job.usage,
            tokens=job.tokens,
        )
