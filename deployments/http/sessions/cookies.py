"""Cookies of people who sign in.

HttpOnly keeps them from scripts, ``Secure`` (where the public URL is https) from networks, ``SameSite=Strict`` from
other sites' pages. See docs/decisions/sessions.md.
"""

from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from deployments.auth.attempt_cookie import LIFETIME_S, cookie_suffix

MAX_HINT_CHARS = 3500  # browsers keep 4096 bytes of a cookie with its name and attributes


@dataclass(frozen=True, kw_only=True)
class SessionCookies:
    """Sets and reads cookies of a server at ``public_url``, which may have a path.

    On https their names say that nobody on the way and no neighbouring host has set them (RFC 6265bis, 4.1.3).
    """

    public_url: str

    @property
    def base(self) -> str:
        """The console's address without a slash at its end."""
        return self.public_url.rstrip("/")

    @property
    def session_name(self) -> str:
        """Name of the cookie that holds a session's token."""
        return f"{self._prefix(host=self._path == '/')}meetmemo_session"

    def set_session(self, response: Response, token: str) -> None:
        """Have the browser keep a token until it is closed or the session is over."""
        self._set(response, self.session_name, token, path=self._path, same_site="strict")

    def session_header(self, token: str) -> str:
        """Return the header ``Set-Cookie`` that replaces a token."""
        carrier = Response()
        self.set_session(carrier, token)
        return carrier.headers["set-cookie"]

    def session_of(self, request: Request) -> str | None:
        """Return the token that a request brings."""
        return request.cookies.get(self.session_name)

    def set_hint(self, response: Response, id_token: str) -> None:
        """Have the browser keep the ID token for signing out at the provider; one that is too long is left out."""
        if len(id_token) <= MAX_HINT_CHARS:
            self._set(response, self._hint, id_token, path=self._under("/auth/logout"), same_site="strict")

    def hint_of(self, request: Request) -> str | None:
        """Return the ID token that a request to sign out brings."""
        return request.cookies.get(self._hint)

    def set_attempt(self, response: Response, state: str, sealed: str) -> None:
        """Have the browser keep a sign-in for a while. It must come along when the provider sends the browser back."""
        name, path = self._attempt(state), self._under("/auth/callback")
        self._set(response, name, sealed, path=path, same_site="lax", max_age=int(LIFETIME_S))

    def attempt_of(self, request: Request, state: str) -> str | None:
        """Return the sealed sign-in that a request brings."""
        return request.cookies.get(self._attempt(state))

    def drop_attempt(self, response: Response, state: str) -> None:
        """Have the browser forget a sign-in: it can be completed once."""
        self._set(response, self._attempt(state), "", path=self._under("/auth/callback"), same_site="lax", max_age=0)

    def drop_session(self, response: Response) -> None:
        """Have the browser forget the session."""
        self._set(response, self.session_name, "", path=self._path, same_site="strict", max_age=0)
        self._set(response, self._hint, "", path=self._under("/auth/logout"), same_site="strict", max_age=0)

    @property
    def _is_https(self) -> bool:
        return urlsplit(self.public_url).scheme == "https"

    @property
    def _path(self) -> str:
        return urlsplit(self.base).path or "/"

    @property
    def _hint(self) -> str:
        return f"{self._prefix()}meetmemo_hint"

    def _attempt(self, state: str) -> str:
        return f"{self._prefix()}meetmemo_sign_in_{cookie_suffix(state)}"

    def _prefix(self, *, host: bool = False) -> str:
        if not self._is_https:
            return ""
        return "__Host-" if host else "__Secure-"

    def _under(self, path: str) -> str:
        return urlsplit(self.base).path + path

    def _set(
        self,
        response: Response,
        name: str,
        value: str,
        *,
        path: str,
        same_site: Literal["strict", "lax"],
        max_age: int | None = None,
    ) -> None:
        response.set_cookie(
            name, value, max_age=max_age, path=path, secure=self._is_https, httponly=True, samesite=same_site
        )
