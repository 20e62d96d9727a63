"""The route that searches a tenant's transcripts and minutes, and the one that has the index rebuilt."""

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query

from deployments.http.dependencies import Admin, Reader
from deployments.http.errors.documentation import PAGE, QUERY, documented
from deployments.schemas.search import (
    SEARCH_DESCRIPTION,
    SEARCH_PATH,
    HitBody,
    RebuildBody,
    SearchBody,
    SearchParameters,
)
from deployments.tenant.backend import Backend
from deployments.tenant.threads import in_thread
from pipelines.search.query import parse

REBUILD_PATH = "/v1/admin/search/rebuild"


def search_routes(backend: Backend) -> APIRouter:
    """Build the routes."""
    router = APIRouter()

    @router.get(
        SEARCH_PATH,
        tags=["results"],
        summary="Search transcripts and minutes",
        description=SEARCH_DESCRIPTION,
        responses=documented(*PAGE),
    )
    async def search(query: Annotated[SearchParameters, Query()], jobs: Reader) -> SearchBody:
        wanted = parse(query.q)
        page = await jobs.search(wanted, query.to_domain(), sort=query.sort, limit=query.limit, after=query.cursor)
        following = None
        if page.next_cursor is not None:
            same = query.model_dump(mode="json", exclude_none=True, exclude={"cursor"})
            following = (
                f"{backend.public_url}{SEARCH_PATH}?{urlencode({**same, 'cursor': page.next_cursor}, doseq=True)}"
            )
        return SearchBody(
            hits=[HitBody.from_domain(hit, wanted, backend.public_url) for hit in page.hits],
            total=page.total,
            more=page.more,
            pending=page.n_pending,
            next=following,
        )

    @router.post(
        REBUILD_PATH,
        status_code=202,
        tags=["service"],
        summary="Rebuild the search index",
        description="Has every ended job of all tenants indexed again; what is found meanwhile stays. May be repeated.",
        responses=documented(*QUERY),
    )
    async def rebuild(operator: Admin) -> RebuildBody:
        return RebuildBody(pending=await in_thread(backend.ledger.search.rebuild))

    return router
