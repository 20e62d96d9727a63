"""The routes of the outbox: messages about jobs, their recipients and outcomes; and sending them again."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import Field

from deployments.http.dependencies import Reader, Writer
from deployments.http.errors.documentation import ONE_JOB, QUERY, documented
from deployments.schemas.jobs import JOBS_PATH
from deployments.schemas.options import ApiModel
from deployments.sources.urls import public_part
from deployments.tenant.backend import Backend
from pipelines.errors import Reason
from pipelines.ledger.outbox import Delivery, DeliveryAttempt, DeliveryState

DELIVERIES_PATH = "/v1/deliveries"


class AttemptBody(ApiModel):
    """One try to deliver."""

    at: datetime
    duration_s: float
    status: int | None = Field(description="The receiver's answer: HTTP's or SMTP's; null when there was none.")
    detail: str

    @classmethod
    def from_domain(cls, attempt: DeliveryAttempt) -> "AttemptBody":
        return cls(
            at=datetime.fromtimestamp(attempt.at_s, UTC),
            duration_s=round(attempt.duration_s, 3),
            status=attempt.status,
            detail=attempt.detail,
        )


class DeliveryBody(ApiModel):
    """A message and how far it has come."""

    id: str = Field(description="The `webhook-id`, the same at every attempt.")
    job_id: str
    channel: Literal["webhook", "email"]
    event: str
    target: str = Field(description="The URL, without its query, or the e-mail address.")
    state: DeliveryState = Field(
        description="`failed`: no attempt is left. `disabled`: the target answered 410; a replay enables it again."
    )
    created_at: datetime
    n_attempts: int = Field(description="Since it was created, or replayed.")
    next_attempt_at: datetime | None
    attempts: list[AttemptBody] = Field(description="All of them, oldest first; left out of lists over all jobs.")

    @classmethod
    def from_domain(cls, delivery: Delivery) -> "DeliveryBody":
        message, next_at_s = delivery.message, delivery.next_attempt_at_s
        return cls(
            id=message.id,
            job_id=message.job_id,
            channel=message.channel,
            event=message.event,
            target=message.target if message.channel == "email" else public_part(message.target),
            state=delivery.state,
            created_at=datetime.fromtimestamp(delivery.created_at_s, UTC),
            n_attempts=delivery.n_attempts,
            next_attempt_at=None if next_at_s is None else datetime.fromtimestamp(next_at_s, UTC),
            attempts=[AttemptBody.from_domain(attempt) for attempt in delivery.attempts],
        )


class DeliveryList(ApiModel):
    """Some deliveries."""

    deliveries: list[DeliveryBody]


def delivery_routes(_: Backend) -> APIRouter:
    """Build the routes for the delivery log and for replaying."""
    router = APIRouter(tags=["deliveries"])

    def bodies(found: Sequence[Delivery]) -> DeliveryList:
        return DeliveryList(deliveries=[DeliveryBody.from_domain(delivery) for delivery in found])

    @router.get(DELIVERIES_PATH, summary="List deliveries, newest first", responses=documented(*QUERY))
    async def list_deliveries(
        jobs: Reader,
        state: Annotated[
            list[DeliveryState] | None, Query(description="Only in these states; may be repeated.")
        ] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> DeliveryList:
        return bodies(await jobs.recent_deliveries(state or [], limit))

    @router.get(
        JOBS_PATH + "/{job_id}/deliveries",
        summary="A job's webhooks and e-mails",
        description="Each with the log of its attempts, oldest first.",
        responses=documented(*ONE_JOB),
    )
    async def job_deliveries(job_id: str, jobs: Reader) -> DeliveryList:
        return bodies(await jobs.deliveries(job_id))

    @router.post(
        JOBS_PATH + "/{job_id}/deliveries/{delivery_id}/replay",
        status_code=202,
        summary="Deliver again",
        description=(
            "Whatever became of it, the same message with the same id becomes due now, with all its attempts before "
            "it. A target that was disabled by its 410 is enabled again."
        ),
        responses=documented(*ONE_JOB, Reason.NOT_FOUND),
    )
    async def replay(job_id: str, delivery_id: str, jobs: Writer) -> DeliveryBody:
        return DeliveryBody.from_domain(await jobs.redeliver(job_id, delivery_id))

    return router
