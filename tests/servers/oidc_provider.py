"""A real OpenID Connect provider: ``oidc-provider`` for Node, which is certified by the OpenID Foundation."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.servers import free_port
from tests.support.foreign_clients import ForeignClients

CLIENT_ID = "meetmemo"
CLIENT_SECRET = "the provider and this server know it"
PEOPLE: Mapping[str, Mapping[str, Any]] = {
    "rita": {"name": "Rita Reader", "email": "rita@acme.example", "groups": ["listeners"]},
    "emil": {"name": "Emil Editor", "email": "emil@acme.example", "groups": ["writers", "sports"]},
    "ada": {"name": "Ada Admin", "email": "ada@acme.example", "groups": ["writers", "admins"]},
    "nemo": {"name": "Nemo Nobody", "email": "nemo@acme.example", "groups": ["sports"]},
}
"""People by the login that the provider's page asks for; their password is anything."""


class OidcProvider:
    """A provider that sends people back to ``public_url``; `start`, then sign in, then `stop`.

    Each start makes new keys, and forgets who was signed in.
    """

    def __init__(self, packages: ForeignClients, log: Path, public_url: str) -> None:
        """Run it with ``packages``; what it tells goes to the file ``log``."""
        self.port = free_port()
        self.issuer = f"http://127.0.0.1:{self.port}"
        self._packages, self._log = packages, log
        self._given = {
            "port": self.port,
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "redirect_uri": f"{public_url}/auth/callback",
            "back_to": f"{public_url}/",
            "people": PEOPLE,
        }
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start it, and wait until it listens."""
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                self._packages.command("oidc_provider.mjs", json.dumps(self._given)),
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self._process.stdout is not None
        if "listening" not in self._process.stdout.readline():
            raise AssertionError(self._log.read_text()[-2000:])

    def stop(self) -> None:
        """Stop it at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(timeout=60)
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None
