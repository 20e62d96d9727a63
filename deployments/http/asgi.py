"""Pure ASGI middleware: what each of them would write again."""

from abc import ABC, abstractmethod
from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class HttpMiddleware(ABC):
    """Handles HTTP requests as ASGI middleware; other scopes go straight to the application behind it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        handle = self.handle if scope["type"] == "http" else self._app
        await handle(scope, receive, send)

    @abstractmethod
    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or have the application behind answer it."""


def at_start(send: Send, look: Callable[[Message], None]) -> Send:
    """Show the beginning of an answer, with its status and headers, to ``look`` before it is sent."""

    async def looked_at(message: Message) -> None:
        if message["type"] == "http.response.start":
            look(message)
        await send(message)

    return looked_at
