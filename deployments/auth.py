"""Who asks: `Principal`, and the one dependency that every protected route is reached through.

A route names the scope it needs by one of the annotations in `deployments.access`; the application's `Doorkeeper`
turns the token of a request into a principal.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Protocol

from fastapi import Depends, Request
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes

from pipelines.errors import Forbidden, Unauthenticated

DEFAULT_TENANT = "default"


class Scope(StrEnum):
    """What a principal may do within its tenant; ``metrics`` and ``admin`` concern the whole cluster."""

    JOBS_READ = "jobs:read"
    JOBS_WRITE = "jobs:write"
    METRICS = "metrics"
    ADMIN = "admin"


ALL_SCOPES = frozenset(Scope)


@dataclass(frozen=True, kw_only=True)
class Principal:
    """Whose request it is; ``key_id`` names the credential in logs and reveals nothing of it."""

    tenant: str
    scopes: frozenset[Scope]
    key_id: str = ""


class Doorkeeper(Protocol):
    """Knows principals by their tokens."""

    async def admit(self, token: str | None) -> Principal:
        """Whose token this is, None where a request brings none; raises `Unauthenticated`."""


class OpenDoor:
    """Authentication switched off: everybody is the one tenant and may do everything."""

    def __init__(self, tenant: str = DEFAULT_TENANT) -> None:
        self._everybody = Principal(tenant=tenant, scopes=ALL_SCOPES)

    async def admit(self, token: str | None) -> Principal:
        """Whatever a request brings, it is let in."""
        return self._everybody


_BEARER = HTTPBearer(scheme_name="bearer", auto_error=False, description="An API key or a JWT.")
_API_KEY = APIKeyHeader(name="X-API-Key", scheme_name="api_key", auto_error=False, description="An API key.")


async def authorized(
    request: Request,
    needed: SecurityScopes,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)],
    api_key: Annotated[str | None, Depends(_API_KEY)],
) -> Principal:
    """The principal of a request; raises `Unauthenticated`, and `Forbidden` when a needed scope is not its own."""
    token = bearer.credentials if bearer else None
    if api_key is not None and token is not None and api_key != token:
        raise Unauthenticated("Authorization and X-API-Key name different keys; send one of them.")
    doorkeeper: Doorkeeper = request.app.state.doorkeeper
    principal = await doorkeeper.admit(token if token is not None else api_key)
    for scope in needed.scopes:
        if scope not in principal.scopes:
            raise Forbidden(f"This needs the scope {scope}, which the key does not have.", scope)
    return principal
