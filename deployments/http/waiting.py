"""Requests that wait for a job's text, in whichever dialect they came."""

from collections.abc import AsyncIterator

import structlog
from starlette.requests import Request

from deployments.http.errors.problems import problem_for
from deployments.schemas.options import Problem
from deployments.tenant.coordinator_client import CoordinatorClient
from pipelines.errors import Reason
from pipelines.jobs.job import Job, JobState

SYNC_PRIORITY = 50
"""Somebody waits at the other end: before all jobs that did not ask for more."""
GONE = 499  # nobody reads it: the client has closed the connection
_POLL_S = 2.0  # between looks whether the client is still there

log = structlog.get_logger(__name__)


async def follow(coordinator: CoordinatorClient, job: Job, wait_timeout_s: float) -> AsyncIterator[Job | None]:
    """Yield the job at each change, first as it is; None when nothing changed for ``wait_timeout_s`` seconds."""
    yield job
    while not job.state.final:
        view = await coordinator.watch(job, wait_timeout_s)
        job = view.job if view else job
        yield view.job if view else None


async def transcribed(request: Request, coordinator: CoordinatorClient, job: Job) -> Job | None:
    """Return the job once it has a transcript or ended without one; None when the client has gone before."""
    async for known in follow(coordinator, job, _POLL_S):
        if known is not None and (has_transcript(known) or known.state.final):
            return known
        if await request.is_disconnected():
            break
    log.info("client went away; the job goes on", action="speech_left", job_id=job.id)
    return None


def has_transcript(job: Job) -> bool:
    """Say whether the stitched transcript is stored."""
    return job.state in (JobState.SUMMARIZING, JobState.SUCCEEDED)


def failure_of(job: Job) -> Problem | None:
    """Return why a job ended without a transcript; None while it lives or when it has one."""
    if job.state not in (JobState.FAILED, JobState.CANCELLED):
        return None
    return failure_for(job.state, job.reason, job.detail)


def failure_for(state: JobState, reason: Reason | None, detail: str) -> Problem:
    """Return why a job came to a state without a transcript."""
    if state is JobState.CANCELLED:
        return problem_for(Reason.ILLEGAL_TRANSITION, "The job was cancelled.")
    return problem_for(reason or Reason.INTERNAL, detail)
