"""The receiver of webhooks: a server outside the cluster that verifies what it is told, and keeps it."""

import json
import threading
from collections import defaultdict
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook

from deployments.notifications.signing import new_secret


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # as many deliveries may come at once

    def handle_error(self, request: object, client_address: object) -> None:
        """Print nothing of a sender that gave up waiting: it comes again."""


class Receiver:
    """Answers 204 to what is signed with ``secret``, 401 to all else. ``told``: webhook-ids and types by job.

    ``keep`` is called with the id and the message of each, before it is answered. A ``port`` and a ``secret`` are those
    of an earlier receiver that this one takes the place of.
    """

    def __init__(
        self, *, port: int = 0, secret: str = "", keep: Callable[[str, dict[str, Any]], None] | None = None
    ) -> None:
        self.secret = secret or new_secret()
        self._keep = keep
        self.told: dict[str, set[tuple[str, str]]] = defaultdict(set)
        self._lock = threading.Lock()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                self.send_response(204 if receiver.take(dict(self.headers), body) else 401)
                self.end_headers()

            def log_message(self, *args: object) -> None:
                """Nothing: a line per job says nothing."""

        self._server = _Server(("127.0.0.1", port), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def take(self, headers: dict[str, str], body: bytes) -> bool:
        """Keep a message; whether it is genuine."""
        try:
            Webhook(self.secret).verify(body, headers)
        except Exception:
            return False
        message = json.loads(body)
        if self._keep is not None:
            self._keep(headers["webhook-id"], message)
        with self._lock:
            self.told[message["data"]["id"]].add((headers["webhook-id"], message["type"]))
        return True

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
