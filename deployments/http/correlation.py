"""ASGI middleware that ties a request to all that is done for it, by an id in each log line and a trace.

``X-Request-ID`` is taken from the client, or made, and answered with; a W3C ``traceparent`` is carried on.
"""

import re
import secrets

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deployments.telemetry import tracing
from deployments.telemetry.request_context import CURRENT, RequestContext

HEADER = "X-Request-ID"


_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")


_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


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
            token = CURRENT.set(RequestContext(request_id=request_id, traceparent=place or parent))
            try:
                with structlog.contextvars.bound_contextvars(request_id=request_id):
                    await self._app(scope, receive, answer)
            finally:
                CURRENT.reset(token)
