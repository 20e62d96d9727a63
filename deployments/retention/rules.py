"""How long what has ended is kept: by tenant, and by rules about metadata."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pipelines.jobs.job import Job
from pipelines.keeping.legal_holds import has_pairs

DAY_S = 86_400.0


@dataclass(frozen=True, kw_only=True)
class RetentionRule:
    """Days for jobs with these pairs of metadata ("*": any value), of a tenant ("": any); None: as without the rule."""

    tenant: str = ""
    metadata: tuple[tuple[str, str], ...] = ()
    results_days: float | None = None
    audio_days: float | None = None

    def takes(self, job: Job) -> bool:
        """Return whether the rule is about a job."""
        return self.tenant in ("", job.tenant) and has_pairs(job, self.metadata)


@dataclass(frozen=True, kw_only=True)
class Retention:
    """Days that an ended job is kept, by tenant; 0 is for ever. ``results_days`` is for tenants not named.

    ``audio_days`` is how long copies of recordings are kept, where jobs asked for it; 0 is not at all. The first of
    ``rules`` that takes a job goes before all of these; what it does not say they do. ``audit_days`` is how long the
    audit log and receipts are kept; 0 is for ever.
    """

    results_days: float = 0.0
    audio_days: float = 0.0
    tenants: Mapping[str, float] = field(default_factory=dict)
    rules: Sequence[RetentionRule] = ()
    audit_days: float = 0.0

    def rule_of(self, job: Job) -> int | None:
        """Return the number of the rule that decides about a job, from 0; None where none does."""
        return next((number for number, rule in enumerate(self.rules) if rule.takes(job)), None)

    def is_over(self, tenant: str, updated_at_s: float, now_s: float) -> bool:
        """Say whether the time is over of what a tenant has and nobody has touched since (Unix seconds)."""
        return _is_over(self.tenants.get(tenant, self.results_days), updated_at_s, now_s)

    def job_is_over(self, job: Job, now_s: float) -> bool:
        """Say whether an ended job's time is over."""
        number = self.rule_of(job)
        ruled = self.rules[number].results_days if number is not None else None
        days = self.tenants.get(job.tenant, self.results_days) if ruled is None else ruled
        return _is_over(days, job.updated_at_s, now_s)

    def audio_is_over(self, job: Job, now_s: float) -> bool:
        """Say whether the time of an ended job's copy of its recording is over."""
        number = self.rule_of(job)
        ruled = self.rules[number].audio_days if number is not None else None
        return now_s - job.updated_at_s >= (self.audio_days if ruled is None else ruled) * DAY_S

    @property
    def shortest_days(self) -> float:
        """The least number of days after which anything goes; 0 when nothing ever does."""
        ruled = (rule.results_days or 0.0 for rule in self.rules)
        return min((days for days in (self.results_days, *self.tenants.values(), *ruled) if days > 0), default=0.0)


def _is_over(days: float, updated_at_s: float, now_s: float) -> bool:
    return bool(days) and updated_at_s < now_s - days * DAY_S
