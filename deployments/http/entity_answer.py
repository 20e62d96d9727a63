"""Answers with a stored entity: whole, a range of it, or that the client has it already. Nothing is held in memory."""

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Header, Response
from fastapi.responses import StreamingResponse

from deployments.http.conditional import byte_range, matches, range_applies
from deployments.http.errors.documentation import documented
from deployments.http.openapi import binary_answer
from deployments.tenant.jobs import ResultStream
from pipelines.errors import RangeNotSatisfiable, Reason


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """The headers of a request that say which part of an entity it wants, and unless which."""

    range: str | None = None
    if_range: str | None = None
    if_none_match: str | None = None


async def _wanted(
    range: Annotated[str | None, Header(description="One range of bytes; several are answered with all.")] = None,
    if_range: Annotated[str | None, Header()] = None,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Wanted:
    return Wanted(range=range, if_range=if_range, if_none_match=if_none_match)


Part = Annotated[Wanted, Depends(_wanted)]
"""The part of an entity that a request wants."""


def entity_answer(found: ResultStream, wanted: Wanted, media_type: str, headers: Mapping[str, str]) -> Response:
    """Answer 200 with all of an entity, 206 with a part, or 304; closes the stream at the end.

    Raises `RangeNotSatisfiable` (416).
    """
    known = {**headers, "etag": found.etag, "accept-ranges": "bytes", "x-content-type-options": "nosniff"}
    if wanted.if_none_match and matches(wanted.if_none_match, found.etag):
        found.close()
        return Response(status_code=304, headers=known)
    try:
        part = byte_range(wanted.range, found.n_bytes) if range_applies(wanted.if_range, found.etag) else None
    except RangeNotSatisfiable:
        found.close()
        raise
    if part is None:
        known["content-length"] = str(found.n_bytes)
        return StreamingResponse(found.blocks(), media_type=media_type, headers=known)
    known["content-length"] = str(len(part))
    known["content-range"] = f"bytes {part.start}-{part.stop - 1}/{found.n_bytes}"
    blocks = found.blocks(part.start, len(part))
    return StreamingResponse(blocks, status_code=206, media_type=media_type, headers=known)


def bytes_answer(content: bytes, wanted: Wanted, media_type: str, headers: Mapping[str, str]) -> Response:
    """Answer likewise with what was made for this request."""
    digest = hashlib.sha256(content).hexdigest()
    found = ResultStream(stream=io.BytesIO(content), n_bytes=len(content), etag=f'"{digest[:32]}"')
    return entity_answer(found, wanted, media_type, headers)


def documented_entity(description: str, *media_types: str) -> dict[int | str, dict[str, Any]]:
    """Return the answers of a route that `entity_answer` answers."""
    return {
        200: binary_answer(description, *media_types),
        206: binary_answer("The range asked for.", *media_types),
        304: {"description": "The entity is the one named in `If-None-Match`."},
        **documented(Reason.RANGE_NOT_SATISFIABLE),
    }


CLIP_MEDIA_TYPE = "audio/wav"
CLIP_ANSWERS = documented_entity("16 kHz mono, its peak raised to full scale.", CLIP_MEDIA_TYPE)
