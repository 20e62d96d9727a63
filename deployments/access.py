"""How a route says what it needs: a parameter with one of these annotations, and nothing of another tenant is there.

async def show_job(job_id: str, jobs: Reader) -> JobDetail: ...
"""

from collections.abc import AsyncIterator, Callable
from typing import Annotated

from fastapi import Depends, Request, Security

from deployments.auth import Principal, Scope, authorized
from deployments.backend import Backend
from deployments.gates import Gate
from deployments.tenant_batches import TenantBatches
from deployments.tenant_jobs import TenantJobs


async def _tenant_jobs(request: Request, principal: Annotated[Principal, Depends(authorized)]) -> TenantJobs:
    backend: Backend = request.app.state.backend
    return backend.for_tenant(principal.tenant)


async def _author(principal: Annotated[Principal, Depends(authorized)]) -> str:
    return principal.key_id


async def _tenant_batches(request: Request, principal: Annotated[Principal, Depends(authorized)]) -> TenantBatches:
    backend: Backend = request.app.state.backend
    return backend.batches_of(principal.tenant)


Reader = Annotated[TenantJobs, Security(_tenant_jobs, scopes=[Scope.JOBS_READ])]
"""The jobs of the tenant who asks, to look at."""

Writer = Annotated[TenantJobs, Security(_tenant_jobs, scopes=[Scope.JOBS_WRITE])]
"""The same, to submit, cancel, replay and erase."""

Author = Annotated[str, Security(_author, scopes=[Scope.JOBS_WRITE])]
"""What names the credential of somebody who writes; "" where nobody is asked who they are."""

BatchReader = Annotated[TenantBatches, Security(_tenant_batches, scopes=[Scope.JOBS_READ])]
"""The batches of the tenant who asks, to look at."""

BatchWriter = Annotated[TenantBatches, Security(_tenant_batches, scopes=[Scope.JOBS_WRITE])]
"""The same, to submit, steer and upload to."""

Scraper = Annotated[Principal, Security(authorized, scopes=[Scope.METRICS])]
"""Who may read what is counted over all tenants."""

Admin = Annotated[Principal, Security(authorized, scopes=[Scope.ADMIN])]
"""Who may do something to the whole cluster."""

SlotHolder = Callable[..., AsyncIterator[None]]


def reader_slot(gate: Gate) -> SlotHolder:
    """A dependency that holds a slot of the tenant who asks until the answer is over, or its client or task is gone.

    It is taken before anything is done for the request: whoever is refused has nothing left behind.
    """

    async def hold(jobs: Reader) -> AsyncIterator[None]:
        with gate.acquire(jobs.tenant):
            yield

    return hold


def writer_slot(gate: Gate) -> SlotHolder:
    """The same for routes that write."""

    async def hold(jobs: Writer) -> AsyncIterator[None]:
        with gate.acquire(jobs.tenant):
            yield

    return hold
