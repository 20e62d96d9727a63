"""OpenAI's dialect: ``POST /v1/audio/transcriptions`` and ``/translations``, so that its clients work as they are.

A request that waits for its text is a job like any other: stored, queued with priority, and there when the client has
gone. What is not supported is refused with 400.
"""

from collections.abc import AsyncIterator

from fastapi import APIRouter, Depends, Request, Response

from deployments.artifacts import job_data
from deployments.artifacts.partial_transcript import PartialTranscript
from deployments.http.dependencies import Writer, writer_slot
from deployments.http.errors.documentation import SPEECH, documented_speech
from deployments.http.errors.openai import SpeechError, openai_status, speech_error
from deployments.http.middleware.security_headers import set_response_headers
from deployments.http.openai.docs import SPEECH_DESCRIPTION, speech_answers, speech_openapi
from deployments.http.openai.forms import SpeechRequest, Task, read_speech_request
from deployments.http.openai.responses import (
    DiarizedBody,
    TranscriptionBody,
    VerboseBody,
    speech_body,
    without_inferred_names,
)
from deployments.http.openai.stream import text_events
from deployments.http.sse import event_response, kept_alive
from deployments.http.waiting import GONE, failure_of, follow, transcribed
from deployments.schemas.jobs import job_path
from deployments.tenant.backend import Backend
from deployments.tenant.jobs import TenantJobs
from deployments.tenant.threads import in_thread
from pipelines.core import Transcript
from pipelines.jobs.job import Job

AUDIO_PATH = "/v1/audio"
MAX_WARNING_CHARACTERS = 2_000


def speech_routes(backend: Backend) -> APIRouter:
    """Build the routes under ``/v1/audio``."""
    router = APIRouter(tags=["openai"])
    slot = Depends(writer_slot(backend.waiting))

    async def answer(request: Request, jobs: TenantJobs, task: Task) -> Response:
        async with jobs.spool() as spool:
            await jobs.check_backlog()
            speech = await read_speech_request(request, task, spool, jobs.policy, backend.limits)
            job, _ = await jobs.accept(speech.submission)
        headers = {"x-meetmemo-job": job.id, "location": f"{backend.public_url}{job_path(job.id)}"}
        set_response_headers(request, headers)  # whatever the answer comes to be
        if speech.stream:
            await jobs.noted_read(job, "transcript")
            return event_response(_streamed(speech, job), headers)
        return await _whole(request, jobs, speech, job, headers)

    async def _whole(
        request: Request, jobs: TenantJobs, speech: SpeechRequest, job: Job, headers: dict[str, str]
    ) -> Response:
        ended = await transcribed(request, backend.coordinator_client, job)
        if ended is None:
            await jobs.leave(job)
            return Response(status_code=GONE)
        if failure := failure_of(ended):
            status = openai_status(failure.reason, failure.status)
            return Response(speech_error(failure).model_dump_json(), status, headers, "application/json")
        await jobs.noted_read(ended, "transcript")
        transcript = await in_thread(_result, ended)
        body, media_type = speech_body(transcript, speech.format, speech.task, speech.granularities)
        return Response(body, headers={**headers, **_warning(transcript)}, media_type=media_type)

    def _streamed(speech: SpeechRequest, job: Job) -> AsyncIterator[bytes]:
        keep_alive_s = backend.limits.keep_alive_s
        events = text_events(
            follow(backend.coordinator_client, job, keep_alive_s),
            PartialTranscript(backend.store, job),
            _result,
            _failure,
            with_segments=speech.format == "diarized_json",
        )
        return kept_alive(events, keep_alive_s)

    def _result(job: Job) -> Transcript:
        return without_inferred_names(job_data.read_transcript(backend.store, job))

    @router.post(
        f"{AUDIO_PATH}/transcriptions",
        dependencies=[slot],
        response_model=TranscriptionBody | VerboseBody | DiarizedBody,
        summary="Transcribe while the client waits",
        description=SPEECH_DESCRIPTION,
        openapi_extra=speech_openapi("transcribe"),
        responses={**speech_answers("transcribe"), **documented_speech(*SPEECH)},
    )
    async def transcriptions(request: Request, jobs: Writer) -> Response:
        return await answer(request, jobs, "transcribe")

    @router.post(
        f"{AUDIO_PATH}/translations",
        dependencies=[slot],
        response_model=TranscriptionBody | VerboseBody,
        summary="Translate into English while the client waits",
        description="As `transcriptions`, with a model that can translate; others refuse with 400.",
        openapi_extra=speech_openapi("translate"),
        responses={**speech_answers("translate"), **documented_speech(*SPEECH)},
    )
    async def translations(request: Request, jobs: Writer) -> Response:
        return await answer(request, jobs, "translate")

    return router


def _warning(transcript: Transcript) -> dict[str, str]:
    """Return the header that holds a recording's notes, if there are any; headers are ASCII."""
    told = " ".join(note.text for note in transcript.notes)[:MAX_WARNING_CHARACTERS]
    return {"x-meetmemo-warning": told.encode("ascii", "replace").decode()} if told else {}


def _failure(job: Job) -> SpeechError | None:
    """Return why a job ended without a transcript; None while it lives or when it has one."""
    failure = failure_of(job)
    return speech_error(failure) if failure else None
