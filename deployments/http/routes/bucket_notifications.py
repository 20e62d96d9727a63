"""The routes under ``/v1/notifications``: buckets tell of new recordings, and are swept for those nobody told of."""

import hashlib
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import Field, StringConstraints

from deployments.http.dependencies import Writer
from deployments.http.errors.problems import documented
from deployments.http.json_bodies import documented_json, json_body, read_bounded
from deployments.intake.bucket_events import objects_created
from deployments.intake.submission import Submission, clean_filename, listed, merge_options, query_values
from deployments.schemas.options import ApiModel, Options
from deployments.schemas.references import ReferenceFields
from deployments.sources.fetch import name_in
from deployments.sources.places import SourceCredential, credential_for
from deployments.sources.s3 import Page, bucket_and_key, list_pages, read_sidecar_of, s3_url
from deployments.tenant.backend import Backend
from deployments.tenant.jobs import TenantJobs
from deployments.tenant.threads import in_thread
from pipelines.errors import (
    ExternalIdConflict,
    IdempotencyConflict,
    InvalidRequest,
    ModelUnknown,
    OptionError,
    Reason,
    refused_option,
)
from pipelines.jobs.job import JobOptions
from pipelines.jobs.reference import Reference
from pipelines.jobs.sidecar import read_sidecar

NOTIFICATIONS_PATH = "/v1/notifications/s3"
MAX_EVENT_BYTES = 1 << 20
MAX_SWEPT = 500  # new jobs of one sweep; each is a write to the ledger
BESIDE_RECORDINGS = (".json", ".xml", ".txt", ".csv", ".md5", ".sha256", ".srt", ".vtt")


class NotedObject(ApiModel):
    """What became of an object: a new job, the job it brought before, or why it brings none.

    `refused` is a recording whose sidecar is wrong, or names the external id of another one.
    """

    source: str
    outcome: Literal["accepted", "repeated", "ignored", "refused"]
    job_id: str | None = None
    reason: Reason | None = None
    detail: str = ""


class Noted(ApiModel):
    """What became of the objects; ``more`` says that a sweep found more than it takes at once."""

    objects: list[NotedObject]
    more: bool = False


class SweepRequest(ApiModel):
    """Which prefix to look through."""

    prefix: Annotated[str, StringConstraints(min_length=6, max_length=1024, pattern=r"^s3://[^/]+/")]
    options: dict[str, Any] = Field(default_factory=dict, description="See the schema `Options`.")


_REFUSALS = (
    Reason.INVALID_REQUEST,
    Reason.INVALID_OPTION,
    Reason.MODEL_UNKNOWN,
    Reason.OVERLOADED,
    Reason.DRAINING,
    Reason.LEDGER_UNAVAILABLE,
)


def notification_routes(backend: Backend) -> APIRouter:
    """Build the routes for events of buckets and for sweeps."""
    router = APIRouter(tags=["batches"])
    places = backend.limits.sources.places

    async def note(
        jobs: TenantJobs, url: str, etag: str, common: dict[str, Any], page: Page | None = None
    ) -> NotedObject:
        """Make a job of an object, once for its bucket, key and content; ``page`` is the part of a listing it is in."""
        if url.lower().endswith(BESIDE_RECORDINGS) or url.endswith("/"):
            return NotedObject(source=url, outcome="ignored", detail="not a recording, by its name")
        place = credential_for(url, places, jobs.tenant)
        if place is None:
            return NotedObject(source=url, outcome="ignored", detail="in no bucket that may be pulled from")
        try:
            options, reference = await wished(jobs, url, place, common, page)
        except (OptionError, ModelUnknown) as error:
            return NotedObject(source=url, outcome="refused", reason=error.reason, detail=f"its sidecar: {error}")
        submission = Submission(
            options=options,
            filename=clean_filename(name_in(url)),
            spool=None,
            source_url=url,
            idempotency_key=_key_of(url, etag),
            reference=reference,
        )
        try:
            job, created = await jobs.accept(submission)
        except IdempotencyConflict:  # with other options: the recording is transcribed all the same
            return NotedObject(source=url, outcome="repeated", detail="brought a job with other options before")
        except ExternalIdConflict as error:
            return NotedObject(source=url, outcome="refused", reason=error.reason, detail=str(error))
        return NotedObject(source=url, outcome="accepted" if created else "repeated", job_id=job.id)

    async def wished(
        jobs: TenantJobs, url: str, place: SourceCredential, common: dict[str, Any], page: Page | None
    ) -> tuple[JobOptions, Reference]:
        """Options of all, and over them what stands beside the recording; raises `OptionError`, `ModelUnknown`."""
        values = dict(common)
        wanted = place.sidecars and (page is None or page.may_have_sidecar(bucket_and_key(url)[1]))
        sidecar = await in_thread(read_sidecar_of, url, place) if wanted else None
        if sidecar is not None:
            values |= listed(read_sidecar(sidecar, dict(place.sidecar_fields)))
        reference = ReferenceFields.taken_from(values)
        return await jobs.offer.check(Options.parse(values)), reference

    @router.post(
        NOTIFICATIONS_PATH,
        summary="Take an event of a bucket",
        description=(
            "Takes the events of AWS (directly, through SNS or EventBridge) and MinIO. Each new object in a configured "
            "source becomes a job, once for its bucket, key and eTag; options are query parameters. Where the source "
            "has `sidecars`, `call.json` beside `call.wav` has options of its own, `external_id` and `metadata`."
        ),
        openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"schema": {}}}}},
        responses=documented(Reason.SOURCE_UNREACHABLE, *_REFUSALS),
    )
    async def notify(request: Request, jobs: Writer) -> Noted:
        values = merge_options(query_values(request.query_params.multi_items()), {})
        await jobs.offer.check(Options.parse(values))
        too_large = InvalidRequest(f"An event has {MAX_EVENT_BYTES} bytes at most.")
        found = await in_thread(objects_created, await read_bounded(request, MAX_EVENT_BYTES, too_large))
        await jobs.check_backlog()
        return Noted(
            objects=[
                await note(jobs, s3_url(item.bucket, item.key), item.etag, values)
                for item in found
                if item.n_bytes != 0
            ]
        )

    @router.post(
        f"{NOTIFICATIONS_PATH}/sweep",
        summary="Look through a prefix",
        openapi_extra=documented_json(SweepRequest),
        description=(
            f"Lists a prefix and makes jobs of the objects that brought none yet, {MAX_SWEPT} at once: repeat it while "
            "the answer says `more`. What was swept or notified before is not taken again. Of the recordings that are "
            f"refused, {MAX_SWEPT} are named."
        ),
        responses=documented(Reason.SOURCE_UNREACHABLE, *_REFUSALS),
    )
    async def sweep(jobs: Writer, request: Annotated[SweepRequest, Depends(json_body(SweepRequest))]) -> Noted:
        await jobs.offer.check(Options.parse(request.options))
        place = credential_for(request.prefix, places, jobs.tenant)
        if place is None:
            raise refused_option("prefix", "is in no bucket that this server has credentials for")
        noted: list[NotedObject] = []
        n_new = n_refused = 0
        pages = list_pages(request.prefix, place)
        while page := await in_thread(next, pages, None):
            await jobs.check_backlog()
            keys = {item.key: _key_of(item.url, item.etag) for item in page.objects}
            taken = await jobs.used_keys(keys.values())
            for item in page.objects:
                if keys[item.key] in taken:
                    continue
                if n_new == MAX_SWEPT:
                    return Noted(objects=noted, more=True)
                outcome = await note(jobs, item.url, item.etag, request.options, page)
                if outcome.outcome == "accepted":
                    n_new += 1
                    noted.append(outcome)
                    if n_new % 100 == 0:
                        await jobs.check_backlog()
                elif outcome.outcome == "refused" and n_refused < MAX_SWEPT:
                    n_refused += 1
                    noted.append(outcome)
        return Noted(objects=noted)

    return router


def _key_of(url: str, etag: str) -> str:
    """The idempotency key of an object: its job is made once for its bucket, key and content."""
    return f"s3/{hashlib.sha256(f'{url}#{etag}'.encode()).hexdigest()}"
