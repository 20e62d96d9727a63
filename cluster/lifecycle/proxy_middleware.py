"""What stands before Ray's own proxy where there is no HAProxy: the same that `haproxy_launcher` has HAProxy do.

Ray calls `middlewares` in the process of each proxy, by the path in RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH.
"""

from starlette.middleware import Middleware
from starlette.types import Message, Receive, Scope, Send

from cluster.lifecycle.haproxy_launcher import METHODS, NOT_IMPLEMENTED, UNKNOWN_METHOD
from deployments.http.asgi import HttpMiddleware, at_start
from deployments.http.errors.problems import answer
from deployments.http.middleware.correlation import HEADER
from pipelines.errors import MethodNotAllowed


class ProxyFront(HttpMiddleware):
    """Refuses methods that no address takes, before Ray's metrics count them; of two request ids it leaves the first.

    Ray's proxy appends an id of its own to an answer that has ours.
    """

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] not in METHODS:
            refusal = answer(MethodNotAllowed(UNKNOWN_METHOD[1]), scope["path"])
            refusal.status_code = NOT_IMPLEMENTED
            await refusal(scope, receive, send)
            return
        await self._app(scope, receive, at_start(send, _leave_first_id))


def middlewares() -> list[Middleware]:
    """Return what Ray puts around its proxy."""
    return [Middleware(ProxyFront)]


def _leave_first_id(start: Message) -> None:
    name = HEADER.lower().encode()
    first = next((item for item in start["headers"] if item[0].lower() == name), None)
    start["headers"] = [item for item in start["headers"] if item[0].lower() != name or item is first]
