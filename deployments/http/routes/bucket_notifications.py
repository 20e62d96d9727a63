"""The routes under ``/v1/notifications``: events of buckets about new recordings, and sweeps for missed ones."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import Field, StringConstraints

from deployments.http.dependencies import Writer
from deployments.http.errors.documentation import BUCKET, documented
from deployments.http.json_bodies import documented_json, json_body, read_bounded
from deployments.intake.bucket_events import objects_created
from deployments.intake.submission import merge_options, query_values
from deployments.schemas.options import ApiModel, Options
from deployments.tenant.backend import Backend
from deployments.tenant.bucket_intake import MAX_SWEPT, BucketIntake, Noted
from deployments.tenant.threads import in_thread
from pipelines.errors import InvalidRequest
from pipelines.validation import worded

NOTIFICATIONS_PATH = "/v1/notifications/s3"
MAX_EVENT_BYTES = 1 << 20


class SweepRequest(ApiModel):
    """The prefix to list, and the options of its jobs."""

    prefix: Annotated[
        str,
        StringConstraints(
            min_length=6,
            max_length=1024,
            pattern=worded(r"^s3://[^/]+/", "must be a bucket and what keys begin with, such as s3://bucket/calls/"),
        ),
    ]
    options: dict[str, Any] = Field(default_factory=dict, description="See the schema `Options`.")


def notification_routes(backend: Backend) -> APIRouter:
    """Build the routes for events of buckets and for sweeps."""
    router = APIRouter(tags=["batches"])

    @router.post(
        NOTIFICATIONS_PATH,
        summary="Take an event of a bucket",
        description=(
            "Takes the events of AWS (directly, through SNS or EventBridge) and MinIO. Each new object in a configured "
            "source becomes a job, once for its bucket, key and eTag; options are query parameters. Where the source "
            "has `sidecars`, `call.json` beside `call.wav` has options of its own, `external_id` and `metadata`."
        ),
        openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"schema": {}}}}},
        responses=documented(*BUCKET),
    )
    async def notify(request: Request, jobs: Writer) -> Noted:
        common = merge_options(query_values(request), {})
        await jobs.policy.check(Options.parse(common))
        too_large = InvalidRequest(f"An event has {MAX_EVENT_BYTES} bytes at most.")
        created = await in_thread(objects_created, await read_bounded(request, MAX_EVENT_BYTES, too_large))
        return await BucketIntake(jobs=jobs, sources=backend.limits.sources, common=common).take(created)

    @router.post(
        f"{NOTIFICATIONS_PATH}/sweep",
        summary="Look through a prefix",
        openapi_extra=documented_json(SweepRequest),
        description=(
            f"Lists a prefix and makes jobs of the objects that brought none yet, {MAX_SWEPT} at once: repeat it while "
            "the answer says `more`. What was swept or notified before is not taken again. Of the recordings that are "
            f"refused, {MAX_SWEPT} are named."
        ),
        responses=documented(*BUCKET),
    )
    async def sweep(jobs: Writer, request: Annotated[SweepRequest, Depends(json_body(SweepRequest))]) -> Noted:
        await jobs.policy.check(Options.parse(request.options))
        return await BucketIntake(jobs=jobs, sources=backend.limits.sources, common=request.options).sweep(
            request.prefix
        )

    return router
