"""`SignIn`: the identity provider, the sessions and their cookies, which routes and dependencies share."""

from collections.abc import Callable
from dataclasses import dataclass

from fastapi import Request

from deployments.auth.authenticators import Principal
from deployments.auth.oidc import Provider
from deployments.auth.sessions import Sessions, SignedIn
from deployments.auth.visits import VisitMeter
from deployments.http.app_key import AppKey
from deployments.http.middleware.security_headers import set_response_headers
from deployments.http.sessions.cookies import SessionCookies
from deployments.http.sessions.own_page import check_own_page
from pipelines.secret import Secret


@dataclass(frozen=True, kw_only=True)
class SignIn:
    """What signing in with a browser takes; ``name`` is the provider's, for people. ``clock`` gives Unix seconds."""

    provider: Provider
    sessions: Sessions
    cookies: SessionCookies
    secret: Secret
    name: str
    visits: VisitMeter
    clock: Callable[[], float]


SIGN_IN: AppKey[SignIn | None] = AppKey("sign_in")


def count_visit(request: Request, sign_in: SignIn, kind: str) -> None:
    """Count an attempt to sign in or out; raises `Overloaded` for one too many."""
    forwarded = ",".join(request.headers.getlist("x-forwarded-for"))
    peer = request.client.host if request.client else ""
    sign_in.visits.count(kind, sign_in.visits.address_of(peer, forwarded))


async def signed_in(request: Request) -> SignedIn | None:
    """Return the session that a request's cookie names, and have its next token go out with the answer.

    None without a cookie, or where nobody signs in. Raises `CrossSite` for a request that the console did not send,
    `Unauthenticated` for a session that is over, `LedgerUnavailable`.
    """
    sign_in = SIGN_IN.get(request)
    token = sign_in.cookies.session_of(request) if sign_in else None
    if sign_in is None or token is None:
        return None
    check_own_page(request, sign_in.cookies.public_url)
    found = await sign_in.sessions.find(token)
    if found.offered is not None:
        set_response_headers(request, {"set-cookie": sign_in.cookies.session_header(found.offered)})
    return found


async def signed_in_principal(request: Request) -> Principal | None:
    """Return the principal of `signed_in`."""
    found = await signed_in(request)
    return found.principal if found else None
