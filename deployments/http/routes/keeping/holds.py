"""The routes of legal holds: what must stay, whatever its retention says and whoever wants it gone."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from deployments.http.dependencies import Reader, TenantAdmin
from deployments.http.errors.documentation import ONE_ITEM, ONE_JOB, QUERY, documented
from deployments.http.json_bodies import documented_json, json_body
from deployments.schemas.jobs import JOBS_PATH
from deployments.schemas.keeping import HOLDS_PATH, HoldBody, HoldList, HoldRequest, JobHoldRequest
from deployments.tenant.backend import Backend
from pipelines.errors import Reason

_JOB_HOLD = JOBS_PATH + "/{job_id}/hold"
_ReleaseReason = Annotated[str, Query(max_length=500, description="Why it ends.")]


def hold_routes(backend: Backend) -> APIRouter:
    """Build the routes."""
    router = APIRouter(tags=["keeping"])

    @router.put(
        _JOB_HOLD,
        summary="Hold a job",
        openapi_extra=documented_json(JobHoldRequest),
        description=(
            "Nothing of the job is deleted while a hold is on it, neither by request nor by retention: 409 "
            "`legal_hold`. Jobs that replayed it or wrote its minutes anew are held as well. May be repeated: the "
            "first hold stays. Needs the scope `admin`."
        ),
        responses=documented(Reason.INVALID_REQUEST, Reason.ILLEGAL_TRANSITION, *ONE_JOB),
    )
    async def hold_job(
        job_id: str, jobs: TenantAdmin, wanted: Annotated[JobHoldRequest, Depends(json_body(JobHoldRequest))]
    ) -> HoldBody:
        return HoldBody.of(await backend.keeping_of(jobs).hold_job(job_id, name=wanted.name, reason=wanted.reason))

    @router.get(_JOB_HOLD, summary="List the holds on a job", responses=documented(*ONE_JOB))
    async def holds_of_job(job_id: str, jobs: Reader) -> HoldList:
        return HoldList(holds=[HoldBody.of(hold) for hold in await backend.keeping_of(jobs).holds_of(job_id)])

    @router.delete(
        _JOB_HOLD,
        summary="Release a job",
        description="Ends the hold of this job; one of a batch or by metadata is released by its id. Scope `admin`.",
        responses=documented(Reason.NOT_FOUND, *ONE_JOB),
    )
    async def release_job(job_id: str, jobs: TenantAdmin, reason: _ReleaseReason = "") -> HoldBody:
        return HoldBody.of(await backend.keeping_of(jobs).release_job(job_id, reason=reason))

    @router.post(
        HOLDS_PATH,
        status_code=201,
        summary="Hold jobs by batch, external id or metadata",
        openapi_extra=documented_json(HoldRequest),
        description="Takes all jobs that fulfil every condition, also those that come later. Scope `admin`.",
        responses=documented(Reason.INVALID_REQUEST, *ONE_ITEM),
    )
    async def hold(jobs: TenantAdmin, wanted: Annotated[HoldRequest, Depends(json_body(HoldRequest))]) -> HoldBody:
        placed = await backend.keeping_of(jobs).hold(wanted.to_domain(), name=wanted.name, reason=wanted.reason)
        return HoldBody.of(placed)

    @router.get(HOLDS_PATH, summary="List legal holds, newest first", responses=documented(*QUERY))
    async def holds(
        jobs: Reader, released: Annotated[bool, Query(description="Also those that were released.")] = False
    ) -> HoldList:
        found = await backend.keeping_of(jobs).holds(active=not released)
        return HoldList(holds=[HoldBody.of(each) for each in found])

    @router.get(HOLDS_PATH + "/{hold_id}", summary="Show a legal hold", responses=documented(*ONE_ITEM))
    async def show(hold_id: str, jobs: Reader) -> HoldBody:
        return HoldBody.of(await backend.keeping_of(jobs).get_hold(hold_id))

    @router.delete(
        HOLDS_PATH + "/{hold_id}",
        summary="Release a legal hold",
        description="The record of it stays. May be repeated. Scope `admin`.",
        responses=documented(*ONE_ITEM),
    )
    async def release(hold_id: str, jobs: TenantAdmin, reason: _ReleaseReason = "") -> HoldBody:
        return HoldBody.of(await backend.keeping_of(jobs).release(hold_id, reason=reason))

    return router
