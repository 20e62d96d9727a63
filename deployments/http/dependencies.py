"""Dependencies of routes: a parameter with one of these annotations names the scope, and holds one tenant's jobs only.

async def show_job(job_id: str, jobs: Reader) -> JobDetail: ...

Collaborators that belong to no tenant are parameters of the function that builds the router.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes

from deployments.auth.authenticators import Authenticator, Principal, Scope
from deployments.auth.rate_limit import RateMeter
from deployments.http.app_key import AppKey
from deployments.http.middleware.browser_guard import is_misdirected
from deployments.http.middleware.security_headers import set_response_headers
from deployments.http.sessions.sign_in import signed_in_principal
from deployments.intake.gates import Gate
from deployments.tenant.backend import Backend
from deployments.tenant.batches import TenantBatches
from deployments.tenant.jobs import TenantJobs
from pipelines.audit import USER
from pipelines.errors import Forbidden, MeetMemoError, Unauthenticated

BACKEND: AppKey[Backend] = AppKey("backend")
DOORKEEPER: AppKey[Authenticator] = AppKey("doorkeeper")
METER: AppKey[RateMeter] = AppKey("meter")

INSPECTION_TIMEOUT_S = 3.0  # a ledger that hangs must not hang those who ask whether it does
_BEARER = HTTPBearer(scheme_name="bearer", auto_error=False, description="An API key or a JWT.")
_API_KEY = APIKeyHeader(name="X-API-Key", scheme_name="api_key", auto_error=False, description="An API key.")


async def authorized(
    request: Request,
    needed: SecurityScopes,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)],
    api_key: Annotated[str | None, Depends(_API_KEY)],
) -> Principal:
    """Return the principal of a request, by its key, else by its session; counts it against its tenant's rate.

    Raises `Unauthenticated`, `Overloaded` beyond the rate, `Forbidden` when a needed scope is not the principal's,
    `CrossSite` for a session that another page uses.
    """
    token = bearer.credentials if bearer else None
    if api_key is not None and token is not None and api_key != token:
        raise Unauthenticated("Authorization and X-API-Key name different keys; send one of them.")
    token = token if token is not None else api_key
    if token is None and (person := await signed_in_principal(request)) is not None:
        return _admit(request, needed, person)
    return await admitted(request, needed, token)


async def admitted(request: Request, needed: SecurityScopes, token: str | None) -> Principal:
    """Return the principal of a request that brought this token; see `authorized`."""
    return _admit(request, needed, await DOORKEEPER.get(request).authenticate(token))


def _admit(request: Request, needed: SecurityScopes, principal: Principal) -> Principal:
    charge(request, principal.tenant)
    holder = "your role" if principal.actor.startswith(USER) else "the key"
    for scope in needed.scopes:
        if scope not in principal.scopes:
            raise Forbidden(f"This needs the scope {scope}, which {holder} does not have.", scope)
    return principal


def charge(request: Request, tenant: str) -> None:
    """Count a request against its tenant's rate, and state the rate in its response headers; raises `Overloaded`."""
    headers, refusal = METER.get(request).charge(tenant)
    set_response_headers(request, headers)
    if refusal is not None:
        raise refusal


async def inspects(request: Request) -> bool:
    """Return whether the caller may see data of the whole cluster; nobody is refused, and nothing is counted.

    For routes that are open to all and tell some more. Somebody whose key cannot be looked up now sees no more either,
    nor does anybody who calls this server by a name that is not its own.
    """
    if is_misdirected(request):
        return False
    authenticator = DOORKEEPER.get(request)
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    token = bearer.strip() if scheme.lower() == "bearer" else request.headers.get("x-api-key")
    try:
        async with asyncio.timeout(INSPECTION_TIMEOUT_S):
            person = None if token else await signed_in_principal(request)
            principal = person or await authenticator.authenticate(token or None)
    except (MeetMemoError, TimeoutError):
        return False
    return bool(principal.scopes & {Scope.METRICS, Scope.ADMIN})


async def _tenant_jobs(request: Request, principal: Annotated[Principal, Depends(authorized)]) -> TenantJobs:
    return BACKEND.get(request).for_tenant(principal.tenant, principal.acting)


async def _author(principal: Annotated[Principal, Depends(authorized)]) -> str:
    return principal.author


async def _tenant_batches(request: Request, principal: Annotated[Principal, Depends(authorized)]) -> TenantBatches:
    return BACKEND.get(request).batches_of(principal.tenant, principal.acting)


Reader = Annotated[TenantJobs, Security(_tenant_jobs, scopes=[Scope.JOBS_READ])]
"""The jobs of the tenant who asks, to look at."""

Writer = Annotated[TenantJobs, Security(_tenant_jobs, scopes=[Scope.JOBS_WRITE])]
"""The same, to submit, cancel, replay and erase."""

Author = Annotated[str, Security(_author, scopes=[Scope.JOBS_WRITE])]
"""The name of a person who writes, or the id of the credential; "" where nobody is asked who they are."""

BatchReader = Annotated[TenantBatches, Security(_tenant_batches, scopes=[Scope.JOBS_READ])]
"""The batches of the tenant who asks, to look at."""

BatchWriter = Annotated[TenantBatches, Security(_tenant_batches, scopes=[Scope.JOBS_WRITE])]
"""The same, to submit, steer and upload to."""

Scraper = Annotated[Principal, Security(authorized, scopes=[Scope.METRICS])]
"""Who may read what is counted over all tenants."""

Admin = Annotated[Principal, Security(authorized, scopes=[Scope.ADMIN])]
"""Who may do something to the whole cluster."""

TenantAdmin = Annotated[TenantJobs, Security(_tenant_jobs, scopes=[Scope.ADMIN])]
"""The jobs of the tenant of who asks, to say what of them is kept and see who did what."""

SlotHolder = Callable[..., AsyncIterator[None]]


def reader_slot(gate: Gate) -> SlotHolder:
    """Return a dependency that holds a slot of the tenant until the response is sent or its client or task is gone.

    The slot is acquired before anything is done for the request, so a refusal leaves nothing behind.
    """

    async def hold(jobs: Reader) -> AsyncIterator[None]:
        with gate.acquire(jobs.tenant):
            yield

    return hold


def writer_slot(gate: Gate) -> SlotHolder:
    """Return the same for routes that write."""

    async def hold(jobs: Writer) -> AsyncIterator[None]:
        with gate.acquire(jobs.tenant):
            yield

    return hold
