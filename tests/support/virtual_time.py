"""An event loop whose clock jumps to the next timer when nothing is left to do: hours of waiting take no time.

Only for programs without sockets and processes. Work for threads runs at once, in the loop.
"""

import asyncio
import functools
import math
import selectors
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

import httpx

P = ParamSpec("P")
T = TypeVar("T")


class _JumpingSelector(selectors.DefaultSelector):
    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout:
            # At least one step: at large times a short timeout is lost in rounding, and the clock would stand still.
            self.now_s = max(self.now_s + timeout, math.nextafter(self.now_s, math.inf))
        elif timeout is None:
            raise RuntimeError("nothing will ever happen: the program waits for something outside its loop")
        return super().select(0)


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """The loop; `time` starts at 0."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def pass_time(self, seconds: float) -> None:
        """Let time pass while nothing else is done, as during work for a thread that takes long."""
        self._jumping.now_s += seconds

    def time(self) -> float:
        return self._jumping.now_s

    def run_in_executor(  # type: ignore[override]  # its generics would say no more
        self, executor: Any, func: Any, *args: Any
    ) -> Any:
        done = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:
            done.set_exception(error)
        return done


def run_in_virtual_time(program: Coroutine[Any, Any, T]) -> tuple[T, float]:
    """Run a program to its end; returns its result and how many virtual seconds it took."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        result = runner.run(program)
        return result, runner.get_loop().time()


def in_virtual_time(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run an async test in virtual time. Its fixtures, which run before, must not need a loop."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        run_in_virtual_time(test(*args, **kwargs))

    return run


class AsgiStream(httpx.AsyncBaseTransport):
    """Calls an ASGI application in the same loop and streams its answer (httpx's own transport waits for its end)."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = await request.aread()
        sent: asyncio.Queue[dict[str, Any] | BaseException] = asyncio.Queue()
        scope = {
            "type": "http",
            "method": request.method,
            "path": request.url.path,
            "headers": [(name.lower(), value) for name, value in request.headers.raw],
        }

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def serve() -> None:
            try:
                await self._app(scope, receive, sent.put)
            except ConnectionError as error:
                await sent.put(error)

        task = asyncio.create_task(serve())
        start = await sent.get()
        if isinstance(start, BaseException):
            raise httpx.RemoteProtocolError("the line was dropped", request=request)
        return httpx.Response(start["status"], headers=start["headers"], stream=_Body(task, sent, request))


class _Body(httpx.AsyncByteStream):
    def __init__(
        self, task: asyncio.Task[None], sent: "asyncio.Queue[dict[str, Any] | BaseException]", request: httpx.Request
    ) -> None:
        self._task = task
        self._sent = sent
        self._request = request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            message = await self._sent.get()
            if isinstance(message, BaseException):
                raise httpx.ReadError("the line was dropped", request=self._request)
            yield message["body"]
            if not message["more_body"]:
                return

    async def aclose(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
