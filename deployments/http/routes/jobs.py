"""The routes under ``/v1/jobs``: thin, the work is done by `TenantJobs`."""

from pathlib import PurePosixPath
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import StreamingResponse

from deployments.http.content_disposition import attachment
from deployments.http.dependencies import Reader, Writer, reader_slot
from deployments.http.entity_answer import Part, documented_entity, entity_answer
from deployments.http.errors.documentation import FOLLOW, ONE_JOB, PAGE, RESULT, STORE, SUBMIT, documented
from deployments.http.job_answer import job_answer
from deployments.http.job_events import job_events, seen_version
from deployments.http.openapi import SUBMIT_DESCRIPTION, event_stream, submit_openapi
from deployments.http.sse import event_response
from deployments.intake.idempotency import idempotency_key
from deployments.intake.submission_readers import read_submission
from deployments.schemas.jobs import JOBS_PATH, JobBody, JobDetail, JobPage, JobQuery, Purged
from deployments.schemas.keeping import ReceiptDocument
from deployments.tenant.backend import Backend
from deployments.tenant.threads import in_thread
from deployments.tenant.transcript_versions import TranscriptVersions
from pipelines.errors import Reason
from pipelines.keeping.receipts import document

CONTENT_TYPES = {
    ".json": "application/json",
    ".txt": "text/plain; charset=utf-8",
    ".srt": "application/x-subrip; charset=utf-8",
    ".vtt": "text/vtt; charset=utf-8",
    ".md": "text/markdown; charset=utf-8",
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ".pdf": "application/pdf",
}

VERSION_DESCRIPTION = (
    "Rendered from this version of the transcript, 0 for the machine's; minutes keep their words. "
    "Left out: as the job stored it."
)
TRANSLATION_DESCRIPTION = (
    "Rendered from the transcript in this language, one of the job's `translations`; minutes keep their words. "
    "Left out: the original."
)
_LOCATION = {"Location": {"description": "URL of the job.", "schema": {"type": "string"}}}


def job_routes(backend: Backend) -> APIRouter:
    """Build the routes for submitting, showing, listing, ending, following and fetching jobs."""
    router = APIRouter()
    streams = backend.stream_gate("event streams")

    @router.post(
        JOBS_PATH,
        status_code=202,
        response_model=JobBody,
        tags=["jobs"],
        summary="Submit a recording",
        description=SUBMIT_DESCRIPTION,
        openapi_extra=submit_openapi(),
        responses={
            200: {
                "model": JobBody,
                "description": "The job of an earlier request: with this key or external id, or an equal one.",
            },
            202: {"description": "The recording is stored and will be transcribed.", "headers": _LOCATION},
            **documented(*SUBMIT),
        },
    )
    async def submit(request: Request, jobs: Writer) -> Response:
        async with jobs.answering(idempotency_key(request.headers)), jobs.spool() as spool:
            await jobs.check_backlog()
            submission = await read_submission(request, spool, jobs.policy, backend.limits)
            job, created = await jobs.accept(submission)
        return await job_answer(jobs, job, created)

    @router.get(JOBS_PATH, tags=["jobs"], summary="List jobs, newest first", responses=documented(*PAGE))
    async def list_jobs(query: Annotated[JobQuery, Query()], jobs: Reader) -> JobPage:
        page = await jobs.page(query)
        following = None
        if page.next_cursor is not None:
            same = query.model_dump(mode="json", exclude_none=True, exclude={"cursor"})
            following = f"{backend.public_url}{JOBS_PATH}?{urlencode({**same, 'cursor': page.next_cursor}, doseq=True)}"
        return JobPage(jobs=await jobs.show(*page.jobs), next=following)

    @router.get(JOBS_PATH + "/{job_id}", tags=["jobs"], summary="Show a job", responses=documented(*ONE_JOB))
    async def show_job(job_id: str, jobs: Reader) -> JobDetail:
        job = await jobs.get(job_id)
        (body,) = await jobs.show(job)
        holds = await in_thread(jobs.ledger.legal_holds.of_job, job)
        return JobDetail.of(body, await jobs.events(job_id), holds)

    @router.delete(
        JOBS_PATH + "/{job_id}",
        response_model=JobBody | Purged,
        tags=["jobs"],
        summary="Cancel a job, or erase it",
        description=(
            "Cancels a live job, effective at its next chunk, and answers 202; a job that has ended stays as it is "
            "(200). A job that several equal requests share goes on until each of them has cancelled it; with "
            "`everyone=true` it ends at once. With `purge=true` an ended job is erased with its source, results and "
            "history, and the answer lists what was deleted, with a receipt; a live job must be cancelled first (409), "
            "and one under a legal hold is not erased (409 `legal_hold`)."
        ),
        responses={
            202: {"model": JobBody, "description": "The job will be cancelled."},
            **documented(Reason.ILLEGAL_TRANSITION, Reason.LEGAL_HOLD, *STORE, *ONE_JOB),
        },
    )
    async def end_job(
        job_id: str, response: Response, jobs: Writer, purge: bool = False, everyone: bool = False
    ) -> JobBody | Purged:
        if purge:
            receipt = await jobs.purge(job_id)
            return Purged(id=job_id, deleted=receipt.keys, receipt=ReceiptDocument.model_validate(document(receipt)))
        job = await jobs.cancel(job_id, everyone=everyone)
        response.status_code = 200 if job.state.final else 202
        (body,) = await jobs.show(job)
        return body

    @router.get(
        JOBS_PATH + "/{job_id}/events",
        dependencies=[Depends(reader_slot(streams))],
        response_class=StreamingResponse,
        tags=["jobs"],
        summary="Follow a job",
        description=(
            "Server-sent events `state`, `progress` and `end`, each with the job as data and the job's version as id. "
            "The stream ends with the job. Sent again with the id of `end` in `Last-Event-ID`, the request gets 204, "
            "which tells a browser's EventSource to stop."
        ),
        responses={
            200: event_stream("state", "progress", "end", "error"),
            204: {"description": "The job has ended and its last event was received."},
            **documented(*FOLLOW),
        },
    )
    async def follow_job(job_id: str, jobs: Reader, last_event_id: Annotated[str | None, Header()] = None) -> Response:
        seen = seen_version(last_event_id)
        job = await jobs.get(job_id)
        if job.state.final and seen >= job.version:
            return Response(status_code=204)
        eta_s = (await backend.coordinator_client.eta((job.id,))).get(job.id) if not job.state.final else None
        return event_response(
            job_events(backend.coordinator_client, job, eta_s, seen, backend.limits.keep_alive_s, backend.public_url)
        )

    @router.get(
        JOBS_PATH + "/{job_id}/results/{name}",
        response_class=StreamingResponse,
        tags=["results"],
        summary="Fetch a result",
        responses={
            **documented_entity("The document.", *(media.partition(";")[0] for media in CONTENT_TYPES.values())),
            **documented(*RESULT),
        },
    )
    async def fetch_result(
        job_id: str,
        name: str,
        jobs: Reader,
        wanted: Part,
        version: Annotated[int | None, Query(ge=0, description=VERSION_DESCRIPTION)] = None,
        translation: Annotated[str | None, Query(max_length=35, description=TRANSLATION_DESCRIPTION)] = None,
    ) -> Response:
        job = await jobs.get(job_id)
        if translation is not None:
            result = await TranscriptVersions(jobs=jobs).open_translation(job, name, translation, version)
        elif version is None:
            result = await jobs.open_result(job, name)
        else:
            result = await TranscriptVersions(jobs=jobs).open_result(job, name, version)
        # Players choose subtitles by the language before the last suffix.
        stem, suffix = PurePosixPath(name).stem, PurePosixPath(name).suffix
        shown = f"{stem}.{translation}{suffix}" if translation else name
        headers = {
            "cache-control": "private, no-cache",
            "content-disposition": attachment(PurePosixPath(job.filename).stem, f".{shown}"),
        }
        return entity_answer(result, wanted, CONTENT_TYPES[suffix], headers)

    return router
