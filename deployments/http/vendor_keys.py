"""API keys as other vendors' clients send them: in ``Authorization``, behind ``Token``, ``Bearer`` or nothing."""

from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader, SecurityScopes

from deployments.auth.authenticators import Scope
from deployments.http.dependencies import BACKEND, admitted
from deployments.tenant.jobs import TenantJobs

_SCHEMES = frozenset({"token", "bearer"})
_KEY = APIKeyHeader(
    name="Authorization",
    scheme_name="vendor_key",
    auto_error=False,
    description="An API key or a JWT: `Token KEY` as Deepgram's clients send it, or `KEY` as AssemblyAI's do.",
)


def key_in(header: str | None) -> str | None:
    """Return the key in the header ``Authorization``; None where there is none."""
    scheme, _, rest = (header or "").strip().partition(" ")
    return (rest.strip() if scheme.lower() in _SCHEMES else (header or "").strip()) or None


async def _tenant_jobs(
    request: Request, needed: SecurityScopes, header: Annotated[str | None, Depends(_KEY)]
) -> TenantJobs:
    principal = await admitted(request, needed, key_in(header))
    return BACKEND.get(request).for_tenant(principal.tenant, principal.acting)


VendorReader = Annotated[TenantJobs, Security(_tenant_jobs, scopes=[Scope.JOBS_READ])]
"""The jobs of the tenant who asks by another vendor's client, to look at."""

VendorWriter = Annotated[TenantJobs, Security(_tenant_jobs, scopes=[Scope.JOBS_WRITE])]
"""The same, to submit and erase."""
