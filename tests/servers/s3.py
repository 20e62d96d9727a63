"""An S3 server, and a proxy before it that misbehaves on demand."""

import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum, auto
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal

import httpx
from moto.server import ThreadedMotoServer


@contextmanager
def s3_server(host: str = "127.0.0.1") -> Iterator[int]:
    """Run moto's server, empty; yields its port on ``host``. All servers of a process share one set of buckets."""
    server = ThreadedMotoServer(ip_address=host, port=0, verbose=False)
    server.start()
    port = server.get_host_and_port()[1]
    try:
        httpx.post(f"http://{host}:{port}/moto-api/reset").raise_for_status()
        yield port
    finally:
        server.stop()


HANG_S = 3.0
SLOW_S = 0.3


class Fault(Enum):
    """What the proxy does to a request."""

    ERROR_500 = auto()  # answers 500 in place of the server
    RESET = auto()  # closes the connection without an answer
    TRUNCATE = auto()  # passes on half of the body, then closes the connection
    CORRUPT = auto()  # flips the bits of the body's first byte
    CORRUPT_REQUEST = auto()  # the same to the body of the request
    HANG = auto()  # does nothing for `HANG_S`, then closes the connection
    SLOW = auto()  # passes on after `SLOW_S`
    LOST_ANSWER = auto()  # the server does what is asked, and nobody hears of it


Conditions = Literal["passed on", "dropped", "refused"]
"""What becomes of ``If-Match`` and ``If-None-Match``: some stores ignore them, others answer 501."""


class FaultyProxy:
    """Passes requests on to 127.0.0.1:``upstream``, the next ``n_faults`` of them with ``fault``.

    ``methods`` limits the faults to some HTTP methods.
    """

    def __init__(self, upstream: int) -> None:
        self.fault = Fault.ERROR_500
        self.n_faults = 0
        self.methods: tuple[str, ...] = ("GET", "PUT", "POST", "HEAD", "DELETE")
        self.faulted: set[tuple[str, str]] = set()
        self.conditions: Conditions = "passed on"
        self._each_first: Fault | None = None
        self._upstream = upstream
        self._lock = threading.Lock()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one_request(self) -> None:
                try:
                    super().handle_one_request()
                except ConnectionError:
                    self.close_connection = True

            def pass_on(self) -> None:
                proxy.pass_on(self)

            do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = pass_on

            def log_message(self, format: str, *args: object) -> None:
                """Tests fail by assertions, not by logs."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> "FaultyProxy":
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def misbehave(self, fault: Fault, n_faults: int, methods: tuple[str, ...] = ("GET", "PUT", "POST", "HEAD")) -> None:
        """Apply ``fault`` to the next ``n_faults`` requests."""
        with self._lock:
            self.fault, self.n_faults, self.methods = fault, n_faults, methods

    @contextmanager
    def failing_first(self, fault: Fault, methods: tuple[str, ...]) -> Iterator[None]:
        """Within the block the first request of each method and target fails, and its repetitions succeed.

        ``faulted`` holds them, also afterwards.
        """
        with self._lock:
            self.faulted, self._each_first, self.methods = set(), fault, methods
        try:
            yield
        finally:
            with self._lock:
                self._each_first = None

    def _next_fault(self, method: str, target: str) -> Fault | None:
        with self._lock:
            if method not in self.methods:
                return None
            if self._each_first is not None:
                if (method, target) in self.faulted:
                    return None
                self.faulted.add((method, target))
                return self._each_first
            if self.n_faults == 0:
                return None
            self.n_faults -= 1
            return self.fault

    def pass_on(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        target = f"{request.path} {request.headers.get('Range', '')}"
        fault = self._next_fault(request.command, target)
        headers = dict(request.headers.items())
        conditional = [name for name in headers if name.lower() in ("if-match", "if-none-match")]
        if conditional and self.conditions == "refused":
            _answer(request, 501, b"<Error><Code>NotImplemented</Code></Error>")
            return
        if self.conditions == "dropped":
            headers = {name: value for name, value in headers.items() if name not in conditional}
        if fault is Fault.HANG:
            time.sleep(HANG_S)
        if fault is Fault.SLOW:
            time.sleep(SLOW_S)
        if fault in (Fault.RESET, Fault.HANG):
            request.close_connection = True
            return
        if fault is Fault.ERROR_500:
            _answer(request, 500)
            return
        if fault is Fault.CORRUPT_REQUEST and body:
            body = bytes([body[0] ^ 0xFF]) + body[1:]
        upstream = http.client.HTTPConnection("127.0.0.1", self._upstream, timeout=60)
        try:
            upstream.request(request.command, request.path, body=body, headers=headers)
            reply = upstream.getresponse()
            data = reply.read()
        finally:
            upstream.close()
        if fault is Fault.LOST_ANSWER:
            request.close_connection = True
            return
        if fault is Fault.CORRUPT and data:
            data = bytes([data[0] ^ 0xFF]) + data[1:]
        request.send_response(reply.status)
        for name, value in reply.getheaders():
            if name.lower() not in ("transfer-encoding", "content-length", "connection", "server", "date"):
                request.send_header(name, value)
        length = reply.getheader("Content-Length") if request.command == "HEAD" else str(len(data))
        request.send_header("Content-Length", length or "0")
        request.end_headers()
        if fault is Fault.TRUNCATE:
            data = data[: len(data) // 2]
            request.close_connection = True
        if request.command != "HEAD":
            request.wfile.write(data)


def _answer(request: BaseHTTPRequestHandler, status: int, body: bytes = b"") -> None:
    request.send_response(status)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)
