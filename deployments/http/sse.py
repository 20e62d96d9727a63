"""Server-sent events (HTML Living Standard, section 9.2): their form, comments in silence, and the answer."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping

from fastapi.responses import StreamingResponse

MEDIA_TYPE = "text/event-stream"
KEEP_ALIVE = b": keep-alive\n\n"
_HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}


def event(data: str, *, name: str = "", version: int | None = None) -> bytes:
    """Write an event whose ``data`` is one line; ``version`` is its id, which a client sends as ``Last-Event-ID``."""
    lines = [f"event: {name}"] if name else []
    if version is not None:
        lines.append(f"id: {version}")
    return "\n".join([*lines, f"data: {data}", "", ""]).encode()


async def kept_alive(events: AsyncGenerator[bytes, None], silence_s: float) -> AsyncGenerator[bytes, None]:
    """Pass events on, and a comment whenever none came for ``silence_s`` seconds; nothing is read ahead."""
    while True:
        coming = asyncio.ensure_future(anext(events, None))
        try:
            while not (await asyncio.wait([coming], timeout=silence_s))[0]:
                yield KEEP_ALIVE
        finally:
            coming.cancel()
        found = coming.result()
        if found is None:
            return
        yield found


def event_response(events: AsyncIterator[bytes], headers: Mapping[str, str] | None = None) -> StreamingResponse:
    """Answer with a stream of events that no proxy stores or holds back."""
    return StreamingResponse(events, media_type=MEDIA_TYPE, headers={**(headers or {}), **_HEADERS})
