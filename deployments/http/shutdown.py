"""The end of an endpoint's process: requests that it cannot finish are answered, not torn."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import structlog
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deployments.http.asgi import HttpMiddleware, at_start
from deployments.http.errors.openai import speaks_openai, speech_error
from deployments.http.errors.problems import answer, problem_of
from deployments.http.sse import MEDIA_TYPE as EVENTS
from deployments.http.sse import event
from pipelines.errors import ReplicaLost

ANSWER_S = 3.0
"""Before its process is killed a request gets its answer: time to clean up, and for the answer to arrive."""

log = structlog.get_logger(__name__)


class Shutdown:
    """Ends what is under way shortly before the process ends. Belongs to the event loop that `running` was entered in.

    `begin` may be called from any thread, several times: the first call counts.
    """

    def __init__(self) -> None:
        self.over = False
        self._under_way: set[asyncio.Timeout] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._begun = threading.Lock()

    def begin(self, left_s: float) -> None:
        """Say that the process is killed after ``left_s`` seconds."""
        if self._loop is not None and self._begun.acquire(blocking=False):
            self._loop.call_soon_threadsafe(self._loop.call_later, max(0.0, left_s - ANSWER_S), self._end)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Let `begin` work for as long as the context lasts."""
        self._loop = asyncio.get_running_loop()
        try:
            yield
        finally:
            self._loop = None

    @contextmanager
    def ending(self, limit: asyncio.Timeout) -> Iterator[None]:
        """Let a limit expire when the end has come."""
        self._under_way.add(limit)
        try:
            yield
        finally:
            self._under_way.discard(limit)

    def _end(self) -> None:
        self.over = True
        if self._under_way:
            log.warning("requests ended", action="shutdown", n_requests=len(self._under_way))
        for limit in self._under_way:
            limit.reschedule(asyncio.get_running_loop().time())


class AnswerAtShutdown(HttpMiddleware):
    """Answers 503 with ``Retry-After`` for requests that cannot be finished, and ends streams of events.

    A stream in OpenAI's dialect ends with an error; others end as they are, which tells their clients to come again.
    Other answers that have begun are cut off, so that nobody takes a part for the whole.
    """

    def __init__(self, app: ASGIApp, shutdown: Shutdown) -> None:
        super().__init__(app)
        self._shutdown = shutdown

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = ReplicaLost("The process that worked on the request is being replaced; send it again.")
        if self._shutdown.over:
            await answer(refusal, scope["path"])(scope, receive, send)
            return
        begun: Headers | None = None

        def note(start: Message) -> None:
            nonlocal begun
            begun = Headers(raw=start["headers"])

        limit = asyncio.timeout(None)
        try:
            async with limit:
                with self._shutdown.ending(limit):
                    await self._app(scope, receive, at_start(send, note))
        except TimeoutError:
            if not limit.expired():
                raise
            if begun is None:
                await answer(refusal, scope["path"])(scope, receive, send)
            elif begun.get("content-type", "").startswith(EVENTS):
                await send({"type": "http.response.body", "body": _last_event(refusal, scope["path"])})
            else:
                raise


def _last_event(refusal: ReplicaLost, path: str) -> bytes:
    if not speaks_openai(path):
        return b""
    return event(speech_error(problem_of(refusal)).model_dump_json(), name="error")
