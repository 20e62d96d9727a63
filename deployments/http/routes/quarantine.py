"""The routes of the quarantine: chunks that were given up, their clips, and jobs that try again."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field

from deployments.artifacts.quarantine import Quarantined
from deployments.http.dependencies import Reader, Writer
from deployments.http.entity_answer import CLIP_ANSWERS, CLIP_MEDIA_TYPE, Part, bytes_answer
from deployments.http.errors.documentation import AGAIN, QUERY, STORE, STORED_JOB, documented
from deployments.http.job_answer import EARLIER_JOB, DocumentedKey, job_answer
from deployments.http.json_bodies import documented_json, optional_json_body
from deployments.intake.idempotency import idempotency_key
from deployments.schemas.jobs import JOBS_PATH, JobBody, job_path
from deployments.schemas.options import ApiModel
from deployments.tenant.backend import Backend
from pipelines.errors import Reason
from pipelines.jobs.job import Job

QUARANTINE_PATH = "/v1/quarantine"


class QuarantinedBody(ApiModel):
    """A chunk that was given up after its last attempt; its job went on without it."""

    job_id: str
    filename: str
    index: int
    channel: int
    start_s: float = Field(description="On the recording's clock.")
    end_s: float
    language: str | None
    model: str
    error: str
    attempts: list[str] = Field(description="What each attempt met, oldest first.")
    at: datetime
    clip: str | None = Field(
        description="URL of a WAV file, levelled; null where the samples could not be read, and where the job hides "
        "what was said: nobody knows what would be heard."
    )

    @classmethod
    def from_domain(cls, job: Job, chunk: Quarantined, base_url: str) -> "QuarantinedBody":
        index = chunk.item.chunk.index
        audible = chunk.has_clip and not job.options.hides_audio
        return cls(
            job_id=job.id,
            filename=job.filename,
            index=index,
            channel=chunk.item.chunk.channel,
            start_s=round(chunk.start_s, 3),
            end_s=round(chunk.end_s, 3),
            language=chunk.item.language,
            model=chunk.model.name,
            error=chunk.error,
            attempts=list(chunk.item.errors),
            at=datetime.fromtimestamp(chunk.at_s, UTC),
            clip=f"{base_url}{job_path(job.id)}/quarantine/{index}/clip" if audible else None,
        )


class QuarantineList(ApiModel):
    """Chunks in quarantine, those of the newest jobs first."""

    chunks: list[QuarantinedBody]


class ReplayRequest(ApiModel):
    """The chunks of a job to decode again."""

    chunks: list[Annotated[int, Field(ge=0)]] | None = Field(
        None, min_length=1, max_length=10_000, description="Their indices; all in quarantine when left out."
    )


def quarantine_routes(backend: Backend) -> APIRouter:
    """Build the routes for listing, hearing and replaying what is in quarantine."""
    router = APIRouter(tags=["quarantine"])

    def bodies(found: Sequence[tuple[Job, Quarantined]]) -> list[QuarantinedBody]:
        return [QuarantinedBody.from_domain(job, chunk, backend.public_url) for job, chunk in found]

    @router.get(QUARANTINE_PATH, summary="List the chunks in quarantine", responses=documented(*QUERY, *STORE))
    async def list_quarantine(
        jobs: Reader, limit: Annotated[int, Query(ge=1, le=1000, description="Jobs to show at most.")] = 100
    ) -> QuarantineList:
        return QuarantineList(chunks=bodies(await jobs.quarantine(limit)))

    @router.get(
        JOBS_PATH + "/{job_id}/quarantine/{index}/clip",
        response_class=Response,
        summary="Listen to a chunk in quarantine",
        responses={**CLIP_ANSWERS, **documented(Reason.BLOB_MISSING, *STORED_JOB)},
    )
    async def clip(job_id: str, index: int, jobs: Reader, wanted: Part) -> Response:
        return bytes_answer(await jobs.clip(job_id, index), wanted, CLIP_MEDIA_TYPE, {})

    @router.post(
        JOBS_PATH + "/{job_id}/replay",
        status_code=202,
        response_model=JobBody,
        summary="Decode chunks in quarantine again",
        openapi_extra=documented_json(ReplayRequest, required=False),
        description=(
            "Makes a new job that decodes only these chunks and takes everything else from the job that gave them up: "
            "a transcript, minutes and documents of the whole recording. When it succeeds the old job's quarantine "
            "goes; what fails again is in the new job's. Takes an `Idempotency-Key`."
        ),
        responses={**EARLIER_JOB, **documented(*AGAIN)},
    )
    async def replay(
        job_id: str,
        request: Request,
        jobs: Writer,
        body: Annotated[ReplayRequest, Depends(optional_json_body(ReplayRequest))],
        idempotency_key_: DocumentedKey = None,
    ) -> Response:
        await jobs.check_backlog()
        return await job_answer(jobs, *await jobs.replay(job_id, body.chunks, idempotency_key(request.headers)))

    @router.post(
        JOBS_PATH + "/{job_id}/retry",
        status_code=202,
        response_model=JobBody,
        summary="Try a failed job again",
        description=(
            "Makes a new job of one that failed or was cancelled: chunks in quarantine are decoded again, minutes "
            "written from the same transcript, a recording that was submitted by its URL is fetched again. An uploaded "
            "recording was deleted when its job ended; then the answer is 409. Takes an `Idempotency-Key`."
        ),
        responses={**EARLIER_JOB, **documented(*AGAIN)},
    )
    async def retry(
        job_id: str,
        request: Request,
        jobs: Writer,
        idempotency_key_: DocumentedKey = None,
    ) -> Response:
        await jobs.check_backlog()
        return await job_answer(jobs, *await jobs.retry(job_id, idempotency_key(request.headers)))

    return router
