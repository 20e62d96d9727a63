"""``/v1/uploads/presigned``: a URL to put a large recording to, straight into the store where that is possible."""

from datetime import UTC, datetime
from typing import Annotated, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Request, Response
from fastapi.security import APIKeyQuery
from pydantic import Field

from deployments.artifacts.presigned_uploads import LIFETIME_S, URL_LIFETIME_S
from deployments.http.dependencies import Writer
from deployments.http.errors.documentation import PRESIGN, PUT_UPLOAD, documented
from deployments.http.json_bodies import documented_json, json_body
from deployments.http.openapi import binary_body
from deployments.intake.spool import body_of
from deployments.intake.submission import clean_filename, content_length
from deployments.schemas.options import ApiModel
from deployments.sources.fetch import NAMELESS
from deployments.tenant.backend import Backend
from deployments.tenant.threads import in_thread
from pipelines.audio.first_bytes import FirstBytes
from pipelines.errors import InvalidRequest

PRESIGNED_PATH = "/v1/uploads/presigned"
_TOKEN = APIKeyQuery(name="token", scheme_name="upload_token", auto_error=False, description="Part of the URL given.")


class UploadRequest(ApiModel):
    """A recording that will be put."""

    n_bytes: int = Field(ge=1, le=1 << 50, description="Its size; the URL takes exactly so many bytes.")
    filename: str | None = Field(None, max_length=255, description="Name to show for the recording.")


class PresignedUpload(ApiModel):
    """The request that uploads the recording: the bytes as its body, these headers, and no API key."""

    id: str
    method: Literal["PUT"] = "PUT"
    url: str
    headers: dict[str, str]
    url_expires_at: datetime = Field(description="The PUT must have begun by then.")
    expires_at: datetime = Field(description="What has no job by then is deleted.")


def direct_upload_routes(backend: Backend) -> APIRouter:
    """Build the routes."""
    router = APIRouter(tags=["jobs"])
    uploads = backend.intake.direct

    @router.post(
        PRESIGNED_PATH,
        status_code=201,
        summary="Get a URL to put a recording to",
        openapi_extra=documented_json(UploadRequest),
        description=(
            "For large recordings: put the bytes to the `url` of the answer, which leads straight into the bucket "
            f'where the store is one, then send `{{"upload": id}}` to `POST /v1/jobs`. The URL is good for '
            f"{URL_LIFETIME_S / 60:.0f} minutes, the upload for {LIFETIME_S / 3600:.0f} hours."
        ),
        responses=documented(*PRESIGN),
    )
    async def presign(
        request: Request, jobs: Writer, wanted: Annotated[UploadRequest, Depends(json_body(UploadRequest))]
    ) -> PresignedUpload:
        await jobs.check_backlog()
        name = clean_filename(wanted.filename or NAMELESS)
        upload, url, token = await in_thread(
            uploads.open, jobs.tenant, wanted.n_bytes, name, jobs.limits, backend.spool_space.free_bytes
        )
        here = backend.public_url or str(request.base_url).rstrip("/")  # curl and others take no relative URL
        ours = f"{here}{PRESIGNED_PATH}/{upload.id}?{urlencode({'token': token})}"
        return PresignedUpload(
            id=upload.id,
            url=url or ours,
            headers={"Content-Length": str(upload.n_bytes)},
            url_expires_at=datetime.fromtimestamp(upload.url_expires_at_s, UTC),
            expires_at=datetime.fromtimestamp(upload.expires_at_s, UTC),
        )

    @router.put(
        PRESIGNED_PATH + "/{upload_id}",
        summary="Put a recording to a URL that was given",
        description="As a bucket takes it: no API key, and the URL's token instead.",
        openapi_extra=binary_body(),
        responses={200: {"description": "The bytes are stored.", "content": {}}, **documented(*PUT_UPLOAD)},
    )
    async def put(upload_id: str, request: Request, token: Annotated[str | None, Depends(_TOKEN)]) -> Response:
        upload = await in_thread(uploads.addressed, upload_id, token or "")
        length = content_length(request.headers)
        wrong = InvalidRequest(f"The URL takes {upload.n_bytes} bytes.")
        if length is not None and length != upload.n_bytes:
            raise wrong
        async with backend.uploads.spool(upload.tenant) as spool:
            await spool.announce(upload.n_bytes)
            first_bytes = FirstBytes()
            async for block in body_of(request.stream(), length, backend.limits.pace):
                first_bytes.feed(block)
                await spool.write(block)
                if spool.n_bytes > upload.n_bytes:
                    raise wrong
            first_bytes.finish()
            await spool.finish()
            if spool.n_bytes != upload.n_bytes:
                raise wrong
            await in_thread(backend.store.put_file, upload.keys.source, spool.path, sha256=spool.sha256)
        return Response(status_code=200)

    return router
