"""An OpenID Connect provider that says what the test tells it, right or wrong, signed with keys that it publishes."""

import base64
import functools
import hashlib
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from fastapi import FastAPI, Request
from starlette.responses import JSONResponse, Response

from tests.servers.oidc_provider import CLIENT_ID, CLIENT_SECRET


@functools.cache
def _key(number: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


class ScriptedProvider:
    """Serves discovery, keys, tokens and user info as `app`; attributes change what it says.

    ``claims`` go into the ID token over the right ones, None takes one out. ``userinfo`` None: there is none.
    ``refresh_token`` is the one that tokens come with and the only one that is good; empty: there is none.
    """

    def __init__(self) -> None:
        self.issuer = ""
        self.metadata: dict[str, Any] = {}
        self.claims: dict[str, Any] = {}
        self.userinfo: dict[str, Any] | None = None
        self.token_error: tuple[int, Any] | None = None
        self.away = False
        self.clock: Callable[[], float] = time.time
        self.clock_error_s = 0.0
        self.n_discoveries = 0
        self.n_key_fetches = 0
        self.asked: dict[str, str] = {}  # the last request to the token endpoint
        self.algorithm = "RS256"
        self.refresh_token = ""
        self.renews_id_token = True
        self.n_renewals = 0
        self._challenges: dict[str, tuple[str, str]] = {}
        self._n_keys = 0
        self.new_key()
        self.app = self._routes()

    def new_key(self) -> None:
        """Sign with another key from now on, and publish only that."""
        self._n_keys += 1
        self.key = _key(self._n_keys)
        self.key_id = f"key-{self._n_keys}"

    def grant(self, authorization: dict[str, str]) -> str:
        """Do what happens when a person agrees to an authorization request: return a code."""
        code = f"code-{len(self._challenges)}"
        self._challenges[code] = (authorization["code_challenge"], authorization["nonce"])
        return code

    def logout_token(self, **claims: Any) -> str:
        """Sign a logout token; None takes a claim out."""
        now_s = int(self.clock())
        right = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "iat": now_s,
            "exp": now_s + 120,
            "jti": "one",
            "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
        }
        told = {name: value for name, value in {**right, **claims}.items() if value is not None}
        return jwt.encode(told, self.key, algorithm="RS256", headers={"kid": self.key_id, "typ": "logout+jwt"})

    def id_token(self, nonce: str | None) -> str:
        """Sign an ID token."""
        now_s = int(self.clock() + self.clock_error_s)
        right = {"iss": self.issuer, "aud": CLIENT_ID, "sub": "emil", "nonce": nonce, "iat": now_s, "exp": now_s + 300}
        claims = {**right, "name": "Emil Editor", "groups": ["writers"], **self.claims}
        claims = {name: value for name, value in claims.items() if value is not None}
        if self.algorithm == "none":
            return jwt.encode(claims, "", algorithm="none")
        if self.algorithm == "HS256":  # with what everybody knows
            return jwt.encode(claims, CLIENT_SECRET.ljust(32, "."), algorithm="HS256", headers={"kid": self.key_id})
        return jwt.encode(claims, self.key, algorithm=self.algorithm, headers={"kid": self.key_id})

    def _renewed(self) -> Response:
        """Answer to a refresh token; the next one is another, as with providers that rotate them."""
        if not self.refresh_token or self.asked["refresh_token"] != self.refresh_token:
            return JSONResponse({"error": "invalid_grant"}, 400)
        self.n_renewals += 1
        self.refresh_token = f"refresh-{self.n_renewals}"
        return JSONResponse(self._tokens() | ({"id_token": self.id_token(None)} if self.renews_id_token else {}))

    def _tokens(self) -> dict[str, Any]:
        tokens = {"access_token": "opaque", "token_type": "Bearer", "expires_in": 300}
        return tokens | ({"refresh_token": self.refresh_token} if self.refresh_token else {})

    def _routes(self) -> FastAPI:
        app = FastAPI()

        @app.middleware("http")
        async def unless_away(request: Request, follow: Any) -> Response:
            return Response("<h1>maintenance</h1>", 503) if self.away else await follow(request)

        @app.get("/.well-known/openid-configuration")
        async def discovery() -> dict[str, Any]:
            self.n_discoveries += 1
            return {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/jwks",
                "end_session_endpoint": f"{self.issuer}/logout",
                **({"userinfo_endpoint": f"{self.issuer}/me"} if self.userinfo is not None else {}),
                **self.metadata,
            }

        @app.get("/jwks")
        async def keys() -> dict[str, Any]:
            self.n_key_fetches += 1
            public = jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
            return {"keys": [{**public, "kid": self.key_id, "use": "sig"}]}

        @app.post("/token")
        async def token(request: Request) -> Response:
            self.asked = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
            if self.token_error is not None:
                status, body = self.token_error
                return JSONResponse(body, status)
            if self.asked["grant_type"] == "refresh_token":
                return self._renewed()
            challenge, nonce = self._challenges.pop(self.asked["code"], ("", ""))
            verifier = hashlib.sha256(self.asked["code_verifier"].encode()).digest()
            if challenge != base64.urlsafe_b64encode(verifier).decode().rstrip("="):
                return JSONResponse({"error": "invalid_grant"}, 400)
            return JSONResponse({**self._tokens(), "id_token": self.id_token(nonce)})

        @app.get("/me")
        async def me() -> dict[str, Any]:
            return self.userinfo or {}

        return app
