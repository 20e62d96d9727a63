"""The routes around a job's minutes: written anew, all their versions, clips of what they rest on."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request, Response

from deployments.http.dependencies import Reader, Writer
from deployments.http.entity_answer import CLIP_ANSWERS, CLIP_MEDIA_TYPE, Part, bytes_answer
from deployments.http.errors.documentation import PLAYBACK, REWRITE, STORED_JOB, documented
from deployments.http.job_answer import EARLIER_JOB, DocumentedKey, job_answer
from deployments.http.json_bodies import documented_json, optional_json_body
from deployments.intake.idempotency import idempotency_key
from deployments.schemas.jobs import JOBS_PATH, JobBody
from deployments.schemas.options import ApiModel, MinutesOverrides
from deployments.tenant.backend import Backend
from pipelines.errors import Reason


class MinutesVersions(ApiModel):
    """A recording's minutes, oldest first: those of the job that transcribed it, then those written anew."""

    versions: list[JobBody]


def job_minutes_routes(backend: Backend) -> APIRouter:
    """Build the routes for writing minutes anew."""
    router = APIRouter(tags=["results"])

    @router.post(
        JOBS_PATH + "/{job_id}/minutes",
        status_code=202,
        response_model=JobBody,
        summary="Write the minutes anew",
        openapi_extra=documented_json(MinutesOverrides, required=False),
        description=(
            "Makes a new job that takes the transcript of this one and writes its minutes with other options: nothing "
            "is transcribed again, and the earlier version stays as it is. Takes an `Idempotency-Key`."
        ),
        responses={**EARLIER_JOB, **documented(*REWRITE)},
    )
    async def rewrite(
        job_id: str,
        request: Request,
        jobs: Writer,
        body: Annotated[MinutesOverrides, Depends(optional_json_body(MinutesOverrides))],
        idempotency_key_: DocumentedKey = None,
    ) -> Response:
        await jobs.check_backlog()
        return await job_answer(jobs, *await jobs.rewrite(job_id, body, idempotency_key(request.headers)))

    @router.get(
        JOBS_PATH + "/{job_id}/minutes", summary="List the versions of the minutes", responses=documented(*STORED_JOB)
    )
    async def versions(job_id: str, jobs: Reader) -> MinutesVersions:
        return MinutesVersions(versions=await jobs.show(*await jobs.versions(job_id)))

    @router.get(
        JOBS_PATH + "/{job_id}/clips/{kind}/{number}",
        response_class=Response,
        summary="Listen to what a decision or a task rests on",
        description=(
            "The recording where it was said, levelled; `number` counts as in the documents, from 1. Only of jobs that "
            "were submitted with `keep_audio`, as long as recordings are kept."
        ),
        responses={**CLIP_ANSWERS, **documented(Reason.NOT_FOUND, *PLAYBACK)},
    )
    async def clip(
        job_id: str,
        kind: Literal["decisions", "action_items", "open_questions"],
        number: int,
        jobs: Reader,
        wanted: Part,
    ) -> Response:
        return bytes_answer(await jobs.excerpt(job_id, kind, number), wanted, CLIP_MEDIA_TYPE, {})

    return router
