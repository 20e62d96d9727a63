"""An identity provider that people sign in at: OpenID Connect Core 1.0, authorization code flow with PKCE (RFC 7636).

authlib speaks the protocol and joserfc verifies what is signed; here is which answers are believed. The discovery
document must name the configured issuer, and so must the answer (RFC 9207) and the ID token: with a provider that is
taken for another, nothing is redeemed.
"""

import json
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import anyio
import anyio.to_thread
import httpx2
import structlog
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from authlib.oauth2.claims import JWTClaims
from authlib.oidc.core import CodeIDToken
from authlib.oidc.discovery import get_well_known_url
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry

from deployments.auth.jwt import LEEWAY_S, PUBLIC_ALGORITHMS
from deployments.auth.oidc_claims import Person, ProviderRules, groups_in, person_of
from pipelines.errors import ProviderUnavailable, SignInFailed
from pipelines.secret import Secret, revealed

FRESH_S = 600.0
RETRY_S = 2.0  # a provider that is away is not asked for each visitor
TIMEOUT_S = 5.0
MAX_DOCUMENT_BYTES = 1 << 20
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
TEMPORARY = frozenset({"server_error", "temporarily_unavailable"})
"""Errors of a provider (RFC 6749, section 4.1.2.1) that may be over later."""

_REQUIRED = ("authorization_endpoint", "token_endpoint", "jwks_uri")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """A sign-in under way, known to the browser alone: see `deployments.auth.attempt_cookie`.

    ``place`` is the console's page to return to; ``begun_at_s`` are Unix seconds.
    """

    state: str
    nonce: str
    verifier: str
    place: str
    begun_at_s: float


class Provider:
    """Sends people to the provider and believes its answers where they hold. Belongs to one event loop.

    ``redirect_uri`` is where the provider sends them back; ``clock`` gives Unix seconds.
    """

    def __init__(
        self, rules: ProviderRules, secret: Secret, redirect_uri: str, clock: Callable[[], float] = time.time
    ) -> None:
        self.rules = rules
        self._secret = secret
        self._redirect_uri = redirect_uri
        self._clock = clock
        self._metadata: dict[str, Any] = {}
        self._keys: KeySet | None = None
        self._fetched_s = self._failed_s = float("-inf")  # monotonic
        self._lock = anyio.Lock()
        self._tls: ssl.SSLContext | None = None

    async def metadata(self) -> Mapping[str, Any]:
        """Return the discovery document; raises `ProviderUnavailable`."""
        async with self._lock:
            now_s = time.monotonic()
            if now_s - self._fetched_s <= FRESH_S:
                return self._metadata
            if now_s - self._failed_s <= RETRY_S:
                raise _away("did not answer just now")
            try:
                self._metadata = await self._discover()
            except ProviderUnavailable:
                self._failed_s = time.monotonic()
                raise
            self._keys, self._fetched_s = None, time.monotonic()
            return self._metadata

    async def authorization_url(self, attempt: Attempt) -> str:
        """Return where a browser goes to sign in; raises `ProviderUnavailable`."""
        metadata = await self.metadata()
        async with await self._client(metadata) as client:
            url, _ = client.create_authorization_url(
                metadata["authorization_endpoint"],
                state=attempt.state,
                code_verifier=attempt.verifier,
                nonce=attempt.nonce,
            )
        return str(url)

    async def check_issuer(self, told: str | None) -> None:
        """Raise `SignInFailed` for an answer that names another issuer than this one (RFC 9207), or should name one."""
        expected = (await self.metadata()).get("authorization_response_iss_parameter_supported") is True
        if (told is None and expected) or (told is not None and told != self.rules.issuer):
            raise SignInFailed("The answer came from another identity provider than the one that was asked.")

    async def redeem(self, code: str, attempt: Attempt) -> Person:
        """Exchange a code for the person; raises `SignInFailed`, `SignInRefused`, `ProviderUnavailable`."""
        return await self._person(
            attempt.nonce,
            grant_type="authorization_code",
            code=code,
            code_verifier=attempt.verifier,
            redirect_uri=self._redirect_uri,
        )

    async def renew(self, refresh_token: str, subject: str) -> Person:
        """Ask anew who a person is (OpenID Connect Core, section 12); raises as `redeem` does.

        `SignInFailed` also where the provider speaks of another person, or of nobody.
        """
        person = await self._person(None, grant_type="refresh_token", refresh_token=refresh_token)
        if person.subject != subject:
            raise SignInFailed("The identity provider answered for another person.")
        return person if person.refresh_token else replace(person, refresh_token=refresh_token)

    async def logged_out(self, encoded: str) -> tuple[str, str]:
        """Return the subject and the session (either may be empty) that a logout token says are over.

        OpenID Connect Back-Channel Logout 1.0, section 2.6. Raises `SignInFailed`, `ProviderUnavailable`.
        """
        await self.metadata()
        try:
            claims = (await self._decoded(encoded)).claims
            logout = JWTClaims(
                claims,
                {},
                {
                    "iss": {"essential": True, "values": list(self.rules.issuers)},
                    "aud": {"essential": True, "value": self.rules.client_id},
                    "iat": {"essential": True},
                    "exp": {"essential": True},
                },
            )
            logout.validate(now=int(self._clock()), leeway=int(LEEWAY_S))
        except (JoseError, ValueError, TypeError) as error:
            log.warning("logout token refused", action="sign_out", error=repr(error))
            raise SignInFailed(f"The logout token does not hold: {error}.") from None
        named = tuple(value if isinstance(value := claims.get(name), str) else "" for name in ("sub", "sid"))
        events = claims.get("events")
        if not isinstance(events, dict) or LOGOUT_EVENT not in events or "nonce" in claims or not any(named):
            raise SignInFailed("This is no logout token.")
        return named[0], named[1]

    async def logout_url(self, id_token: str | None, back_to: str) -> str | None:
        """Return where a browser goes to sign out at the provider too; None where there is no such place now.

        OpenID Connect RP-Initiated Logout 1.0, section 2.
        """
        try:
            metadata = await self.metadata()
        except ProviderUnavailable:
            return None
        endpoint = metadata.get("end_session_endpoint")
        if not isinstance(endpoint, str) or not is_safe(endpoint):
            return None
        query = {"client_id": self.rules.client_id, "post_logout_redirect_uri": back_to}
        if id_token:
            query["id_token_hint"] = id_token
        return str(httpx2.URL(endpoint).copy_merge_params(query))

    async def _authorities(self) -> ssl.SSLContext:
        """Return the certificates of authorities, read once: that takes a tenth of a second."""
        if self._tls is None:
            self._tls = await anyio.to_thread.run_sync(httpx2.create_ssl_context)
        return self._tls

    async def _client(self, metadata: Mapping[str, Any]) -> AsyncOAuth2Client:
        methods = metadata.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        return AsyncOAuth2Client(
            client_id=self.rules.client_id,
            client_secret=revealed(self._secret),
            scope=" ".join(self.rules.scopes),
            redirect_uri=self._redirect_uri,
            code_challenge_method="S256",
            token_endpoint_auth_method=(
                "client_secret_basic" if "client_secret_basic" in methods else "client_secret_post"
            ),
            timeout=TIMEOUT_S,
            verify=await self._authorities(),
        )

    async def _discover(self) -> dict[str, Any]:
        metadata = await self._document(get_well_known_url(self.rules.issuer, external=True))
        if metadata.get("issuer") != self.rules.issuer:
            raise _away(f"calls itself {str(metadata.get('issuer'))[:200]!r}, not {self.rules.issuer!r}")
        for name in _REQUIRED:
            if not isinstance(metadata.get(name), str) or not is_safe(metadata[name]):
                raise _away(f"names no {name} with https")
        if "S256" not in metadata.get("code_challenge_methods_supported", ["S256"]):
            raise _away("does not know PKCE with S256")
        return metadata

    async def _document(self, url: str) -> dict[str, Any]:
        """Fetch a JSON object of the provider's; raises `ProviderUnavailable`."""
        try:
            async with (
                httpx2.AsyncClient(timeout=TIMEOUT_S, verify=await self._authorities()) as client,
                client.stream("GET", url, headers={"accept": "application/json"}) as answer,
            ):
                answer.raise_for_status()
                body = bytearray()
                async for block in answer.aiter_bytes():
                    body += block
                    if len(body) > MAX_DOCUMENT_BYTES:
                        raise ValueError("the document is too large")
            document = json.loads(body)
            if not isinstance(document, dict):
                raise ValueError("the document is no object")
        except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:
            log.warning("identity provider not reached", action="oidc_document", url=url, error=repr(error))
            raise _away("does not answer") from None
        return document

    async def _person(self, nonce: str | None, **grant: str) -> Person:
        """Get tokens for a grant, and the person of them; ``nonce`` None: there was none."""
        metadata = await self.metadata()
        try:
            async with await self._client(metadata) as client:
                tokens = await client.fetch_token(metadata["token_endpoint"], **grant)
                renewed = nonce is None and "id_token" not in tokens
                claims = {} if renewed else await self._verified(tokens, nonce)
                if groups_in(claims, self.rules.groups_claim) is None and "userinfo_endpoint" in metadata:
                    claims |= await self._more_claims(metadata["userinfo_endpoint"], tokens, claims.get("sub"))
        except OAuthError as error:
            log.warning("tokens refused", action="sign_in", grant=grant["grant_type"], error=repr(error))
            if error.error in TEMPORARY:
                raise _away("cannot answer now") from None
            if error.error in ("invalid_client", "unauthorized_client"):
                raise ProviderUnavailable(
                    "The identity provider does not accept this server's client id and secret."
                ) from None
            raise SignInFailed("The identity provider does not accept this sign-in any more: begin again.") from None
        except (httpx2.HTTPError, ValueError) as error:
            log.warning("identity provider failed", action="sign_in", error=repr(error))
            raise _away("does not answer") from None
        if "sub" not in claims:
            raise SignInFailed("The identity provider does not say who this is.")
        return person_of(claims, self.rules, str(tokens.get("id_token", "")), str(tokens.get("refresh_token") or ""))

    async def _verified(self, tokens: Mapping[str, Any], nonce: str | None) -> dict[str, Any]:
        """Return the claims of an ID token (OpenID Connect Core, section 3.1.3.7); raises `SignInFailed`."""
        rules, encoded = self.rules, tokens.get("id_token")
        known = {"client_id": rules.client_id, "access_token": tokens.get("access_token")}
        if not isinstance(encoded, str):
            raise SignInFailed("The identity provider sent no ID token: the scope openid is needed.")
        try:
            token = await self._decoded(encoded)
            claims = CodeIDToken(
                token.claims,
                token.header,
                {
                    "iss": {"essential": True, "values": list(rules.issuers)},
                    "aud": {"essential": True, "value": rules.client_id},
                    "sub": {"essential": True},
                },
                known if nonce is None else known | {"nonce": nonce},
            )
            claims.validate(now=int(self._clock()), leeway=int(LEEWAY_S))
        except (JoseError, ValueError, TypeError) as error:
            log.warning("ID token refused", action="sign_in", error=repr(error))
            raise SignInFailed(f"The identity provider's answer does not hold: {error}.") from None
        return dict(claims)

    async def _decoded(self, encoded: str) -> jwt.Token:
        """Decode a token with the published keys, which are fetched anew where it names another."""
        # What the provider puts into the header beside the algorithm is not read, so it need not be known.
        registry = JWSRegistry(algorithms=PUBLIC_ALGORITHMS, strict_check_header=False)
        if self._keys is not None:
            try:
                return jwt.decode(encoded, self._keys, registry=registry)
            except InvalidKeyIdError:
                pass
        document = await self._document(str(self._metadata["jwks_uri"]))
        public = [key for key in document.get("keys", []) if isinstance(key, dict) and _can_verify(key)]
        self._keys = KeySet.import_key_set({"keys": public})
        return jwt.decode(encoded, self._keys, registry=registry)

    async def _more_claims(self, url: str, tokens: Mapping[str, Any], subject: str | None) -> dict[str, Any]:
        """Return the claims that the ID token leaves out; those of another subject are refused (Core, 5.3.2).

        ``subject`` None: there was no ID token.
        """
        async with httpx2.AsyncClient(timeout=TIMEOUT_S, verify=await self._authorities()) as client:
            answer = await client.get(url, headers={"authorization": f"Bearer {tokens.get('access_token')}"})
        answer.raise_for_status()
        claims = answer.json()
        if not isinstance(claims, dict) or subject not in (None, claims.get("sub")):
            raise SignInFailed("The identity provider's user info is of another person.")
        return {name: value for name, value in claims.items() if name not in ("iss", "aud", "exp", "iat", "nonce")}


def _can_verify(key: Mapping[str, Any]) -> bool:
    return key.get("kty") in ("RSA", "EC", "OKP") and key.get("use") in (None, "sig")


def is_safe(url: str) -> bool:
    """Return whether nobody can take the place of a server at this URL: https, or on this machine."""
    try:
        parsed = httpx2.URL(url)
    except httpx2.InvalidURL:
        return False
    return parsed.scheme == "https" or (parsed.scheme == "http" and parsed.host in ("127.0.0.1", "::1", "localhost"))


def _away(what: str) -> ProviderUnavailable:
    return ProviderUnavailable(f"The identity provider {what}; API keys go on to work.")
