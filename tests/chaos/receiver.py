"""The receiver of webhooks: a server outside the cluster that verifies what it is told, and keeps it."""

import json
import threading
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks import Webhook

from deployments.notifications.signing import new_secret


class Receiver:
    """Answers 204 to what is signed with ``secret``, 401 to all else. ``told``: webhook-ids and types by job."""

    def __init__(self) -> None:
        self.secret = new_secret()
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

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/hook"

    def take(self, headers: dict[str, str], body: bytes) -> bool:
        """Keep a message; whether it is genuine."""
        try:
            Webhook(self.secret).verify(body, headers)
        except Exception:
            return False
        message = json.loads(body)
        with self._lock:
            self.told[message["data"]["id"]].add((headers["webhook-id"], message["type"]))
        return True

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
