"""The routes of the audit log: who did what, and whether the log is whole."""

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query

from deployments.http.dependencies import TenantAdmin
from deployments.http.errors.documentation import PAGE, QUERY, documented
from deployments.schemas.keeping import AUDIT_PATH, AuditBody, AuditCheckBody, AuditEntryBody, AuditParameters
from deployments.tenant.backend import Backend


def audit_routes(backend: Backend) -> APIRouter:
    """Build the routes."""
    router = APIRouter(tags=["keeping"])

    @router.get(
        AUDIT_PATH,
        summary="Show who did what",
        description=(
            "The audit log of the tenant, newest first: who read, searched, corrected, exported, held and deleted "
            "what. Needs the scope `admin`. Deeds of other endpoints' processes may come a second later."
        ),
        responses=documented(*PAGE),
    )
    async def audit(query: Annotated[AuditParameters, Query()], jobs: TenantAdmin) -> AuditBody:
        page = await backend.keeping_of(jobs).audit(query.to_domain(), limit=query.limit, after=query.cursor)
        following = None
        if page.next_cursor is not None:
            same = query.model_dump(mode="json", exclude_none=True, exclude={"cursor"})
            following = f"{backend.public_url}{AUDIT_PATH}?{urlencode({**same, 'cursor': page.next_cursor})}"
        return AuditBody(entries=[AuditEntryBody.of(entry) for entry in page.entries], next=following)

    @router.get(
        AUDIT_PATH + "/check",
        summary="Check that the audit log is whole",
        description=(
            "Compares every entry with its digest and with the one before. `seq` and `digest` of an earlier check "
            "prove that nothing up to there was written anew."
        ),
        responses=documented(*QUERY),
    )
    async def check(
        jobs: TenantAdmin,
        seq: Annotated[int, Query(ge=0, le=10**15, description="An entry's number that was noted; 0: none.")] = 0,
        digest: Annotated[str, Query(max_length=64, description="Its digest.")] = "",
    ) -> AuditCheckBody:
        return AuditCheckBody.of(await backend.keeping_of(jobs).check((seq, digest) if seq else None))

    return router
