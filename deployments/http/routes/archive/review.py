"""The routes of the review queue: what is worth listening to, and what somebody has listened to."""

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query

from deployments.http.dependencies import Author, Reader, Writer
from deployments.http.errors.documentation import ONE_ITEM, PAGE, documented
from deployments.schemas.review import (
    REVIEW_DESCRIPTION,
    REVIEW_PATH,
    ReviewBody,
    ReviewItemBody,
    ReviewParameters,
)
from deployments.tenant.backend import Backend

_DONE_PATH = REVIEW_PATH + "/{item_id}/done"


def review_routes(backend: Backend) -> APIRouter:
    """Build the routes."""
    router = APIRouter(tags=["results"])

    @router.get(
        REVIEW_PATH,
        summary="List what is most worth listening to",
        description=REVIEW_DESCRIPTION,
        responses=documented(*PAGE),
    )
    async def review(query: Annotated[ReviewParameters, Query()], jobs: Reader) -> ReviewBody:
        page = await jobs.review(query.to_domain(), limit=query.limit, after=query.cursor)
        following = None
        if page.next_cursor is not None:
            same = query.model_dump(mode="json", exclude_none=True, exclude={"cursor"})
            following = f"{backend.public_url}{REVIEW_PATH}?{urlencode({**same, 'cursor': page.next_cursor})}"
        return ReviewBody(
            items=[ReviewItemBody.from_domain(item, backend.public_url) for item in page.items],
            open=page.n_open,
            open_s=round(page.open_s, 3),
            done=page.n_heard,
            next=following,
        )

    @router.put(
        _DONE_PATH,
        summary="Mark an item of the review queue as done",
        description="Somebody has listened. May be repeated: the first mark stays.",
        responses=documented(*ONE_ITEM),
    )
    async def done(item_id: str, jobs: Writer, author: Author) -> ReviewItemBody:
        marked = await jobs.mark_heard(item_id, author=author)
        return ReviewItemBody.from_domain(marked, backend.public_url)

    @router.delete(
        _DONE_PATH,
        summary="Take the mark of an item back",
        description="The item waits again; its job is looked through anew. May be repeated.",
        responses=documented(*ONE_ITEM),
    )
    async def undone(item_id: str, jobs: Writer, author: Author) -> ReviewItemBody:
        marked = await jobs.mark_heard(item_id, author=author, heard=False)
        return ReviewItemBody.from_domain(marked, backend.public_url)

    return router
