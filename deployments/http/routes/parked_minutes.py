"""The routes under ``/v1/admin/minutes``: deferred minutes, the reasons, and the request to write them now."""

from collections import Counter

import anyio
from fastapi import APIRouter
from pydantic import Field

from deployments.artifacts.parked_minutes import DeferredMinutes
from deployments.http.dependencies import Admin
from deployments.http.errors.documentation import STORE, documented
from deployments.schemas.options import ApiModel
from deployments.tenant.backend import Backend

MINUTES_PATH = "/v1/admin/minutes"


class ParkedBody(ApiModel):
    """The number of jobs that wait for their minutes."""

    parked: int
    reasons: dict[str, int] = Field(description="Why, and how many jobs for each reason.")


def minutes_routes(backend: Backend) -> APIRouter:
    """Build the routes for deferred minutes."""
    router = APIRouter(tags=["service"])
    deferred = DeferredMinutes(backend.store)

    @router.get(MINUTES_PATH, summary="What is parked", responses=documented(*STORE))
    async def show(operator: Admin) -> ParkedBody:
        parked = await anyio.to_thread.run_sync(deferred.list)
        return ParkedBody(parked=len(parked), reasons=dict(Counter(entry.why for entry in parked)))

    @router.post(
        f"{MINUTES_PATH}/resume",
        summary="Write parked minutes now",
        description="Within seconds the language model is asked again, whatever it said before. May be repeated.",
        status_code=202,
        responses=documented(*STORE),
    )
    async def resume(operator: Admin) -> ParkedBody:
        await anyio.to_thread.run_sync(deferred.request_resume)
        return await show(operator)

    return router
