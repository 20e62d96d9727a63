"""``PUT /v1/recordings/{filename}``: how FreeSWITCH, Kazoo and other recorders deliver a finished file."""

import hashlib
from dataclasses import replace

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from deployments.http.dependencies import Writer
from deployments.http.errors.documentation import RECORDING, documented
from deployments.http.openapi import submit_openapi
from deployments.intake.idempotency import idempotency_key
from deployments.intake.submission import clean_filename
from deployments.intake.submission_readers import read_submission
from deployments.schemas.jobs import JobBody, job_path
from deployments.tenant.backend import Backend
from pipelines.errors import InvalidRequest

RECORDINGS_PATH = "/v1/recordings"


def recorder_routes(backend: Backend) -> APIRouter:
    """Build the route."""
    router = APIRouter(tags=["jobs"])

    @router.put(
        RECORDINGS_PATH + "/{filename:path}",
        status_code=201,
        response_model=JobBody,
        summary="Put a recording",
        description=(
            "Takes the bytes as `POST /v1/jobs` takes a raw body, options as query parameters. Recorders repeat a PUT "
            "that got no answer: the same name with the same bytes is the same job, and answers 200."
        ),
        openapi_extra=_put_openapi(),
        responses={
            200: {"model": JobBody, "description": "The job that the same PUT brought before."},
            **documented(*RECORDING),
        },
    )
    async def put(filename: str, request: Request, jobs: Writer) -> Response:
        async with jobs.answering(idempotency_key(request.headers)), jobs.spool() as spool:
            await jobs.check_backlog()
            submission = await read_submission(request, spool, jobs.policy, backend.limits)
            if submission.spool is None:
                raise InvalidRequest("A PUT carries the recording itself; send sources to POST /v1/jobs.")
            key = submission.idempotency_key or _key_of(filename, submission.spool.sha256)
            submission = replace(submission, filename=clean_filename(filename), idempotency_key=key)
            job, created = await jobs.accept(submission)
        (body,) = await jobs.show(job)
        headers = {"location": f"{backend.public_url}{job_path(job.id)}"}
        return JSONResponse(body.model_dump(mode="json"), status_code=201 if created else 200, headers=headers)

    return router


def _key_of(filename: str, sha256: str) -> str:
    """Return what makes a repeated PUT the same one: the name and the bytes."""
    digest = hashlib.sha256(f"{filename}\n{sha256}".encode("utf-8", "replace")).hexdigest()
    return f"put/{digest}"


def _put_openapi() -> dict[str, object]:
    """Return options and bodies of ``POST /v1/jobs`` that a PUT takes as well."""
    documented_ = submit_openapi()
    bodies = documented_["requestBody"]["content"]
    raw = {
        media: schema for media, schema in bodies.items() if not media.startswith(("multipart/", "application/json"))
    }
    query = [item for item in documented_["parameters"] if item["name"] not in ("X-Filename", "filename")]
    return {"parameters": query, "requestBody": {"required": True, "content": raw}}
