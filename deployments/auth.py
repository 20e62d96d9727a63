"""Who asks: `Principal`, and the one dependency that every protected route is reached through.

A route names the scope it needs by one of the annotations in `deployments.access`; the application's `Doorkeeper`
turns the token of a request into a principal.
"""

import asyncio
import hmac
from dataclasses import dataclass
from typing import Annotated, Protocol

from fastapi import Depends, Request
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes

from deployments.answer_headers import leave
from deployments.http.browser_guard import is_misdirected
from deployments.rate import RateMeter
from pipelines.credentials import ALL_SCOPES as ALL_SCOPES
from pipelines.credentials import Scope as Scope
from pipelines.credentials import key_id_of
from pipelines.errors import Forbidden, MeetMemoError, Unauthenticated

DEFAULT_TENANT = "default"
INSPECTION_TIMEOUT_S = 3.0  # a ledger that hangs must not hang those who ask whether it does


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


class EitherDoor:
    """Takes API keys and JSON Web Tokens; a key is known by its form."""

    def __init__(self, *, keys: Doorkeeper, tokens: Doorkeeper) -> None:
        self._keys = keys
        self._tokens = tokens

    async def admit(self, token: str | None) -> Principal:
        """Ask the one that knows this kind of token."""
        return await (self._tokens if token and key_id_of(token) is None else self._keys).admit(token)


class ScraperDoor:
    """Lets Prometheus in by a token of its own, everybody else by the door behind."""

    def __init__(self, token: str, behind: Doorkeeper) -> None:
        self._token = token.encode()
        self._behind = behind

    async def admit(self, token: str | None) -> Principal:
        """The scraper may read metrics and nothing else."""
        if token and hmac.compare_digest(token.encode("utf-8", "replace"), self._token):
            return Principal(tenant="", scopes=frozenset({Scope.METRICS}), key_id="metrics")
        return await self._behind.admit(token)


_BEARER = HTTPBearer(scheme_name="bearer", auto_error=False, description="An API key or a JWT.")
_API_KEY = APIKeyHeader(name="X-API-Key", scheme_name="api_key", auto_error=False, description="An API key.")


async def authorized(
    request: Request,
    needed: SecurityScopes,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)],
    api_key: Annotated[str | None, Depends(_API_KEY)],
) -> Principal:
    """The principal of a request; counts the request against its tenant's rate.

    Raises `Unauthenticated`, `Overloaded` beyond the rate, `Forbidden` when a needed scope is not the principal's.
    """
    token = bearer.credentials if bearer else None
    if api_key is not None and token is not None and api_key != token:
        raise Unauthenticated("Authorization and X-API-Key name different keys; send one of them.")
    doorkeeper: Doorkeeper = request.app.state.doorkeeper
    principal = await doorkeeper.admit(token if token is not None else api_key)
    meter: RateMeter = request.app.state.meter
    headers, refusal = meter.charge(principal.tenant)
    leave(request, headers)
    if refusal is not None:
        raise refusal
    for scope in needed.scopes:
        if scope not in principal.scopes:
            raise Forbidden(f"This needs the scope {scope}, which the key does not have.", scope)
    return principal


async def inspects(request: Request) -> bool:
    """Whether whoever asks may see what concerns the whole cluster; nobody is refused, and nothing is counted.

    For routes that are open to all and tell some more. Somebody whose key cannot be looked up now sees no more either,
    nor does anybody who calls this server by a name that is not its own.
    """
    if is_misdirected(request):
        return False
    doorkeeper: Doorkeeper = request.app.state.doorkeeper
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    token = bearer.strip() if scheme.lower() == "bearer" else request.headers.get("x-api-key")
    try:
        async with asyncio.timeout(INSPECTION_TIMEOUT_S):
            principal = await doorkeeper.admit(token or None)
    except (MeetMemoError, TimeoutError):
        return False
    return bool(principal.scopes & {Scope.METRICS, Scope.ADMIN})
