"""HEAD for every address that answers GET: the same status and headers, no body (RFC 9110, section 9.3.2)."""

from http import HTTPStatus

from starlette.types import Message, Receive, Scope, Send

from deployments.http.asgi import HttpMiddleware


class _Told(Exception):
    """The head is sent: the application need not make the rest of the body."""


class HeadRequests(HttpMiddleware):
    """Answers HEAD by the route for GET where there is none for HEAD; a range is no matter of HEAD (section 14.2)."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        refused = False

        async def unless_refused(message: Message) -> None:
            nonlocal refused
            refused = refused or (
                message["type"] == "http.response.start" and message["status"] == HTTPStatus.METHOD_NOT_ALLOWED
            )
            if not refused:
                await send(message)

        await self._app(scope, receive, unless_refused)
        if refused:  # by the router: nothing else answers so, and nothing has been read or done
            await self._answer_as_get(scope, receive, send)

    async def _answer_as_get(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = scope["headers"]
        # The same scope: what handlers leave in it for other middleware must be found.
        scope["method"], scope["headers"] = "GET", [(name, value) for name, value in given if name != b"range"]
        try:
            await self._app(scope, receive, _head_of(send))
        except _Told:
            pass
        finally:
            scope["method"], scope["headers"] = "HEAD", given


def _head_of(send: Send) -> Send:
    """Pass on the beginning of an answer, and end it there; raises `_Told` when a longer body than one block comes."""

    async def send_head(message: Message) -> None:
        if message["type"] == "http.response.start":
            await send(message)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        elif message.get("more_body", False):
            raise _Told

    return send_head
