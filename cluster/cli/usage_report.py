"""``meetmemo report``: what jobs took, summed by tenant or model, from the ledger."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

from pipelines.core import Usage
from pipelines.errors import OptionError
from pipelines.jobs.costs import JobCost
from pipelines.jobs.job import JobState
from pipelines.jobs.usage import JobUsage
from pipelines.ledger.job_filter import JobFilter
from pipelines.ledger.protocol import Ledger, all_jobs

GroupBy = Literal["tenant", "model"]
_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


@dataclass(kw_only=True)
class Account:
    """Sums over the jobs of a tenant, or of a model."""

    name: str
    n_jobs: int = 0
    n_failed: int = 0
    audio_s: float = 0.0
    source_bytes: int = 0
    usage: JobUsage = field(default_factory=JobUsage)
    tokens: Usage = field(default_factory=Usage)

    def add(self, cost: JobCost) -> None:
        self.n_jobs += 1
        self.n_failed += cost.failed
        self.audio_s += cost.audio_s
        self.source_bytes += cost.source_bytes
        self.usage += cost.usage
        self.tokens += cost.tokens


def since(text: str, now: datetime) -> datetime:
    """Return when a period begins, given as a date or time (ISO 8601, UTC without a zone) or as an age (``36h 7d 2w``).

    Raises `OptionError`.
    """
    text = text.strip()
    if text[-1:] in _UNITS and text[:-1].isdecimal() and len(text) < 7:
        try:
            return now - int(text[:-1]) * _UNITS[text[-1]]
        except OverflowError:
            pass
    else:
        try:
            found = datetime.fromisoformat(text)
        except ValueError:
            pass
        else:
            return found if found.tzinfo else found.replace(tzinfo=UTC)
    raise OptionError(f"{text!r} is neither a date such as 2026-11-01 nor a length of time such as 36h, 7d or 2w")


def account(costs: Iterable[JobCost], by: GroupBy) -> list[Account]:
    """Sum what ended jobs took, by name."""
    accounts: dict[str, Account] = {}
    for cost in costs:
        name = cost.tenant if by == "tenant" else cost.model
        accounts.setdefault(name, Account(name=name)).add(cost)
    return [accounts[name] for name in sorted(accounts)]


def costs_since(ledger: Ledger, since_s: float) -> Iterator[JobCost]:
    """Yield what ended jobs took, also deleted ones, of those created at or after that time (Unix seconds). Blocks."""
    yield from ledger.costs_of_deleted(since_s)
    ended = JobFilter(states=frozenset(state for state in JobState if state.final), created_from_s=since_s)
    yield from map(JobCost.of, all_jobs(ledger, None, ended))
