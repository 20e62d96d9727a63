"""From a request to a `Submission`: `read_submission` reads it, `deployments.intake.accept.Intake` makes it durable."""

import hashlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote

from pydantic import ValidationError
from starlette.requests import Request

from deployments.intake.idempotency import idempotency_key
from deployments.intake.job_policy import JobPolicy
from deployments.intake.multipart import read_form
from deployments.intake.raw_audio import header_for
from deployments.intake.spool import Spool, StoredUpload, body_of
from deployments.limits import IngestionLimits
from deployments.schemas.options import LIST_OPTIONS, Options, SourceRequest
from deployments.schemas.references import ReferenceFields
from deployments.sources.fetch import NAMELESS, check_url, name_in
from deployments.sources.headers import disposition, filename_of, text_of
from pipelines.codec import encode
from pipelines.errors import (
    EmptyAudio,
    InvalidOptions,
    InvalidRequest,
    UnsupportedMediaType,
)
from pipelines.jobs.job import JobOptions
from pipelines.jobs.reference import NO_REFERENCE, Reference

MAX_JSON_BYTES = 64 << 10
MAX_FILENAME_CHARS = 255
RAW_TYPES = ("audio/", "video/", "application/octet-stream", "application/ogg", "application/mp4")


@dataclass(frozen=True, kw_only=True)
class Submission:
    """A request to transcribe one recording: spooled bytes, a URL to pull, or what was put to a URL of an upload."""

    options: JobOptions
    filename: str
    spool: StoredUpload | None
    source_url: str
    idempotency_key: str | None
    reference: Reference = field(default=NO_REFERENCE)
    upload_id: str = ""

    @property
    def fingerprint(self) -> str:
        """What makes a repeated request the same one: the bytes or the URL, options, reference (SHA-256, hex)."""
        source = self.spool.sha256 if self.spool else self.source_url or f"upload/{self.upload_id}"
        parts = [source.encode(), encode(self.options)]
        if self.reference != NO_REFERENCE:
            parts.append(encode(self.reference))
        return hashlib.sha256(b"\n".join(parts)).hexdigest()


async def read_submission(request: Request, spool: Spool, offer: JobPolicy, limits: IngestionLimits) -> Submission:
    """Read a submission in any of its three forms: multipart, JSON with a source, raw bytes.

    Options may come in the query, as form fields and as JSON, each at most once. Raises `UnsupportedMediaType`,
    `InvalidRequest`, `UploadStalled`, `InvalidOptions`, `ModelUnknown`, `EmptyAudio`, `TooLarge`, `StoreUnavailable`.
    """
    key = idempotency_key(request.headers)
    query = dict(query_values(request.query_params.multi_items()))
    query_filename = query.pop("filename", [""])[-1]
    content_type = request.headers.get("content-type", "application/octet-stream")
    media_type = content_type.partition(";")[0].strip().lower()
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType("Compressed bodies are not accepted; send the recording as it is.")
    length = content_length(request.headers)
    body = body_of(request.stream(), length, limits.pace)

    if media_type == "application/json":
        source = await _read_source(body, length)
        if source.source is not None:
            check_url(source.source, limits.sources, offer.tenant)
        outside = {"external_id": source.external_id, "metadata": source.metadata}
        given = merge_options(query, {}, source.options, {k: v for k, v in outside.items() if v is not None})
        reference = ReferenceFields.taken_from(given)
        return Submission(
            options=await offer.check(Options.parse(given)),
            reference=reference,
            filename=_name_of(source, query_filename),
            spool=None,
            source_url=source.source or "",
            upload_id=source.upload or "",
            idempotency_key=key,
        )
    if length is not None:
        await spool.announce(length)
    if media_type == "multipart/form-data":
        form = await read_form(body, content_type, spool)
        fields = dict(form.fields)
        given = merge_options(query, {}, _json_options(fields.pop("options", [])))
        name: str | None = fields.pop("filename", [""])[-1] or form.filename or query_filename
        given = merge_options({}, fields, given)
        reference = ReferenceFields.taken_from(given)
        chosen = await offer.check(Options.parse(given))
        if not form.has_file:
            raise InvalidRequest("The form has no field 'file'.")
    elif media_type.startswith(RAW_TYPES):
        given = merge_options(query, {}, {})
        reference = ReferenceFields.taken_from(given)
        chosen = await offer.check(Options.parse(given))
        name = query_filename or _header_filename(request.headers)
        header = header_for(content_type)
        if header:
            await spool.write(header)
        async for block in body:
            await spool.write(block)
        if spool.n_bytes == len(header):
            raise EmptyAudio("The recording has no bytes.")
    else:
        raise UnsupportedMediaType(
            f"Content type {media_type} is not accepted: send multipart/form-data with a field 'file', "
            "application/json with a source, or the recording itself as audio/*, video/* or application/octet-stream."
        )
    await spool.finish()
    if spool.n_bytes == 0:
        raise EmptyAudio("The recording has no bytes.")
    return Submission(
        options=chosen,
        filename=clean_filename(name or NAMELESS),
        spool=spool,
        source_url="",
        idempotency_key=key,
        reference=reference,
    )


def merge_options(
    query: Mapping[str, Sequence[str]], fields: Mapping[str, Sequence[str]], *given: Mapping[str, Any]
) -> dict[str, Any]:
    """Bring options from several places together; an empty form field counts as left out.

    Raises `InvalidOptions` when a place repeats an option that is no list, or two places give the same one.
    """
    merged: dict[str, Any] = {}
    for values in given:
        for name, value in values.items():
            if name in merged:
                raise _twice(name)
            merged[name] = value
    for place in (query, fields):
        for name, texts in place.items():
            filled = [text for text in texts if text != ""]
            if not filled:
                continue
            if name in merged or (len(filled) > 1 and name not in LIST_OPTIONS):
                raise _twice(name)
            merged[name] = _several(filled) if name in LIST_OPTIONS else filled[0]
    return merged


def _twice(name: str) -> InvalidOptions:
    return InvalidOptions(f"{name}: given more than once", ((name, "given more than once"),))


def listed(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values as recording systems write them: several in one text, with commas between, are a list."""
    return {
        name: _several([value]) if name in LIST_OPTIONS and isinstance(value, str) else value
        for name, value in values.items()
    }


def _several(values: Sequence[str]) -> list[str]:
    """Values of a list; one alone may hold several, with commas between them."""
    parts = values[0].split(",") if len(values) == 1 else values
    return [part.strip() for part in parts if part.strip()]


def clean_filename(name: str) -> str:
    """The last part of a name from outside, without control characters, short enough to keep; it is only shown."""
    last = name.replace("\\", "/").rstrip("/").rpartition("/")[2]
    printable = "".join(char for char in last if char.isprintable()).strip()
    if len(printable) > MAX_FILENAME_CHARS:
        path = PurePosixPath(printable)
        suffix = path.suffix[:16]
        printable = printable[: MAX_FILENAME_CHARS - len(suffix)] + suffix
    return printable if printable.strip(".") else NAMELESS


def query_values(items: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    """Group a query's pairs by name."""
    values: dict[str, list[str]] = {}
    for name, value in items:
        values.setdefault(name, []).append(value)
    return values


def content_length(headers: Mapping[str, str]) -> int | None:
    """Read the header ``Content-Length``; raises `InvalidRequest`."""
    raw = headers.get("content-length")
    if raw is None:
        return None
    if not (raw.isascii() and raw.isdigit()):
        raise InvalidRequest("Content-Length is not a number.")
    return int(raw)


def _name_of(source: SourceRequest, query_filename: str) -> str:
    """The name that was given, or the URL's; "" for an upload, which may have one already."""
    given = source.filename or query_filename or (name_in(source.source) if source.source else "")
    return clean_filename(given) if given else ""


def _header_filename(headers: Mapping[str, str]) -> str | None:
    if "x-filename" in headers:
        return unquote(text_of(headers["x-filename"].encode("latin-1")))
    if "content-disposition" in headers:
        return filename_of(disposition(text_of(headers["content-disposition"].encode("latin-1"))))
    return None


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


async def _read_source(body: AsyncIterator[bytes], length: int | None) -> SourceRequest:
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
        problems = error.errors()
        if problems[0]["type"] == "json_invalid":
            raise InvalidRequest(f"The body is not JSON: {problems[0]['msg']}.") from None
        errors = tuple((".".join(map(str, item["loc"])), item["msg"]) for item in problems)
        raise InvalidOptions("; ".join(f"{field}: {message}" for field, message in errors), errors) from None
