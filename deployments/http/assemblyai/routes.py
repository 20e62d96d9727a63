"""AssemblyAI's dialect: uploads and transcripts under ``/assemblyai/v2``, for its clients with another base URL.

A transcript is a job like any other, under the job's id. What is not supported is refused with 400.
"""

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field

from deployments.http.assemblyai.docs import DELETE_DESCRIPTION, TRANSCRIPT_DESCRIPTION, UPLOAD_DESCRIPTION
from deployments.http.assemblyai.forms import NAMES, TranscriptRequest
from deployments.http.assemblyai.listing import Listing, TranscriptList, TranscriptQuery
from deployments.http.assemblyai.responses import (
    TranscriptBody,
    TranscriptParagraphs,
    TranscriptSentences,
    deleted_body,
    paragraphs_body,
    sentences_body,
    transcript_body,
)
from deployments.http.assemblyai.uploads import UPLOAD_PATH, upload_in, upload_url
from deployments.http.assemblyai.word_search import WordMatches, phrases_in, word_matches
from deployments.http.errors.dialects import ASSEMBLYAI as ERRORS
from deployments.http.errors.documentation import LISTEN, ONE_TRANSCRIPT, documented_in
from deployments.http.json_bodies import documented_json, json_body
from deployments.http.openapi import binary_body
from deployments.http.vendor_keys import VendorReader, VendorWriter
from deployments.http.vendor_options import named
from deployments.http.waiting import has_transcript
from deployments.intake.idempotency import idempotency_key
from deployments.intake.submission import Submission, clean_filename
from deployments.intake.submission_readers import receive_body
from deployments.schemas.options import ApiModel
from deployments.sources.fetch import check_url, name_in
from deployments.tenant.backend import Backend
from deployments.tenant.jobs import TenantJobs
from deployments.tenant.threads import in_thread
from pipelines.core import Transcript
from pipelines.errors import IllegalTransition, NotFound, Reason, ResultPending, refused_option
from pipelines.export.render import render
from pipelines.jobs.dialect import ASSEMBLYAI, Dialect
from pipelines.jobs.job import Job

TRANSCRIPT_PATH = "/assemblyai/v2/transcript"
SUBTITLES = {"srt": "application/x-subrip; charset=utf-8", "vtt": "text/vtt; charset=utf-8"}

CharsPerCaption = Annotated[str, Query(description="Is not supported: lines have 42 characters at most.")]


class UploadedRecording(ApiModel):
    """A recording that is here."""

    upload_url: str = Field(description="What to give as `audio_url`.")


def transcript_routes(backend: Backend) -> APIRouter:
    """Build the routes."""
    router = APIRouter(tags=["assemblyai"])

    @router.post(
        UPLOAD_PATH,
        summary="Upload as AssemblyAI does",
        description=UPLOAD_DESCRIPTION,
        openapi_extra=binary_body(),
        responses=documented_in(ERRORS, *LISTEN),
    )
    async def upload(request: Request, jobs: VendorWriter) -> UploadedRecording:
        async with jobs.spool() as spool:
            await jobs.check_backlog()
            await receive_body(request, spool, request.headers.get("content-type", ""), backend.limits)
            kept = await in_thread(
                backend.intake.direct.keep,
                jobs.tenant,
                spool.path,
                jobs.limits,
                backend.spool_space.free_bytes,
                n_bytes=spool.n_bytes,
                sha256=spool.sha256,
            )
        return UploadedRecording(upload_url=upload_url(_base_url(request), kept.id))

    @router.post(
        TRANSCRIPT_PATH,
        summary="Submit as AssemblyAI does",
        description=TRANSCRIPT_DESCRIPTION,
        openapi_extra=documented_json(TranscriptRequest),
        responses=documented_in(ERRORS, *LISTEN),
    )
    async def submit(
        request: Request,
        jobs: VendorWriter,
        wanted: Annotated[TranscriptRequest, Depends(json_body(TranscriptRequest))],
    ) -> TranscriptBody:
        key = idempotency_key(request.headers)
        async with jobs.answering(key):
            await jobs.check_backlog()
            submission = await _submission(jobs, wanted, key)
            job, created = await _accepted(jobs, submission)
        if not created and submission.upload_id and _asked(job) != _asked(submission):
            raise refused_option("audio_url", "this upload has a transcript with other parameters; upload it again")
        return _told(request, job, None)

    async def _submission(jobs: TenantJobs, wanted: TranscriptRequest, key: str | None) -> Submission:
        with named(NAMES):
            options = await jobs.policy.check(wanted.options(jobs.policy.models))
            upload_id = upload_in(wanted.audio_url)
            if not upload_id:
                check_url(wanted.audio_url, backend.limits.sources, jobs.tenant)
        return Submission(
            options=options,
            filename="" if upload_id else clean_filename(name_in(wanted.audio_url)),
            source_url="" if upload_id else wanted.audio_url,
            upload_id=upload_id,
            idempotency_key=key,
            dialect=Dialect(name=ASSEMBLYAI, asked=wanted.asked()),
        )

    async def _accepted(jobs: TenantJobs, submission: Submission) -> tuple[Job, bool]:
        try:
            return await jobs.accept(submission)
        except NotFound:
            raise refused_option("audio_url", "there is no such upload; uploads without a transcript end") from None

    @router.get(
        TRANSCRIPT_PATH,
        summary="List as AssemblyAI does",
        description="All jobs of the tenant, newest first.",
        responses=documented_in(ERRORS, *ONE_TRANSCRIPT),
    )
    async def list_transcripts(
        request: Request, query: Annotated[TranscriptQuery, Query()], jobs: VendorReader
    ) -> TranscriptList:
        before = await jobs.get(query.before_id) if query.before_id else None
        after = await jobs.get(query.after_id) if query.after_id else None
        listing = Listing(url=f"{_base_url(request)}{TRANSCRIPT_PATH}")
        if query.throttled_only:
            return listing.page(query, (), goes_on=False)
        page = await jobs.older(query.wanted(after), query.limit, before)
        newer = [job for job in page.jobs if after is None or job.id != after.id]
        return listing.page(query, newer, goes_on=page.next_cursor is not None)

    @router.get(
        TRANSCRIPT_PATH + "/{job_id}",
        summary="Show as AssemblyAI does",
        responses=documented_in(ERRORS, *ONE_TRANSCRIPT),
    )
    async def show(request: Request, job_id: str, jobs: VendorReader) -> TranscriptBody:
        job = await jobs.get(job_id)
        transcript = await jobs.transcript(job) if has_transcript(job) else None
        return await in_thread(_told, request, job, transcript)

    @router.delete(
        TRANSCRIPT_PATH + "/{job_id}",
        summary="Erase as AssemblyAI does",
        description=DELETE_DESCRIPTION,
        responses=documented_in(ERRORS, Reason.LEGAL_HOLD, *ONE_TRANSCRIPT),
    )
    async def erase(job_id: str, jobs: VendorWriter) -> TranscriptBody:
        job = await jobs.get(job_id)
        if not job.state.final:
            await jobs.cancel(job.id)
            raise IllegalTransition(f"Transcript {job.id} is being cancelled; delete it again when it has ended.")
        await jobs.purge(job.id)
        return deleted_body(job)

    @router.get(
        TRANSCRIPT_PATH + "/{job_id}/sentences",
        summary="Show the sentences of a transcript",
        responses=documented_in(ERRORS, *ONE_TRANSCRIPT),
    )
    async def show_sentences(job_id: str, jobs: VendorReader) -> TranscriptSentences:
        job, transcript = await _completed(jobs, job_id)
        return await in_thread(sentences_body, job, transcript)

    @router.get(
        TRANSCRIPT_PATH + "/{job_id}/paragraphs",
        summary="Show the paragraphs of a transcript",
        responses=documented_in(ERRORS, *ONE_TRANSCRIPT),
    )
    async def show_paragraphs(job_id: str, jobs: VendorReader) -> TranscriptParagraphs:
        job, transcript = await _completed(jobs, job_id)
        return await in_thread(paragraphs_body, job, transcript)

    @router.get(
        TRANSCRIPT_PATH + "/{job_id}/word-search",
        summary="Find words in a transcript",
        responses=documented_in(ERRORS, *ONE_TRANSCRIPT),
    )
    async def search_words(
        job_id: str, jobs: VendorReader, words: Annotated[str, Query(description="With commas between.")] = ""
    ) -> WordMatches:
        job, transcript = await _completed(jobs, job_id)
        return await in_thread(word_matches, job.id, transcript, phrases_in(words))

    @router.get(
        TRANSCRIPT_PATH + "/{job_id}/srt",
        response_class=Response,
        summary="Show a transcript as SubRip subtitles",
        responses=_subtitles("srt"),
    )
    async def show_srt(job_id: str, jobs: VendorReader, chars_per_caption: CharsPerCaption = "") -> Response:
        return await _subtitled(jobs, job_id, "srt", chars_per_caption)

    @router.get(
        TRANSCRIPT_PATH + "/{job_id}/vtt",
        response_class=Response,
        summary="Show a transcript as WebVTT subtitles",
        responses=_subtitles("vtt"),
    )
    async def show_vtt(job_id: str, jobs: VendorReader, chars_per_caption: CharsPerCaption = "") -> Response:
        return await _subtitled(jobs, job_id, "vtt", chars_per_caption)

    async def _subtitled(jobs: TenantJobs, job_id: str, kind: str, chars_per_caption: str) -> Response:
        if chars_per_caption:
            raise refused_option("chars_per_caption", "is not supported: lines have 42 characters at most")
        _, transcript = await _completed(jobs, job_id)
        text = await in_thread(render, f"transcript.{kind}", replace(transcript, notes=()), None, "")
        return Response(text, media_type=SUBTITLES[kind])

    async def _completed(jobs: TenantJobs, job_id: str) -> tuple[Job, Transcript]:
        """Return a job and its transcript; raises `JobUnknown`, `ResultPending`, `BlobMissing`."""
        job = await jobs.get(job_id)
        if not has_transcript(job):
            raise ResultPending(f"Transcript {job.id} is {job.state} and has no text.")
        return job, await jobs.transcript(job)

    def _told(request: Request, job: Job, transcript: Transcript | None) -> TranscriptBody:
        return transcript_body(job, transcript, upload_url(_base_url(request), job.id))

    def _base_url(request: Request) -> str:
        """Return scheme and host as clients see them: AssemblyAI's take no path for a URL."""
        return backend.public_url or f"{request.url.scheme}://{request.url.netloc}"

    return router


def _asked(given: Job | Submission) -> tuple[object, Dialect]:
    """Return what decides whether two requests about an upload are the same."""
    return given.options, given.dialect


def _subtitles(kind: str) -> dict[int | str, dict[str, Any]]:
    """Return the answers of a route for subtitles."""
    content = {SUBTITLES[kind].partition(";")[0]: {"schema": {"type": "string"}}}
    return {
        200: {"description": "The subtitles.", "content": content},
        **documented_in(ERRORS, *ONE_TRANSCRIPT),
    }
