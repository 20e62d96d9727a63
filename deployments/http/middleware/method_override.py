"""``X-HTTP-Method-Override`` for resumable uploads (tus 1.0): some proxies let only GET and POST through."""

from starlette.types import Receive, Scope, Send

from deployments.http.asgi import HttpMiddleware

HEADER = b"x-http-method-override"
UPLOADS = "/v1/uploads"
_OVERRIDES = frozenset({"PATCH", "DELETE", "HEAD", "OPTIONS"})


class MethodOverride(HttpMiddleware):
    """Takes a POST to an upload for the method that the header names; others go on as they came."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "POST" and f"{scope['path']}/".startswith(f"{UPLOADS}/"):
            named = [value.decode("latin-1").strip().upper() for name, value in scope["headers"] if name == HEADER]
            if len(named) == 1 and named[0] in _OVERRIDES:
                scope = {**scope, "method": named[0]}
        await self._app(scope, receive, send)
