"""What ties a request to all that is done for it: its id in every log line, its trace across the actors.

Ingestion takes ``X-Request-ID`` from the client, or makes one, and answers with it; a W3C ``traceparent`` is carried
on. Both are kept with the job, so that they reach whatever works for it, also after a restart.
"""

import re
import secrets
from contextvars import ContextVar
from dataclasses import dataclass

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deployments import tracing

HEADER = "X-Request-ID"
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


@dataclass(frozen=True, kw_only=True)
class Origin:
    """The request that brought something: its id, and its place in a trace ("" where there is none)."""

    request_id: str = ""
    traceparent: str = ""


_ORIGIN: ContextVar[Origin | None] = ContextVar("origin", default=None)


def came_from() -> Origin:
    """The request that is being served; an empty one outside of any."""
    return _ORIGIN.get() or Origin()


class Correlation:
    """ASGI middleware: outermost, so that also refusals carry the id."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given, parent = headers.get(HEADER, ""), headers.get("traceparent", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(16)

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[HEADER] = request_id
            await send(message)

        parent = parent if _TRACEPARENT.fullmatch(parent) else ""
        attributes = {"http.request.method": scope["method"], "url.path": scope["path"], "request_id": request_id}
        with tracing.span("request", parent, **attributes) as place:
            token = _ORIGIN.set(Origin(request_id=request_id, traceparent=place or parent))
            try:
                with structlog.contextvars.bound_contextvars(request_id=request_id):
                    await self._app(scope, receive, answer)
            finally:
                _ORIGIN.reset(token)
