"""Correlate all work for a request: its id in every log line, its trace across the actors.

``X-Request-ID`` is taken from the client, or made, and goes out with the answer; a W3C ``traceparent`` is carried on.
"""

import re
import secrets

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import Message, Receive, Scope, Send

from deployments.http.asgi import HttpMiddleware, at_start
from deployments.telemetry import tracing
from deployments.telemetry.request_context import RequestContext, serving

HEADER = "X-Request-ID"
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


class Correlation(HttpMiddleware):
    """Gives each request its id, as the outermost ASGI middleware: refusals carry it as well."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        given, parent = headers.get(HEADER, ""), headers.get("traceparent", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(16)

        def add_id(start: Message) -> None:
            MutableHeaders(scope=start)[HEADER] = request_id

        parent = parent if _TRACEPARENT.fullmatch(parent) else ""
        attributes = {"http.request.method": scope["method"], "url.path": scope["path"], "request_id": request_id}
        with (
            tracing.span("request", parent, **attributes) as place,
            serving(RequestContext(request_id=request_id, traceparent=place or parent)),
        ):
            await self._app(scope, receive, at_start(send, add_id))
