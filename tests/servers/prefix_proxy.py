"""A reverse proxy that serves another server under a path prefix, as nginx with `location /stt/` does."""

import contextlib
import http.client
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

PREFIX = "/stt"
_OF_THIS_HOP = {"connection", "keep-alive", "transfer-encoding"}


@contextlib.contextmanager
def prefix_proxy(behind: str, port: int) -> Iterator[str]:
    """Serve the server at the URL ``behind`` under `PREFIX` on ``port``; yields the URL with the prefix."""
    target = urlsplit(behind)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass_on(self) -> None:
            with contextlib.suppress(OSError):  # the client has gone, or the server behind stops
                self._answer()
                return
            self.close_connection = True

        def _answer(self) -> None:
            if not self.path.startswith(PREFIX):
                self.send_error(404)
                return
            made = http.client.HTTPConnection(str(target.hostname), target.port, timeout=600)
            with contextlib.closing(made) as connection:
                self._told(connection)

        def _told(self, connection: http.client.HTTPConnection) -> None:
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _OF_THIS_HOP}
            connection.request(self.command, self.path.removeprefix(PREFIX) or "/", self._body(), headers)
            answer = connection.getresponse()
            body = answer.read()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in _OF_THIS_HOP | {"content-length"}:
                    self.send_header(name, value)
            length = answer.getheader("content-length") if self.command == "HEAD" else str(len(body))
            self.send_header("content-length", length or "0")
            self.end_headers()
            self.wfile.write(body)

        def _body(self) -> bytes:
            if self.headers.get("transfer-encoding", "").lower() != "chunked":
                return self.rfile.read(int(self.headers.get("content-length") or 0))
            blocks = []
            while n_bytes := int(self.rfile.readline().split(b";")[0], 16):
                blocks.append(self.rfile.read(n_bytes))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(blocks)

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _pass_on

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{port}{PREFIX}"
        server.shutdown()
        thread.join()
