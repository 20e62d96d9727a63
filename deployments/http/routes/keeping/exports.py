"""The route of exports: everything that a tenant has of one person or matter, as a ZIP."""

from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import StreamingResponse

from deployments.http.content_disposition import attachment
from deployments.http.dependencies import Reader, reader_slot
from deployments.http.errors.documentation import ONE_ITEM, STORE, documented
from deployments.http.json_bodies import documented_json, json_body
from deployments.http.openapi import binary_answer
from deployments.schemas.keeping import EXPORTS_PATH, ExportRequest, pairs_of
from deployments.tenant.backend import Backend
from deployments.tenant.export import ExportQuery, TenantExport
from deployments.tenant.threads import in_thread
from pipelines.errors import Reason

MEDIA_TYPE = "application/zip"


def export_routes(backend: Backend) -> APIRouter:
    """Build the route."""
    router = APIRouter(tags=["keeping"])
    exports = backend.stream_gate("exports")

    @router.post(
        EXPORTS_PATH,
        dependencies=[Depends(reader_slot(exports))],
        response_class=StreamingResponse,
        summary="Export all that there is of a person",
        openapi_extra=documented_json(ExportRequest),
        description=(
            "All jobs with an external id, in which a voice profile named a speaker, or with metadata, and those that "
            "wrote their minutes anew: each with its record, documents, versions of the transcript, translations and "
            "the recording where it is kept. `manifest.json` comes last, with the digest of every file. A ZIP without "
            "it was cut off. Each job is entered in the audit log."
        ),
        responses={
            200: binary_answer("The archive.", MEDIA_TYPE),
            **documented(Reason.INVALID_REQUEST, Reason.OVERLOADED, *STORE, *ONE_ITEM),
        },
    )
    async def export(
        jobs: Reader, wanted: Annotated[ExportRequest, Depends(json_body(ExportRequest))]
    ) -> StreamingResponse:
        query = ExportQuery(
            external_id=wanted.external_id or "", voice_id=wanted.voice or "", metadata=pairs_of(wanted.metadata)
        )
        blocks = await in_thread(TenantExport(jobs=jobs, clock=backend.intake.clock).blocks, query)
        headers = {"content-disposition": attachment("export", ".zip"), "cache-control": "private, no-store"}
        return StreamingResponse(blocks, media_type=MEDIA_TYPE, headers=headers)

    return router
