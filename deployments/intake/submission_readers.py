"""From a request to a `Submission`: one reader for each content type."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from pydantic import ValidationError
from starlette.requests import Request

from deployments.intake.idempotency import idempotency_key
from deployments.intake.job_policy import JobPolicy
from deployments.intake.multipart import read_form
from deployments.intake.spool import Spool, body_of
from deployments.intake.submission import (
    Submission,
    clean_filename,
    content_length,
    merge_options,
    query_values,
    read_overrides,
)
from deployments.limits import IngestionLimits
from deployments.schemas.options import SourceRequest, refused
from deployments.sources.fetch import NAMELESS, check_url, name_in
from deployments.sources.headers import disposition, filename_of, text_of
from deployments.sources.recording_bytes import RecordingBytes
from pipelines.errors import EmptyAudio, InvalidOptions, InvalidRequest, UnsupportedMediaType
from pipelines.jobs.job import JobOptions
from pipelines.jobs.reference import Reference
from pipelines.validation import describe

MAX_JSON_BYTES = 64 << 10


@dataclass(frozen=True, kw_only=True)
class Incoming:
    """The head of a submission, and its body as it comes.

    ``query`` holds options, ``filename`` the one of the query; ``length`` is None where the client announced none.
    """

    headers: Mapping[str, str]
    content_type: str
    query: Mapping[str, Sequence[str]]
    filename: str
    idempotency_key: str | None
    length: int | None
    body: AsyncIterator[bytes]
    spool: Spool
    policy: JobPolicy
    limits: IngestionLimits

    async def announce(self) -> None:
        """Claim the room for the body where its length is known; raises `TooLarge`, `StoreFull`."""
        if self.length is not None:
            await self.spool.announce(self.length)


async def read_submission(request: Request, spool: Spool, policy: JobPolicy, limits: IngestionLimits) -> Submission:
    """Read a submission in any of its three forms: multipart, JSON with a source, raw bytes.

    Options may come in the query, as form fields and as JSON, each at most once. Raises `UnsupportedMediaType`,
    `UnsupportedFormat`, `InvalidRequest`, `UploadStalled`, `InvalidOptions`, `ModelUnknown`, `EmptyAudio`, `TooLarge`,
    `StoreUnavailable`.
    """
    key = idempotency_key(request.headers)
    query = query_values(request)
    filename = query.pop("filename", [""])[-1]
    content_type = request.headers.get("content-type", "application/octet-stream")
    _refuse_compressed(request)
    length = content_length(request.headers)
    read = _reader_for(content_type.partition(";")[0].strip().lower())
    incoming = Incoming(
        headers=request.headers,
        content_type=content_type,
        query=query,
        filename=filename,
        idempotency_key=key,
        length=length,
        body=body_of(request.stream(), length, limits.pace),
        spool=spool,
        policy=policy,
        limits=limits,
    )
    return await read(incoming)


async def _read_source(incoming: Incoming) -> Submission:
    """Read JSON that names a URL or an upload."""
    source = await _source_of(incoming.body, incoming.length)
    if source.source is not None:
        check_url(source.source, incoming.limits.sources, incoming.policy.tenant)
    outside = {"external_id": source.external_id, "metadata": source.metadata}
    beside = {name: value for name, value in outside.items() if value is not None}
    given = merge_options(incoming.query, {}, source.options, beside)
    options, reference = await read_overrides(given, incoming.policy)
    return Submission(
        options=options,
        reference=reference,
        filename=_name_of(source, incoming.filename),
        source_url=source.source or "",
        upload_id=source.upload or "",
        idempotency_key=incoming.idempotency_key,
    )


async def _read_form(incoming: Incoming) -> Submission:
    """Read a form with the recording in its field ``file``."""
    await incoming.announce()
    form = await read_form(incoming.body, incoming.content_type, incoming.spool)
    fields = dict(form.fields)
    given = merge_options(incoming.query, {}, _json_options(fields.pop("options", [])))
    name = fields.pop("filename", [""])[-1] or form.filename or incoming.filename
    options, reference = await read_overrides(merge_options({}, fields, given), incoming.policy)
    if not form.has_file:
        raise InvalidRequest("The form has no field 'file'.")
    return await _spooled(incoming, options, reference, name)


async def _read_bytes(incoming: Incoming) -> Submission:
    """Read the recording itself; samples without a container get one."""
    await incoming.announce()
    options, reference = await read_overrides(merge_options(incoming.query, {}, {}), incoming.policy)
    name = incoming.filename or _header_filename(incoming.headers)
    await receive_recording(incoming.body, incoming.spool, incoming.content_type, name or "")
    return await _spooled(incoming, options, reference, name)


async def receive_recording(body: AsyncIterator[bytes], spool: Spool, content_type: str, filename: str) -> None:
    """Write a recording to a spool file, which is not finished; samples without a container get one.

    Raises `UnsupportedFormat` from the first bytes of what is no recording, `InvalidRequest`, `EmptyAudio`.
    """
    recording = RecordingBytes(content_type, filename)
    async for block in body:
        await spool.write(recording.feed(block))
    await spool.write(recording.finish())


async def receive_body(request: Request, spool: Spool, content_type: str, limits: IngestionLimits) -> None:
    """Write a recording that is a request's body to a spool file, whole; ``content_type`` may be another than its own.

    Raises `UnsupportedMediaType`, `UnsupportedFormat`, `InvalidRequest`, `UploadStalled`, `EmptyAudio`, `TooLarge`,
    `StoreFull`.
    """
    _refuse_compressed(request)
    length = content_length(request.headers)
    if length is not None:
        await spool.announce(length)
    await receive_recording(body_of(request.stream(), length, limits.pace), spool, content_type, "")
    if spool.n_bytes == 0:
        raise EmptyAudio("The recording has no bytes.")
    await spool.finish()


def _refuse_compressed(request: Request) -> None:
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType("Compressed bodies are not accepted; send the recording as it is.")


async def _spooled(incoming: Incoming, options: JobOptions, reference: Reference, name: str | None) -> Submission:
    """Finish the spool file; raises `EmptyAudio`."""
    if incoming.spool.n_bytes == 0:
        raise EmptyAudio("The recording has no bytes.")
    await incoming.spool.finish()
    return Submission(
        options=options,
        reference=reference,
        filename=clean_filename(name or NAMELESS),
        spool=incoming.spool,
        idempotency_key=incoming.idempotency_key,
    )


Reader = Callable[[Incoming], Awaitable[Submission]]

_READERS: dict[str, Reader] = {
    "application/json": _read_source,
    "multipart/form-data": _read_form,
    "application/octet-stream": _read_bytes,
    "application/ogg": _read_bytes,
    "application/mp4": _read_bytes,
    "audio/*": _read_bytes,
    "video/*": _read_bytes,
}


def _reader_for(media_type: str) -> Reader:
    """Return who reads a media type; raises `UnsupportedMediaType`."""
    kind, slash, _ = media_type.partition("/")
    reader = _READERS.get(media_type) or _READERS.get(f"{kind}{slash}*")
    if reader is None:
        raise UnsupportedMediaType(
            f"Content type {media_type} is not accepted: send multipart/form-data with a field 'file', "
            "application/json with a source, or the recording itself as audio/*, video/* or application/octet-stream."
        )
    return reader


async def _source_of(body: AsyncIterator[bytes], length: int | None) -> SourceRequest:
    too_long = InvalidRequest(f"A JSON body may have {MAX_JSON_BYTES} bytes at most.")
    if length is not None and length > MAX_JSON_BYTES:
        raise too_long
    data = bytearray()
    async for block in body:
        data += block
        if len(data) > MAX_JSON_BYTES:
            raise too_long
    try:
        return SourceRequest.model_validate_json(bytes(data))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        if first["type"] == "json_invalid":
            raise InvalidRequest(f"The body {describe(first)}.") from None
        raise refused(error) from None


def _json_options(values: Sequence[str]) -> dict[str, Any]:
    if not values:
        return {}
    if len(values) > 1:
        raise InvalidOptions("options: given more than once", (("options", "given more than once"),))
    try:
        given = json.loads(values[0])
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(f"The field 'options' is not JSON: {error}") from error
    if not isinstance(given, dict):
        raise InvalidOptions("options: must be a JSON object", (("options", "must be a JSON object"),))
    return given


def _name_of(source: SourceRequest, query_filename: str) -> str:
    """Return the name that was given, or the URL's; "" for an upload, which may have one already."""
    given = source.filename or query_filename or (name_in(source.source) if source.source else "")
    return clean_filename(given) if given else ""


def _header_filename(headers: Mapping[str, str]) -> str | None:
    if "x-filename" in headers:
        return unquote(text_of(headers["x-filename"].encode("latin-1")))
    if "content-disposition" in headers:
        return filename_of(disposition(text_of(headers["content-disposition"].encode("latin-1"))))
    return None
