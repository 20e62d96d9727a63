"""Routes the web console asks beside those of jobs: the stream of all jobs, and what a job may choose."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from fastapi import APIRouter, Depends, Response
from fastapi.responses import StreamingResponse
from pydantic import Field

from deployments.http.dependencies import Reader, reader_slot
from deployments.http.errors.documentation import LEDGER, documented
from deployments.http.job_feed import ChangedJobs, JobFeed
from deployments.http.openapi import event_stream
from deployments.http.sse import event_response
from deployments.schemas.options import ApiModel
from deployments.tenant.backend import Backend
from pipelines.errors import Reason
from pipelines.jobs.stages import STAGES, Stage
from pipelines.text.language_names import language_names

EVENTS_PATH = "/v1/events"
CHOICES_PATH = "/v1/choices"


class ChoicesBody(ApiModel):
    """The choices of a submitter, and the limits of a submission."""

    models: list[str]
    default_model: str
    languages: list[str] = Field(description="Whisper's language codes; nothing: detected.")
    language_names: dict[str, dict[str, str]] = Field(description="Their names by code, then by `en` and `zh`.")
    minutes: list[str] = Field(description="Who can write minutes here.")
    minutes_templates: list[str] = Field(description="Names of the layouts of minutes.")
    keeps_audio: bool = Field(description="Whether `keep_audio` may be asked for.")
    options: dict[str, dict[str, Any]] = Field(description="JSON Schema of each option that may be given here.")
    stages: dict[Stage, list[str]] = Field(description="What can be done again alone, with the options that it reads.")
    max_upload_bytes: int
    version: str


def console_routes(backend: Backend) -> APIRouter:
    """Build the routes for following all jobs and for the choices a form offers."""
    router = APIRouter()
    changed = ChangedJobs(backend.ledger)
    streams = backend.stream_gate("event streams")

    @router.get(
        EVENTS_PATH,
        dependencies=[Depends(reader_slot(streams))],
        response_class=StreamingResponse,
        tags=["jobs"],
        summary="Follow all jobs",
        description=(
            "Server-sent events: `counts` with the number of jobs by state, and `jobs` with those that changed. "
            "Jobs that are erased are not told; the next `counts` is without them."
        ),
        responses={200: event_stream("counts", "jobs"), **documented(Reason.OVERLOADED, *LEDGER)},
    )
    async def follow_jobs(jobs: Reader) -> Response:
        feed = JobFeed(
            changed=changed,
            coordinator_client=jobs.coordinator_client,
            tenant=jobs.tenant,
            public_url=jobs.public_url,
            keep_alive_s=backend.limits.keep_alive_s,
        )
        events = feed.events()
        first = await anext(events)  # an unavailable ledger is an error response, not a broken stream

        async def whole() -> AsyncIterator[bytes]:
            async with aclosing(events):
                yield first
                async for event in events:
                    yield event

        return event_response(whole())

    @router.get(CHOICES_PATH, tags=["jobs"], summary="What a job may choose", responses=documented())
    async def choices(jobs: Reader) -> ChoicesBody:
        options = jobs.policy.schemas()
        return ChoicesBody(
            models=options["model"]["enum"],
            default_model=options["model"]["default"],
            languages=options["language"]["enum"],
            language_names=language_names(),
            minutes=options["minutes"]["enum"],
            minutes_templates=options["minutes_template"]["examples"],
            keeps_audio="keep_audio" in options,
            options=options,
            stages={stage: list(rule.options) for stage, rule in STAGES.items()},
            max_upload_bytes=backend.limits.of(jobs.tenant).max_upload_bytes,
            version=backend.version,
        )

    return router
