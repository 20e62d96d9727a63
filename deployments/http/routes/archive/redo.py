"""The routes that do one stage again: of a job, of a batch, or of what a search finds."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse

from deployments.http.dependencies import Reader, Writer
from deployments.http.errors.documentation import REDO, REDO_MANY, STORED_JOB, documented
from deployments.http.job_answer import DocumentedKey, job_answer
from deployments.http.json_bodies import documented_json, json_body
from deployments.intake.idempotency import idempotency_key
from deployments.schemas.jobs import JobBody
from deployments.schemas.redo import (
    JOB_REDO_PATH,
    REDO_DESCRIPTION,
    REDO_PATH,
    RedoBody,
    RedoManyRequest,
    RedoRequest,
    RedoVersions,
)
from deployments.tenant.backend import Backend


def redo_routes(backend: Backend) -> APIRouter:
    """Build the routes."""
    router = APIRouter(tags=["results"])

    @router.post(
        JOB_REDO_PATH,
        status_code=202,
        response_model=JobBody,
        summary="Do one stage again",
        description=REDO_DESCRIPTION,
        openapi_extra=documented_json(RedoRequest),
        responses={
            200: {
                "model": JobBody | RedoBody,
                "description": "The job an earlier request under this key brought; in a dry run what it would take.",
            },
            **documented(*REDO),
        },
    )
    async def redo(
        job_id: str,
        request: Request,
        jobs: Writer,
        body: Annotated[RedoRequest, Depends(json_body(RedoRequest))],
        idempotency_key_: DocumentedKey = None,
    ) -> Response:
        redoing = backend.redo_of(jobs)
        if body.dry_run:
            return JSONResponse((await redoing.estimated(job_id, body)).model_dump(mode="json"))
        return await job_answer(jobs, *await redoing.one(job_id, body, idempotency_key(request.headers)))

    @router.get(JOB_REDO_PATH, summary="List the versions of a recording's results", responses=documented(*STORED_JOB))
    async def versions(job_id: str, jobs: Reader) -> RedoVersions:
        return RedoVersions(versions=await jobs.show(*await jobs.redone(job_id)))

    @router.post(
        REDO_PATH,
        summary="Do one stage of several jobs again",
        description=REDO_DESCRIPTION,
        openapi_extra=documented_json(RedoManyRequest),
        responses=documented(*REDO_MANY),
    )
    async def redo_many(
        request: Request,
        jobs: Writer,
        body: Annotated[RedoManyRequest, Depends(json_body(RedoManyRequest))],
        idempotency_key_: DocumentedKey = None,
    ) -> RedoBody:
        key = idempotency_key(request.headers)
        async with jobs.answering(key):
            return await backend.redo_of(jobs).many(body, key)

    return router
