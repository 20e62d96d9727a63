"""OpenAI's dialect: ``POST /v1/audio/transcriptions`` and ``/translations``, so that its clients work as they are.

A request that waits for its text is a job like any other: stored, queued with priority, and there when the client has
gone. What is not supported is refused with 400.
"""

from collections.abc import AsyncIterator

import structlog
from fastapi import APIRouter, Depends, Request, Response

from deployments.artifacts import job_data
from deployments.artifacts.partial_transcript import PartialTranscript
from deployments.http.dependencies import Writer, writer_slot
from deployments.http.errors.documentation import SPEECH, documented_speech
from deployments.http.errors.openai import SpeechError, openai_status, speech_error
from deployments.http.errors.problems import problem_for
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
from deployments.http.openai.stream import has_transcript, text_events
from deployments.http.sse import event_response, kept_alive
from deployments.schemas.jobs import job_path
from deployments.tenant.backend import Backend
from deployments.tenant.jobs import TenantJobs
from deployments.tenant.threads import in_thread
from pipelines.core import Transcript
from pipelines.errors import Reason
from pipelines.jobs.job import Job, JobState

AUDIO_PATH = "/v1/audio"
POLL_S = 2.0  # between looks whether the client is still there
MAX_WARNING_CHARACTERS = 2_000
GONE = 499  # nobody reads it: the client has closed the connection

log = structlog.get_logger(__name__)


def speech_routes(backend: Backend) -> APIRouter:
    """Build the routes under ``/v1/audio``."""
    router = APIRouter(tags=["openai"])
    slot = Depends(writer_slot(backend.stream_gate("requests that wait for their text")))

    async def answer(request: Request, jobs: TenantJobs, task: Task) -> Response:
        async with jobs.spool() as spool:
            await jobs.check_backlog()
            speech = await read_speech_request(request, task, spool, jobs.policy, backend.limits)
            job, _ = await jobs.accept(speech.submission)
        headers = {"x-meetmemo-job": job.id, "location": f"{backend.public_url}{job_path(job.id)}"}
        set_response_headers(request, headers)  # whatever the answer comes to be
        if speech.stream:
            return event_response(_streamed(speech, job), headers)
        return await _whole(request, speech, job, headers)

    async def _whole(request: Request, speech: SpeechRequest, job: Job, headers: dict[str, str]) -> Response:
        async for known in _follow(job, POLL_S):
            if known is not None and (error := _failure(known)):
                status = openai_status(known.reason or Reason.INTERNAL, problem_for(*_end_of(known)).status)
                return Response(error.model_dump_json(), status, headers, "application/json")
            if known is not None and has_transcript(known):
                transcript = await in_thread(_result, known)
                body, media_type = speech_body(transcript, speech.format, speech.task, speech.granularities)
                return Response(body, headers={**headers, **_warning(transcript)}, media_type=media_type)
            if await request.is_disconnected():
                break
        log.info("client went away; the job goes on", action="speech_left", job_id=job.id)
        return Response(status_code=GONE)

    def _streamed(speech: SpeechRequest, job: Job) -> AsyncIterator[bytes]:
        keep_alive_s = backend.limits.keep_alive_s
        events = text_events(
            _follow(job, keep_alive_s),
            PartialTranscript(backend.store, job),
            _result,
            _failure,
            with_segments=speech.format == "diarized_json",
        )
        return kept_alive(events, keep_alive_s)

    async def _follow(job: Job, wait_timeout_s: float) -> AsyncIterator[Job | None]:
        """Yield the job at each change, first as it is; None when nothing changed for ``wait_timeout_s`` seconds."""
        yield job
        while not job.state.final:
            view = await backend.coordinator_client.watch(job, wait_timeout_s)
            job = view.job if view else job
            yield view.job if view else None

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


def _end_of(job: Job) -> tuple[Reason, str]:
    if job.state is JobState.CANCELLED:
        return Reason.ILLEGAL_TRANSITION, "The job was cancelled."
    return job.reason or Reason.INTERNAL, job.detail


def _failure(job: Job) -> SpeechError | None:
    """Return why a job ended without a transcript; None while it lives or when it has one."""
    if job.state not in (JobState.FAILED, JobState.CANCELLED):
        return None
    return speech_error(problem_for(*_end_of(job)))
