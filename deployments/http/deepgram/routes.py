"""Deepgram's dialect: ``POST /deepgram/v1/listen``, so that its clients work once their base URL is changed.

A request that waits for its text is a job like any other: stored, queued with priority, and there when the client has
gone. What is not supported is refused with 400.
"""

from fastapi import APIRouter, Request, Response

from deployments.artifacts import job_data
from deployments.http.deepgram.docs import LISTEN_DESCRIPTION, listen_openapi
from deployments.http.deepgram.forms import read_listen_request
from deployments.http.deepgram.query import ListenQuery
from deployments.http.deepgram.responses import ListenAccepted, ListenBody, Listened, created_at, listen_body
from deployments.http.errors.deepgram import REQUEST_ID, deepgram_error
from deployments.http.errors.dialects import DEEPGRAM
from deployments.http.errors.documentation import LISTEN, documented_in
from deployments.http.middleware.security_headers import set_response_headers
from deployments.http.vendor_keys import VendorWriter
from deployments.http.waiting import GONE, failure_of, transcribed
from deployments.intake.idempotency import idempotency_key
from deployments.schemas.jobs import job_path
from deployments.schemas.options import ApiModel
from deployments.tenant.backend import Backend
from deployments.tenant.jobs import TenantJobs
from deployments.tenant.threads import in_thread
from pipelines.jobs.job import Job

LISTEN_PATH = "/deepgram/v1/listen"


def listen_routes(backend: Backend) -> APIRouter:
    """Build the route."""
    router = APIRouter(tags=["deepgram"])

    @router.post(
        LISTEN_PATH,
        response_model=ListenBody | ListenAccepted,
        summary="Transcribe as Deepgram does",
        description=LISTEN_DESCRIPTION,
        openapi_extra=listen_openapi(),
        responses=documented_in(DEEPGRAM, *LISTEN),
    )
    async def listen(request: Request, jobs: VendorWriter) -> Response:
        with backend.waiting.acquire(jobs.tenant):  # from the beginning: a refusal leaves nothing behind
            job, query = await _accepted(request, jobs)
            headers = {
                REQUEST_ID: job.id,
                "x-meetmemo-job": job.id,
                "location": f"{backend.public_url}{job_path(job.id)}",
            }
            set_response_headers(request, headers)  # whatever the answer comes to be
            if query.callback:
                return _json(ListenAccepted(request_id=job.id), 200, headers)
            return await _waited(request, jobs, job, query, headers)

    async def _accepted(request: Request, jobs: TenantJobs) -> tuple[Job, ListenQuery]:
        async with jobs.answering(idempotency_key(request.headers)), jobs.spool() as spool:
            await jobs.check_backlog()
            heard = await read_listen_request(request, spool, jobs.policy, backend.limits)
            job, _ = await jobs.accept(heard.submission)
        return job, heard.query

    async def _waited(
        request: Request, jobs: TenantJobs, job: Job, query: ListenQuery, headers: dict[str, str]
    ) -> Response:
        ended = await transcribed(request, backend.coordinator_client, job)
        if ended is None:
            await jobs.leave(job)
            return Response(status_code=GONE)
        if failure := failure_of(ended):
            status = DEEPGRAM.status(failure.reason, failure.status)
            return _json(deepgram_error(failure, job.id), status, headers)
        await jobs.noted_read(ended, "transcript")
        return _json(await in_thread(_rendered, ended, query), 200, headers)

    def _rendered(job: Job, query: ListenQuery) -> ListenBody:
        listened = Listened(
            request_id=job.id,
            sha256=job.source.sha256,
            created_at=created_at(job.created_at_s),
            transcript=job_data.read_transcript(backend.store, job),
        )
        return listen_body(listened, query)

    return router


def _json(body: ApiModel, status: int, headers: dict[str, str]) -> Response:
    return Response(body.model_dump_json(exclude_none=True), status, headers, "application/json")
