"""The priority class ``economy``: last in every queue, and done within a day.

An economy job waits for all standard ones of all tenants. When less than `ECONOMY_URGENT_S` is left until it is due it
goes on as a standard job, so that a busy cluster delays it and never forgets it.
"""

from pipelines.jobs.job import Job
from pipelines.jobs.options import MAX_PRIORITY, JobOptions

ECONOMY_WITHIN_S = 86_400.0
"""An economy job is due so long after it was submitted, or at its deadline, whichever is earlier."""

ECONOMY_URGENT_S = 4 * 3600.0
"""An economy job goes on as a standard one once it is due in so long."""

ECONOMY_STEP = 10 * MAX_PRIORITY
"""How far economy jobs lie below standard ones in a queue that knows priorities only."""


def is_economy(job: Job, now_s: float) -> bool:
    """Return whether a job waits for all standard ones at a time (Unix seconds)."""
    return job.options.priority_class == "economy" and now_s < promoted_at_s(job)


def due_at_s(job: Job) -> float | None:
    """Return when a job is due (Unix seconds); None for a standard one without a deadline."""
    deadline_s = job.options.deadline.timestamp() if job.options.deadline else None
    if job.options.priority_class != "economy":
        return deadline_s
    day_s = job.created_at_s + ECONOMY_WITHIN_S
    return day_s if deadline_s is None else min(day_s, deadline_s)


def promoted_at_s(job: Job) -> float:
    """Return when an economy job becomes a standard one (Unix seconds)."""
    due_s = due_at_s(job)
    assert due_s is not None, "economy jobs are due"
    return due_s - ECONOMY_URGENT_S


def queue_priority(options: JobOptions) -> int:
    """Return a job's priority in the ledger's queue, where that of every economy job is below `LOWEST_STANDARD`."""
    return options.priority - (ECONOMY_STEP if options.priority_class == "economy" else 0)


LOWEST_STANDARD = -MAX_PRIORITY
"""The lowest priority of a standard job in the ledger's queue."""
