"""Authenticate requests: an `Authenticator` turns the token of a request into a `Principal`.

A route names the scope it needs by one of the annotations in `deployments.http.dependencies`.
"""

import hmac
from dataclasses import dataclass
from typing import Protocol

from pipelines.audit import USER
from pipelines.ledger.credentials.api_keys import ALL_SCOPES as ALL_SCOPES
from pipelines.ledger.credentials.api_keys import Scope as Scope
from pipelines.ledger.credentials.api_keys import key_id_of
from pipelines.secret import Secret, revealed

DEFAULT_TENANT = "default"


@dataclass(frozen=True, kw_only=True)
class Principal:
    """The tenant behind a request, with its scopes; ``key_id`` names the credential in logs without revealing it.

    ``actor`` says who acts, for records that are kept: ``key:ID``, ``jwt:SUBJECT`` or ``user:SUBJECT``, never given to
    another; "" where nobody is asked. ``name`` is for people to read, and may change.
    """

    tenant: str
    scopes: frozenset[Scope]
    key_id: str = ""
    actor: str = ""
    name: str = ""

    @property
    def acting(self) -> str:
        """Who acts, for the audit log: the actor, or the credential's id where it has none."""
        return self.actor or self.key_id

    @property
    def author(self) -> str:
        """What stands beside a correction: a person's name, the id of any other credential."""
        return self.name if self.name and self.actor.startswith(USER) else self.key_id


class Authenticator(Protocol):
    """Knows principals by their tokens."""

    async def authenticate(self, token: str | None) -> Principal:
        """Return whose token this is, None where a request brings none; raises `Unauthenticated`."""


class NoAuthentication:
    """Lets every request in as the one tenant, with all scopes."""

    def __init__(self, tenant: str = DEFAULT_TENANT) -> None:
        self._everybody = Principal(tenant=tenant, scopes=ALL_SCOPES)

    async def authenticate(self, token: str | None) -> Principal:
        """Return the one tenant's principal, whatever the token."""
        return self._everybody


class ApiKeyOrJwtAuthenticator:
    """Takes API keys and JSON Web Tokens; a key is known by its form."""

    def __init__(self, *, keys: Authenticator, tokens: Authenticator) -> None:
        self._keys = keys
        self._tokens = tokens

    async def authenticate(self, token: str | None) -> Principal:
        """Ask the one that knows this kind of token."""
        return await (self._tokens if token and key_id_of(token) is None else self._keys).authenticate(token)


class MetricsTokenAuthenticator:
    """Authenticates Prometheus by a token of its own, everybody else by the authenticator behind.

    A token of "" lets nobody in.
    """

    def __init__(self, token: Secret, behind: Authenticator) -> None:
        self._token = token
        self.behind = behind

    async def authenticate(self, token: str | None) -> Principal:
        """Let the scraper read metrics and nothing else."""
        wanted = revealed(self._token)
        if token and wanted and hmac.compare_digest(token.encode("utf-8", "replace"), wanted.encode()):
            return Principal(tenant="", scopes=frozenset({Scope.METRICS}), key_id="metrics", actor="metrics")
        return await self.behind.authenticate(token)
