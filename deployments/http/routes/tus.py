"""``/v1/uploads``: resumable uploads by the tus protocol 1.0 (tus.io): creation, expiration, checksum, termination.

A client whose connection was cut asks for the offset (HEAD) and goes on there (PATCH). The last piece makes the job.
"""

import base64
import hashlib
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from email.utils import format_datetime

from fastapi import APIRouter, Request, Response
from starlette.requests import ClientDisconnect

from deployments.http.dependencies import Writer
from deployments.http.errors.problems import documented
from deployments.intake.resumable_records import Resumable
from deployments.intake.resumable_uploads import ResumableUploads, WholeUpload
from deployments.intake.spool import BLOCK_BYTES, body_of
from deployments.intake.submission import Submission, clean_filename, merge_options
from deployments.schemas.jobs import job_path
from deployments.schemas.options import Options
from deployments.schemas.references import ReferenceFields
from deployments.sources.fetch import NAMELESS
from deployments.tenant.backend import Backend
from deployments.tenant.jobs import TenantJobs
from deployments.tenant.threads import in_thread
from pipelines.errors import (
    ChecksumMismatch,
    EmptyAudio,
    InvalidRequest,
    OffsetConflict,
    Reason,
    TusVersion,
    UnsupportedMediaType,
    UploadStalled,
)

UPLOADS_PATH = "/v1/uploads"
VERSION = "1.0.0"
MAX_OPEN = 64  # uploads of a tenant that are not whole
ALGORITHMS = ("sha256", "sha1", "md5")
_ABOUT_THE_FILE = frozenset({"filename", "name", "filetype", "type", "relativePath"})  # what tus clients send unasked
_PIECE = "application/offset+octet-stream"
_HEADERS = {"Tus-Resumable": VERSION, "Cache-Control": "no-store"}
_ANY = (Reason.TUS_VERSION, Reason.NOT_FOUND, Reason.INVALID_OPTION, Reason.LEDGER_UNAVAILABLE)


def resumable_uploads(backend: Backend) -> ResumableUploads:
    """The uploads that the routes take pieces of."""
    return ResumableUploads(
        backend.limits.spool_dir,
        clock=backend.intake.clock,
        new_id=backend.intake.new_id,
        min_free_bytes=backend.limits.min_free_bytes,
        max_open=MAX_OPEN,
    )


def tus_routes(backend: Backend, uploads: ResumableUploads) -> APIRouter:
    """Build the routes for resumable uploads."""
    router = APIRouter(tags=["jobs"])

    @router.options(UPLOADS_PATH, summary="What this server can", status_code=204, responses=documented())
    async def able(jobs: Writer) -> Response:
        return Response(
            status_code=204,
            headers={
                **_HEADERS,
                "Tus-Version": VERSION,
                "Tus-Extension": "creation,expiration,checksum,termination",
                "Tus-Max-Size": str(min(jobs.limits.max_upload_bytes, jobs.limits.max_open_upload_bytes)),
                "Tus-Checksum-Algorithm": ",".join(ALGORITHMS),
            },
        )

    @router.post(
        UPLOADS_PATH,
        status_code=201,
        summary="Begin a resumable upload",
        description=(
            "The tus protocol 1.0: `Upload-Length`, and `Upload-Metadata` with `filename` and the options of the job. "
            "The answer's `Location` takes the pieces. An upload that is not whole expires after a day."
        ),
        responses=documented(
            Reason.INVALID_REQUEST,
            Reason.EMPTY_AUDIO,
            Reason.MODEL_UNKNOWN,
            Reason.TOO_LARGE,
            Reason.OVERLOADED,
            Reason.DRAINING,
            Reason.STORE_UNAVAILABLE,
            *_ANY,
        ),
    )
    async def create(request: Request, jobs: Writer) -> Response:
        check_version(request.headers)
        n_bytes = _number(request.headers, "upload-length")
        if n_bytes == 0:
            raise EmptyAudio("The recording has no bytes.")
        metadata = metadata_of(request.headers.get("upload-metadata", ""))
        filename = metadata.get("filename") or metadata.get("name") or NAMELESS
        given = {name: [text] for name, text in metadata.items() if name not in _ABOUT_THE_FILE}
        values = merge_options(given, {})
        reference = ReferenceFields.taken_from(values)
        options = await jobs.offer.check(Options.parse(values))
        await jobs.check_backlog()
        record = await in_thread(
            uploads.create, jobs.tenant, n_bytes, clean_filename(filename), options, jobs.limits, reference
        )
        location = f"{backend.public_url}{UPLOADS_PATH}/{record.id}"
        return Response(status_code=201, headers={**_headers(record, 0), "Location": location})

    @router.head(UPLOADS_PATH + "/{upload_id}", summary="How far an upload is", responses=documented(*_ANY))
    async def offset(upload_id: str, request: Request, jobs: Writer) -> Response:
        check_version(request.headers)
        record, n_there = await in_thread(uploads.get, jobs.tenant, upload_id)
        if n_there == record.n_bytes and not record.job_id:  # the process was killed between the last byte and the job
            record = await _whole(jobs, record)
        return Response(status_code=200, headers=_headers(record, n_there))

    @router.patch(
        UPLOADS_PATH + "/{upload_id}",
        status_code=204,
        summary="Append a piece",
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {_PIECE: {"schema": {"type": "string", "format": "binary"}}},
            }
        },
        responses=documented(
            Reason.INVALID_REQUEST,
            Reason.UNSUPPORTED_MEDIA_TYPE,
            Reason.OFFSET_CONFLICT,
            Reason.UPLOAD_BUSY,
            Reason.UPLOAD_STALLED,
            Reason.CHECKSUM_MISMATCH,
            Reason.TOO_LARGE,
            Reason.STORE_UNAVAILABLE,
            *_ANY,
        ),
    )
    async def piece(upload_id: str, request: Request, jobs: Writer) -> Response:
        check_version(request.headers)
        if request.headers.get("content-type", "").lower() != _PIECE:
            raise UnsupportedMediaType(f"Send {_PIECE}.")
        record, n_there = await in_thread(uploads.get, jobs.tenant, upload_id)
        checksum = checksum_of(request.headers.get("upload-checksum", ""))
        if _number(request.headers, "upload-offset") != n_there:
            raise OffsetConflict(f"The upload is at {n_there}.")
        if not record.job_id:
            n_there = await _append(request, record, checksum)
            if n_there == record.n_bytes:
                record = await _whole(jobs, record)
        return Response(status_code=204, headers=_headers(record, n_there))

    async def _append(request: Request, record: Resumable, checksum: tuple[str, bytes] | None) -> int:
        """Write what comes; keep it when the connection is cut, but not when its checksum cannot be verified."""
        with uploads.appending(record) as part:
            start = reached = uploads.data(record).stat().st_size
            if start != _number(request.headers, "upload-offset"):
                raise OffsetConflict(f"The upload is at {start}.")
            digest = hashlib.new(checksum[0], usedforsecurity=False) if checksum else None
            try:
                async for block in _blocks(body_of(request.stream(), None, backend.limits.pace)):
                    if reached + len(block) > record.n_bytes:
                        raise InvalidRequest(f"The upload was announced with {record.n_bytes} bytes; this is more.")
                    await in_thread(part.append, block)
                    reached += len(block)
                    if digest:
                        digest.update(block)
            except BaseException as error:
                if checksum or isinstance(error, InvalidRequest):
                    part.undo(start)
                raise
            if checksum and digest and digest.digest() != checksum[1]:
                part.undo(start)
                raise ChecksumMismatch(f"The piece differs from its checksum; the upload is at {start}.")
            return reached

    async def _whole(jobs: TenantJobs, record: Resumable) -> Resumable:
        """Make the job of an upload that is whole, once."""
        source = await in_thread(WholeUpload, uploads.data(record))
        job, _ = await jobs.accept(
            Submission(
                options=record.options,
                filename=record.filename,
                spool=source,
                source_url="",
                idempotency_key=f"tus/{record.id}",
                reference=record.reference,
            )
        )
        await in_thread(uploads.finish, record, job.id)
        return (await in_thread(uploads.get, jobs.tenant, record.id))[0]

    @router.delete(
        UPLOADS_PATH + "/{upload_id}",
        status_code=204,
        summary="Give an upload up",
        description="What arrived is deleted; the job of an upload that was whole stays.",
        responses=documented(*_ANY),
    )
    async def terminate(upload_id: str, request: Request, jobs: Writer) -> Response:
        check_version(request.headers)
        record, _ = await in_thread(uploads.get, jobs.tenant, upload_id)
        await in_thread(uploads.delete, record)
        return Response(status_code=204, headers=_HEADERS)

    def _headers(record: Resumable, n_there: int) -> dict[str, str]:
        expires = format_datetime(datetime.fromtimestamp(record.expires_at_s, UTC), usegmt=True)
        headers = {
            **_HEADERS,
            "Upload-Offset": str(n_there),
            "Upload-Length": str(record.n_bytes),
            "Upload-Expires": expires,
        }
        if record.job_id:
            headers |= {
                "X-MeetMemo-Job": record.job_id,
                "Content-Location": f"{backend.public_url}{job_path(record.job_id)}",
            }
        return headers

    return router


async def _blocks(stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Join small reads, so that a hop to the writing thread pays; what came before a cut is passed on first."""
    waiting = bytearray()
    try:
        async for block in stream:
            waiting += block
            if len(waiting) >= BLOCK_BYTES:
                yield bytes(waiting)
                waiting.clear()
    except (ClientDisconnect, UploadStalled):
        if waiting:
            yield bytes(waiting)
        raise
    if waiting:
        yield bytes(waiting)


def check_version(headers: Mapping[str, str]) -> None:
    """Raise `TusVersion` unless the client speaks version 1.0.0."""
    if headers.get("tus-resumable") != VERSION:
        raise TusVersion(f"The header Tus-Resumable must be {VERSION}.")


def metadata_of(header: str) -> dict[str, str]:
    """Read ``Upload-Metadata``: names with values in Base64, separated by commas; raises `InvalidRequest`."""
    metadata: dict[str, str] = {}
    for pair in filter(None, (part.strip() for part in header.split(","))):
        name, _, value = pair.partition(" ")
        try:
            text = base64.b64decode(value.strip(), validate=True).decode()
        except ValueError:
            raise InvalidRequest(f"Upload-Metadata: the value of {name!r} is not UTF-8 in Base64.") from None
        if name in metadata:
            raise InvalidRequest(f"Upload-Metadata names {name!r} twice.")
        metadata[name] = text
    return metadata


def checksum_of(header: str) -> tuple[str, bytes] | None:
    """Read ``Upload-Checksum``: algorithm and digest; None where there is none. Raises `InvalidRequest`."""
    if not header:
        return None
    algorithm, _, value = header.partition(" ")
    if algorithm not in ALGORITHMS:
        raise InvalidRequest(f"Upload-Checksum: there are {', '.join(ALGORITHMS)}.")
    try:
        return algorithm, base64.b64decode(value.strip(), validate=True)
    except ValueError:
        raise InvalidRequest("Upload-Checksum is not in Base64.") from None


def _number(headers: Mapping[str, str], name: str) -> int:
    text = headers.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise InvalidRequest(f"The header {name.title()} must be a number.")
    return int(text)
