"""``/v1/uploads``: resumable uploads by the tus protocol 1.0 (tus.io) with the extensions of `EXTENSIONS`.

A client whose connection was cut asks for the offset (HEAD) and goes on there (PATCH). The last piece makes the job.
"""

from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from deployments.http.dependencies import Writer
from deployments.http.errors.documentation import APPEND_PIECE, BEGIN_UPLOAD, ONE_UPLOAD, documented
from deployments.http.openapi import binary_body
from deployments.intake.resumable.records import Resumable
from deployments.intake.resumable.tus_protocol import (
    ALGORITHMS,
    EXTENSIONS,
    PIECE_TYPE,
    VERSION,
    Creation,
    check_piece_type,
    check_version,
)
from deployments.schemas.jobs import job_path
from deployments.tenant.backend import Backend
from deployments.tenant.resumable_uploads import TenantUploads

UPLOADS_PATH = "/v1/uploads"
_HEADERS = {"Tus-Resumable": VERSION, "Cache-Control": "no-store"}


def tus_routes(backend: Backend) -> APIRouter:
    """Build the routes for resumable uploads."""
    router = APIRouter(tags=["jobs"])

    async def tenant_uploads(jobs: Writer) -> TenantUploads:
        return TenantUploads(jobs=jobs, files=backend.resumable, pace=backend.limits.pace)

    Uploads = Annotated[TenantUploads, Depends(tenant_uploads)]

    @router.options(UPLOADS_PATH, summary="What this server can", status_code=204, responses=documented())
    async def able() -> Response:
        limits = backend.limits.tenant
        return Response(
            status_code=204,
            headers={
                **_HEADERS,
                "Tus-Version": VERSION,
                "Tus-Extension": EXTENSIONS,
                "Tus-Max-Size": str(min(limits.max_upload_bytes, limits.max_open_upload_bytes)),
                "Tus-Checksum-Algorithm": ",".join(ALGORITHMS),
            },
        )

    @router.post(
        UPLOADS_PATH,
        status_code=201,
        summary="Begin a resumable upload",
        description=(
            "The tus protocol 1.0: `Upload-Length`, and `Upload-Metadata` with `filename` and the options of the job. "
            "The answer's `Location` takes the pieces. An upload that is not whole expires after a day. Parts that are "
            "sent side by side (`Upload-Concat: partial`) become one recording by `Upload-Concat: final;URL URL …`."
        ),
        responses=documented(*BEGIN_UPLOAD),
    )
    async def create(request: Request, uploads: Uploads) -> Response:
        check_version(request.headers)
        creation = Creation.of(request.headers)
        if creation.parts:
            record = await uploads.concatenate(creation, request.headers["upload-concat"])
        else:
            record = await uploads.begin(creation)
        location = f"{backend.public_url}{UPLOADS_PATH}/{record.id}"
        n_there = record.n_bytes if creation.parts else 0
        headers = {**_headers(record, n_there, backend.public_url), "Location": location}
        return Response(status_code=201, headers=headers)

    @router.head(UPLOADS_PATH + "/{upload_id}", summary="How far an upload is", responses=documented(*ONE_UPLOAD))
    async def offset(upload_id: str, request: Request, uploads: Uploads) -> Response:
        check_version(request.headers)
        record, n_there = await uploads.get(upload_id)
        return Response(status_code=200, headers=_headers(record, n_there, backend.public_url))

    @router.patch(
        UPLOADS_PATH + "/{upload_id}",
        status_code=204,
        summary="Append a piece",
        openapi_extra=binary_body(PIECE_TYPE),
        responses=documented(*APPEND_PIECE),
    )
    async def piece(upload_id: str, request: Request, uploads: Uploads) -> Response:
        check_version(request.headers)
        check_piece_type(request.headers)
        record, n_there = await uploads.append(upload_id, request.headers, request.stream())
        return Response(status_code=204, headers=_headers(record, n_there, backend.public_url))

    @router.delete(
        UPLOADS_PATH + "/{upload_id}",
        status_code=204,
        summary="Give an upload up",
        description="What arrived is deleted; the job of an upload that was whole stays.",
        responses=documented(*ONE_UPLOAD),
    )
    async def terminate(upload_id: str, request: Request, uploads: Uploads) -> Response:
        check_version(request.headers)
        await uploads.end(upload_id)
        return Response(status_code=204, headers=_HEADERS)

    return router


def _headers(record: Resumable, n_there: int, public_url: str) -> dict[str, str]:
    """Return the headers that give an upload's offset, and its job once there is one."""
    expires = format_datetime(datetime.fromtimestamp(record.expires_at_s, UTC), usegmt=True)
    headers = {
        **_HEADERS,
        "Upload-Offset": str(n_there),
        "Upload-Length": str(record.n_bytes),
        "Upload-Expires": expires,
    }
    if record.concat:
        headers["Upload-Concat"] = record.concat
    if record.job_id:
        headers["X-MeetMemo-Job"] = record.job_id
        headers["Content-Location"] = f"{public_url}{job_path(record.job_id)}"
    return headers
