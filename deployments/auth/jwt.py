"""`JwtAuthenticator`: lets in who brings a JSON Web Token (RFC 7519) that an identity provider signed.

Which algorithms count is decided here by the kind of key, never by the token: with a shared secret only HS256, with
published keys (JWKS, RFC 7517) only signatures that the published half cannot make.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import anyio
import httpx
import jwt
import structlog

from deployments.auth.authenticators import Principal
from pipelines.errors import ConfigurationError, OptionError, TimedOut, Unauthenticated
from pipelines.ledger.credentials.api_keys import Scope, checked_tenant
from pipelines.secret import Secret, revealed

SHARED_ALGORITHMS = ("HS256",)
PUBLIC_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
MIN_SECRET_BYTES = 32  # RFC 7518, section 3.2: as long as the hash
LEEWAY_S = 30.0
JWKS_FRESH_S = 600.0
JWKS_RETRY_S = 30.0  # a token may name any key; the provider is not asked for each
JWKS_TIMEOUT_S = 5.0
MAX_JWKS_BYTES = 1 << 20
MAX_TOKEN_CHARS = 16_384
MAX_SUBJECT_CHARS = 255  # OpenID Connect Core, section 2
TOKEN_TYPES = frozenset({"", "jwt", "at+jwt"})  # RFC 9068; the same keys sign tokens of logout, events and more

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class JwtRules:
    """Required claims of a token; an issuer or audience of "" is not checked.

    Only a secret that no other application shares can do without them.
    """

    issuer: str = ""
    audience: str = ""
    tenant_claim: str = "tenant"
    scope_claim: str = "scope"


class SharedSecret:
    """Verifies by a secret of provider and server. Raises `ConfigurationError` for one that can be guessed."""

    algorithms = SHARED_ALGORITHMS

    def __init__(self, secret: Secret) -> None:
        self._secret = secret
        self._checked()

    async def key_for(self, token: str) -> Any:
        """Return the one key there is; raises `Unauthenticated` while the secret cannot be used."""
        try:
            return await anyio.to_thread.run_sync(self._checked)
        except ConfigurationError as error:
            log.error("no secret to verify tokens with", action="jwt_secret", detail=str(error))
            raise Unauthenticated("Tokens cannot be verified now.") from None

    def _checked(self) -> str:
        secret = revealed(self._secret)
        if len(secret.encode()) < MIN_SECRET_BYTES:
            raise ConfigurationError(f"The secret of JSON Web Tokens must have {MIN_SECRET_BYTES} bytes at least.")
        return secret


class PublishedKeys:
    """Fetches the keys that a provider publishes when they are needed. Belongs to one event loop."""

    algorithms = PUBLIC_ALGORITHMS

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme != "https" and parts.hostname not in ("127.0.0.1", "::1", "localhost"):
            raise ConfigurationError(f"auth.jwks_url must be an https URL, not {url!r}.")
        self._url = url
        self._keys: Mapping[str | None, Any] = {}
        self._fetched_s = self._tried_s = float("-inf")  # monotonic
        self._lock = anyio.Lock()

    async def key_for(self, token: str) -> Any:
        """Return the key a token names; raises `Unauthenticated` for an unknown one, `TimedOut` if none can be had."""
        name = jwt.get_unverified_header(token).get("kid")
        async with self._lock:
            now_s = time.monotonic()
            stale = now_s - self._fetched_s > JWKS_FRESH_S or name not in self._keys
            if stale and now_s - self._tried_s > JWKS_RETRY_S:
                self._tried_s = now_s
                await self._fetch()
        if name in self._keys:
            return self._keys[name]
        if not self._keys:
            raise TimedOut("The keys of the identity provider cannot be fetched; try again in a minute.")
        raise Unauthenticated("The token names a key that the identity provider does not publish.")

    async def _fetch(self) -> None:
        try:
            async with httpx.AsyncClient(timeout=JWKS_TIMEOUT_S) as client, client.stream("GET", self._url) as answer:
                answer.raise_for_status()
                body = bytearray()
                async for block in answer.aiter_bytes():
                    body += block
                    if len(body) > MAX_JWKS_BYTES:
                        raise ValueError("the set of keys is too large")
            found = {key.key_id: key.key for key in jwt.PyJWKSet.from_json(body.decode()).keys if _is_public(key)}
        except (httpx.HTTPError, ValueError, jwt.PyJWTError) as error:
            log.warning("keys of the identity provider not fetched", action="jwks", error=repr(error))
            return
        self._keys, self._fetched_s = found, time.monotonic()


def _is_public(key: jwt.PyJWK) -> bool:
    return key.key_type in ("RSA", "EC", "OKP") and key.public_key_use in (None, "sig")


class JwtAuthenticator:
    """Authenticates tokens that are signed with one of ``keys`` and say what ``rules`` ask."""

    def __init__(self, keys: SharedSecret | PublishedKeys, rules: JwtRules) -> None:
        self._keys = keys
        self._rules = rules

    async def authenticate(self, token: str | None) -> Principal:
        """Return whose token this is; raises `Unauthenticated`."""
        if not token:
            raise Unauthenticated("Send a JSON Web Token: Authorization: Bearer ….")
        rules = self._rules
        if len(token) > MAX_TOKEN_CHARS:
            raise Unauthenticated("The token is too long.")
        try:
            _check_type(token)
            claims = jwt.decode(
                token,
                await self._keys.key_for(token),
                algorithms=list(self._keys.algorithms),
                issuer=rules.issuer or None,
                audience=rules.audience or None,
                leeway=LEEWAY_S,
                options={
                    "require": ["exp", *(["iss"] if rules.issuer else []), *(["aud"] if rules.audience else [])],
                    "verify_aud": bool(rules.audience),
                },
            )
        except (jwt.PyJWTError, TypeError, ValueError) as error:  # a key of the wrong kind raises the latter two
            raise Unauthenticated(f"The token is not accepted: {error}.") from None
        try:
            tenant = checked_tenant(str(claims.get(rules.tenant_claim, "")))
        except OptionError:
            raise Unauthenticated(f"The token's claim {rules.tenant_claim!r} names no tenant.") from None
        subject = str(claims.get("sub", ""))
        return Principal(
            tenant=tenant,
            scopes=_scopes(claims.get(rules.scope_claim)),
            key_id=f"jwt:{subject[:64]}",
            actor=f"jwt:{subject[:MAX_SUBJECT_CHARS]}",
            name=str(claims.get("name", ""))[:MAX_SUBJECT_CHARS],
        )


def _check_type(token: str) -> None:
    """Refuse a token that says it is for something else (RFC 8725, section 3.11); raises `jwt.InvalidTokenError`."""
    kind = jwt.get_unverified_header(token).get("typ", "")
    if not isinstance(kind, str) or kind.lower().removeprefix("application/") not in TOKEN_TYPES:
        raise jwt.InvalidTokenError("its type is not that of an access token")


def _scopes(claim: object) -> frozenset[Scope]:
    """Parse scopes from a claim as OAuth writes it (RFC 8693, section 4.2) or a list; unknown ones grant nothing."""
    names = claim.split() if isinstance(claim, str) else claim if isinstance(claim, list) else []
    return frozenset(Scope(name) for name in names if isinstance(name, str) and name in set(Scope))
