"""The routes under ``/v1/admin``: what an operator does to the whole cluster."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from deployments.http.dependencies import Admin
from deployments.http.errors.documentation import documented
from deployments.ports import DrainStatus, StoryEntry
from deployments.schemas.options import ApiModel
from deployments.tenant.backend import Backend
from pipelines.errors import JobUnknown, Reason, ReplicaLost

DRAIN_PATH = "/v1/admin/drain"
STORY_PATH = "/v1/admin/jobs/{job_id}/story"


class DrainBody(ApiModel):
    """Progress of draining: once ``live_jobs`` is 0 the cluster can be stopped without interrupting a job."""

    draining: bool
    refusing: bool = Field(description="New jobs are turned away meanwhile; otherwise they wait in the ledger.")
    live_jobs: int

    @classmethod
    def from_domain(cls, status: DrainStatus) -> "DrainBody":
        return cls(draining=status.draining, refusing=status.refusing, live_jobs=status.n_live_jobs)


class StoryEntryBody(ApiModel):
    """Something that happened to a job: an event and what was begun because of it."""

    at: datetime
    stimulus_id: str = Field(description="Entries with the same one have the same cause, such as a Transcriber's call.")
    what: str
    state: str = Field(description="The job's state afterwards.")
    commands: tuple[str, ...]

    @classmethod
    def from_domain(cls, entry: StoryEntry) -> "StoryEntryBody":
        return cls(
            at=datetime.fromtimestamp(entry.at_s, UTC),
            stimulus_id=entry.stimulus_id,
            what=entry.what,
            state=entry.state,
            commands=entry.commands,
        )


class StoryBody(ApiModel):
    """The events of a job, oldest first."""

    job_id: str
    entries: tuple[StoryEntryBody, ...]


def admin_routes(backend: Backend) -> APIRouter:
    """Build the routes for draining the cluster and for stories of jobs."""
    router = APIRouter(tags=["service"])

    async def drain(begin: bool | None, refuse: bool = False) -> DrainBody:
        status = await backend.coordinator_client.drain(begin=begin, refuse=refuse)
        if status is None:
            raise ReplicaLost("The coordinator does not answer; try again in a few seconds.")
        return DrainBody.from_domain(status)

    @router.post(
        DRAIN_PATH,
        summary="Begin to drain",
        description=(
            "Queued jobs are not begun any more, those in hand go on to their end. Ends with `DELETE`, or when the "
            "cluster starts anew; a Coordinator that is replaced goes on with it. May be repeated."
        ),
        responses=documented(Reason.INVALID_OPTION, Reason.REPLICA_LOST),
    )
    async def begin(
        operator: Admin, refuse: Annotated[bool, Query(description="Turn new jobs away with 503 meanwhile.")] = False
    ) -> DrainBody:
        return await drain(True, refuse)

    @router.get(DRAIN_PATH, summary="How far draining is", responses=documented(Reason.REPLICA_LOST))
    async def show(operator: Admin) -> DrainBody:
        return await drain(None)

    @router.delete(DRAIN_PATH, summary="Begin jobs again", responses=documented(Reason.REPLICA_LOST))
    async def end(operator: Admin) -> DrainBody:
        return await drain(False)

    @router.get(
        STORY_PATH,
        summary="What happened to a job, and why",
        description=(
            "Events, their causes and what each began, from the memory of the Coordinator that runs now: the first and "
            "the last of each job that it heard of lately, of any tenant. Names no recording and quotes none."
        ),
        responses=documented(Reason.JOB_UNKNOWN, Reason.INVALID_OPTION, Reason.REPLICA_LOST),
    )
    async def story(job_id: str, operator: Admin) -> StoryBody:
        entries = await backend.coordinator_client.story(job_id)
        if entries is None:
            raise ReplicaLost("The coordinator does not answer; try again in a few seconds.")
        if not entries:
            raise JobUnknown(f"The coordinator that runs now remembers nothing of job {job_id!r}.")
        return StoryBody(job_id=job_id, entries=tuple(StoryEntryBody.from_domain(entry) for entry in entries))

    return router
