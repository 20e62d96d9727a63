"""Headers of every response: for the security of browsers, and those that a request's handlers set."""

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from deployments.http.asgi import HttpMiddleware, at_start

_KEY = "answer_headers"
SAFE = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
DATA_POLICY = "default-src 'none'; frame-ancestors 'none'"
PAGE_POLICY = (
    "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


def set_response_headers(request: Request, headers: dict[str, str]) -> None:
    """Have headers go out with the answer to this request, an error too."""
    request.scope.setdefault(_KEY, {}).update(headers)


class AnswerHeaders(HttpMiddleware):
    """Adds what is missing; what an answer says itself stands."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        def add(start: Message) -> None:
            headers = MutableHeaders(scope=start)
            is_page = headers.get("content-type", "").startswith("text/html")
            policy = PAGE_POLICY if is_page else DATA_POLICY
            for name, value in {**SAFE, "content-security-policy": policy, **scope.get(_KEY, {})}.items():
                headers.setdefault(name, value)

        await self._app(scope, receive, at_start(send, add))
