"""``meetmemo drain``: what it asks the endpoint."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from cluster.client.drain import drain_cluster


class Endpoint(ThreadingHTTPServer):
    """Counts requests by method; each GET finds one job fewer in hand."""

    def __init__(self, n_live: int) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.n_live = n_live
        self.asked: list[str] = []


class Handler(BaseHTTPRequestHandler):
    """Answers as ``/v1/admin/drain`` does."""

    server: Endpoint

    def do_POST(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self.server.n_live -= 1
        self._answer()

    def _answer(self) -> None:
        self.server.asked.append(f"{self.command} {self.path}")
        body = json.dumps({"draining": True, "refusing": True, "live_jobs": self.server.n_live}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with Endpoint(3) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


async def test_it_asks_once_and_then_only_looks(endpoint: Endpoint) -> None:
    """Every POST is a write to the ledger: there is one, however long the wait."""
    url = f"http://127.0.0.1:{endpoint.server_address[1]}"
    assert await drain_cluster(url, timeout_s=30, refuse=True, round_s=0.001) == 0
    assert endpoint.asked == ["POST /v1/admin/drain?refuse=true", *["GET /v1/admin/drain"] * 3]


async def test_it_tells_what_is_left(endpoint: Endpoint) -> None:
    """Without time to wait it says how many jobs are in hand."""
    assert await drain_cluster(f"http://127.0.0.1:{endpoint.server_address[1]}", timeout_s=0) == 3
