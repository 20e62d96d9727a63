"""JSON bodies: read once the sender is known, bounded, parsed and checked in a thread.

A parser holds the interpreter's lock from its first byte to the last, so that a thread alone keeps nobody from waiting:
what keeps it short are the bounds on bytes, objects and names. Depth is bounded by the parser itself.
"""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import anyio
import anyio.to_thread
from starlette.requests import Request

from deployments.http.app_key import AppKey
from deployments.intake.json_parsing import parse_object
from deployments.intake.spool import body_of
from deployments.intake.submission import content_length
from deployments.limits import LiveLimits
from deployments.schemas.json_schema import schema_of
from deployments.schemas.options import ApiModel, parsed
from pipelines.errors import MeetMemoError, TooLarge, UnsupportedMediaType, refused_option

MAX_JSON_BYTES = 1 << 20
PARSERS = 2
"""Threads that parse at once, and with that how many bodies are in memory as objects that nobody has checked yet."""

LIMITS: AppKey[LiveLimits] = AppKey("limits")
JSON_THREADS: AppKey[anyio.CapacityLimiter] = AppKey("json_threads")

W = TypeVar("W", bound=ApiModel)


async def read_bounded(request: Request, max_bytes: int, too_large: MeetMemoError | None = None) -> bytes:
    """Read a body into memory; raises ``too_large`` beyond ``max_bytes``, `UploadStalled`, `InvalidRequest`."""
    refusal = too_large or TooLarge(f"The body may have {max_bytes} bytes at most.")
    length = content_length(request.headers)
    if length is not None and length > max_bytes:
        raise refusal
    data = bytearray()
    async for block in body_of(request.stream(), length, LIMITS.get(request).now.pace):
        data += block
        if len(data) > max_bytes:
            raise refusal
    return bytes(data)


async def parsed_in_thread(request: Request, parse: Callable[[], W]) -> W:
    """Parse a request's JSON, a few at once in the whole process."""
    return await anyio.to_thread.run_sync(parse, limiter=JSON_THREADS.get(request))


def json_body(kind: type[W], max_bytes: int = MAX_JSON_BYTES) -> Callable[[Request], Awaitable[W]]:
    """Return a dependency that reads a body; stand it behind the parameter that asks for a key.

    Raises `InvalidRequest`, `InvalidOptions`, `TooLarge`, `UnsupportedMediaType`, `UploadStalled`.
    """

    async def read(request: Request) -> W:
        data = await read_bounded(request, max_bytes)
        if not data:
            raise refused_option("body", "is missing")
        _check_media_type(request)
        return await parsed_in_thread(request, lambda: parsed(kind, parse_object(data)))

    return read


def optional_json_body(kind: type[W], max_bytes: int = MAX_JSON_BYTES) -> Callable[[Request], Awaitable[W]]:
    """Return a dependency like `json_body`'s, for which no body, or null, is an empty object."""

    async def read(request: Request) -> W:
        data = await read_bounded(request, max_bytes)
        if data:
            _check_media_type(request)
        return await parsed_in_thread(
            request, lambda: parsed(kind, {} if data.strip() in (b"", b"null") else parse_object(data))
        )

    return read


def documented_json(kind: type[ApiModel], *, required: bool = True) -> dict[str, Any]:
    """Return ``openapi_extra`` of a route with such a body; `deployments.http.openapi` moves the definitions."""
    schema = schema_of(kind, "#/components/schemas/{model}")
    definitions = schema.pop("$defs", {})
    named = {"$ref": f"#/components/schemas/{kind.__name__}", "$defs": {**definitions, kind.__name__: schema}}
    return {"requestBody": {"required": required, "content": {"application/json": {"schema": named}}}}


def _check_media_type(request: Request) -> None:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json" and not (
        media_type.startswith("application/") and media_type.endswith("+json")
    ):
        raise UnsupportedMediaType("Send application/json.")
