"""JSON bodies: read once the sender is known, bounded, parsed and checked in a thread.

A parser holds the interpreter's lock from its first byte to the last, so that a thread alone keeps nobody from waiting:
what keeps it short are the bounds on bytes, objects and names. Depth is bounded by the parser itself.
"""

import codecs
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import anyio
import anyio.to_thread
from pydantic_core import from_json
from starlette.requests import Request

from deployments.limits import IngestionLimits
from deployments.schemas import Wire, parsed, refused_option
from deployments.submission import content_length
from deployments.uploads import body_of
from pipelines.errors import InvalidRequest, MeetMemoError, TooLarge, UnsupportedMediaType

MAX_JSON_BYTES = 1 << 20
MAX_CONTAINERS = 200_000  # objects and lists; 4 MiB of empty ones are 1.4 million, and take 100 MB
MAX_COLONS = 400_000  # at least as many as names in all objects together
MAX_NAMES = 128  # in one object; each that is unknown is an error to describe
PARSERS = 2
"""Threads that parse at once, and with that how many bodies are in memory as objects that nobody has checked yet."""

W = TypeVar("W", bound=Wire)


def parse_json(data: bytes, what: str = "The body") -> Any:
    """Parse JSON (RFC 8259) of bounded size; blocks. Raises `InvalidRequest`, which calls the data ``what``."""
    if data.count(b"{") + data.count(b"[") > MAX_CONTAINERS or data.count(b":") > MAX_COLONS:
        raise InvalidRequest(f"{what} holds too many values: {MAX_CONTAINERS} objects and lists at most.")
    try:
        value = from_json(data.removeprefix(codecs.BOM_UTF8), allow_inf_nan=False)
    except ValueError as error:
        raise InvalidRequest(f"{what} is not JSON: {error}") from None
    if _most_names(value) > MAX_NAMES:
        raise InvalidRequest(f"{what} has an object with more than {MAX_NAMES} names.")
    return value


def parse_object(data: bytes, what: str = "The body") -> dict[str, Any]:
    """As `parse_json`, for what must be an object."""
    value = parse_json(data, what)
    if not isinstance(value, dict):
        raise InvalidRequest(f"{what} is no JSON object.")
    return value


async def read_bounded(request: Request, max_bytes: int, too_large: MeetMemoError | None = None) -> bytes:
    """A body that is held in memory; raises ``too_large`` as soon as it is, `UploadStalled`, `InvalidRequest`."""
    refusal = too_large or TooLarge(f"The body may have {max_bytes} bytes at most.")
    length = content_length(request.headers)
    if length is not None and length > max_bytes:
        raise refusal
    data = bytearray()
    limits: IngestionLimits = request.app.state.backend.limits
    async for block in body_of(request.stream(), length, limits.pace):
        data += block
        if len(data) > max_bytes:
            raise refusal
    return bytes(data)


async def parsed_in_thread(request: Request, parse: Callable[[], W]) -> W:
    """Parse a request's JSON, a few at once in the whole process."""
    threads: anyio.CapacityLimiter = request.app.state.json_parsers
    return await anyio.to_thread.run_sync(parse, limiter=threads)


def json_body(kind: type[W], max_bytes: int = MAX_JSON_BYTES) -> Callable[[Request], Awaitable[W]]:
    """A dependency that reads a body; stand it behind the parameter that asks for a key.

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
    """As `json_body`; no body, or null, is an empty object."""

    async def read(request: Request) -> W:
        data = await read_bounded(request, max_bytes)
        if data:
            _check_media_type(request)
        return await parsed_in_thread(
            request, lambda: parsed(kind, {} if data.strip() in (b"", b"null") else parse_object(data))
        )

    return read


def documented_json(kind: type[Wire], *, required: bool = True) -> dict[str, Any]:
    """``openapi_extra`` of a route with such a body; `deployments.api_docs` moves the definitions to the others."""
    schema = kind.model_json_schema(ref_template="#/components/schemas/{model}")
    definitions = schema.pop("$defs", {})
    named = {"$ref": f"#/components/schemas/{kind.__name__}", "$defs": {**definitions, kind.__name__: schema}}
    return {"requestBody": {"required": required, "content": {"application/json": {"schema": named}}}}


def _check_media_type(request: Request) -> None:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json" and not (
        media_type.startswith("application/") and media_type.endswith("+json")
    ):
        raise UnsupportedMediaType("Send application/json.")


def _most_names(value: Any) -> int:
    """How many names the object with the most of them has, however deep it lies."""
    most, waiting = 0, [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            most = max(most, len(item))
            item = item.values()
        elif not isinstance(item, list):
            continue
        waiting.extend(part for part in item if isinstance(part, dict | list))
    return most
