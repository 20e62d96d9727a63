"""A job's life as server-sent events."""

import asyncio
from collections.abc import AsyncGenerator

from deployments.http.errors.problems import problem_of
from deployments.http.sse import event, kept_alive
from deployments.schemas.jobs import JobBody
from deployments.tenant.coordinator_client import CoordinatorClient
from pipelines.errors import InvalidRequest, JobUnknown
from pipelines.jobs.job import Job, JobState

MIN_INTERVAL_S = 0.2  # a busy job changes with every batch; nobody reads faster than this


def seen_version(last_event_id: str | None) -> int:
    """Read the header ``Last-Event-ID``; -1 when there is none. Raises `InvalidRequest`."""
    if not last_event_id:
        return -1
    if not (last_event_id.isascii() and last_event_id.isdigit()):
        raise InvalidRequest("Last-Event-ID must be the id of an event of this job.")
    return int(last_event_id)


def job_events(
    coordinator_client: CoordinatorClient,
    job: Job,
    eta_s: float | None,
    seen: int,
    keep_alive_s: float,
    public_url: str,
) -> AsyncGenerator[bytes, None]:
    """Yield ``state``, ``progress`` and at last ``end`` events, whose id is the job's version, newer than ``seen``.

    ``state`` says that the state is another than in the event before (or that this is the first event), ``progress``
    that something else changed. A comment goes out after ``keep_alive_s`` seconds without an event. An event
    ``error`` with a problem ends the stream of a job that is deleted meanwhile.
    """
    return kept_alive(_events(coordinator_client, job, eta_s, seen, keep_alive_s, public_url), keep_alive_s)


async def _events(
    coordinator_client: CoordinatorClient, job: Job, eta_s: float | None, seen: int, look_s: float, public_url: str
) -> AsyncGenerator[bytes, None]:
    told: JobState | None = None
    news = job.version > seen or job.state.final
    while True:
        if news:
            name = "end" if job.state.final else "progress" if told is job.state else "state"
            body = JobBody.from_domain(job, eta_s, public_url)
            yield event(body.model_dump_json(), name=name, version=job.version)
            if job.state.final:
                return
            told = job.state
            await asyncio.sleep(MIN_INTERVAL_S)
        try:
            view = await coordinator_client.watch(job, look_s)
        except JobUnknown as error:
            yield event(problem_of(error).model_dump_json(), name="error", version=job.version)
            return
        news = view is not None
        if view is not None:
            job, eta_s = view.job, view.eta_s
