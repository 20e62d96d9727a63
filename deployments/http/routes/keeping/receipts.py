"""The routes of receipts: proof of what was deleted."""

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query

from deployments.http.dependencies import Reader
from deployments.http.errors.documentation import ONE_ITEM, PAGE, documented
from deployments.schemas.keeping import RECEIPTS_PATH, ReceiptDocument, ReceiptList, ReceiptParameters
from deployments.tenant.backend import Backend
from pipelines.keeping.receipts import document


def receipt_routes(backend: Backend) -> APIRouter:
    """Build the routes."""
    router = APIRouter(tags=["keeping"])

    @router.get(
        RECEIPTS_PATH,
        summary="List receipts of deletions, newest first",
        description="Of jobs and voices that were deleted by request or by retention.",
        responses=documented(*PAGE),
    )
    async def receipts(query: Annotated[ReceiptParameters, Query()], jobs: Reader) -> ReceiptList:
        page = await backend.keeping_of(jobs).receipts(query.object or "", limit=query.limit, after=query.cursor)
        following = None
        if page.next_cursor is not None:
            same = query.model_dump(mode="json", exclude_none=True, exclude={"cursor"})
            following = f"{backend.public_url}{RECEIPTS_PATH}?{urlencode({**same, 'cursor': page.next_cursor})}"
        shown = [ReceiptDocument.model_validate(document(each)) for each in page.receipts]
        return ReceiptList(receipts=shown, next=following)

    @router.get(RECEIPTS_PATH + "/{receipt_id}", summary="Show a receipt", responses=documented(*ONE_ITEM))
    async def show(receipt_id: str, jobs: Reader) -> ReceiptDocument:
        return ReceiptDocument.model_validate(document(await backend.keeping_of(jobs).receipt(receipt_id)))

    return router
