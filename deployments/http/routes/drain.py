"""The routes under ``/v1/admin``: what an operator does to the whole cluster."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from deployments.http.dependencies import Admin
from deployments.http.errors.problems import documented
from deployments.ports import DrainStatus
from deployments.schemas.options import ApiModel
from deployments.tenant.backend import Backend
from pipelines.errors import Reason, ReplicaLost

DRAIN_PATH = "/v1/admin/drain"


class DrainBody(ApiModel):
    """How far draining is: once ``live_jobs`` is 0 the cluster can be stopped without work in hand."""

    draining: bool
    refusing: bool = Field(description="New jobs are turned away meanwhile; otherwise they wait in the ledger.")
    live_jobs: int

    @classmethod
    def from_domain(cls, status: DrainStatus) -> "DrainBody":
        return cls(draining=status.draining, refusing=status.refusing, live_jobs=status.n_live_jobs)


def admin_routes(backend: Backend) -> APIRouter:
    """Build the routes for draining the cluster."""
    router = APIRouter(tags=["service"])

    async def drain(begin: bool | None, refuse: bool = False) -> DrainBody:
        status = await backend.line.drain(begin=begin, refuse=refuse)
        if status is None:
            raise ReplicaLost("The coordinator does not answer; try again in a few seconds.")
        return DrainBody.from_domain(status)

    @router.post(
        DRAIN_PATH,
        summary="Begin to drain",
        description=(
            "Queued jobs are not begun any more, those in hand go on to their end. Ends with `DELETE`, or when the "
            "cluster starts anew; a Coordinator that is replaced goes on with it. May be repeated."
        ),
        responses=documented(Reason.INVALID_OPTION, Reason.REPLICA_LOST),
    )
    async def begin(
        operator: Admin,
        refuse: Annotated[bool, Query(description="Turn new jobs away with 503 meanwhile.")] = False,
    ) -> DrainBody:
        return await drain(True, refuse)

    @router.get(DRAIN_PATH, summary="How far draining is", responses=documented(Reason.REPLICA_LOST))
    async def show(operator: Admin) -> DrainBody:
        return await drain(None)

    @router.delete(DRAIN_PATH, summary="Begin jobs again", responses=documented(Reason.REPLICA_LOST))
    async def end(operator: Admin) -> DrainBody:
        return await drain(False)

    return router
