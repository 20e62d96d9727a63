"""What signing in takes, over a provider and a store that a test has."""

import time
from collections.abc import Callable

from deployments.auth.attempt_cookie import derived_key
from deployments.auth.oidc import Provider, ProviderRules
from deployments.auth.roles import Grant, Grants, Role
from deployments.auth.sessions import FRESH_S, SessionRules, Sessions
from deployments.http.sessions.cookies import SessionCookies
from deployments.http.sessions.sign_in import SignIn
from pipelines.ledger.credentials.sessions import SessionStore
from tests.servers.oidc_provider import CLIENT_ID, CLIENT_SECRET

REFUSAL = "Ask the help desk for the group listeners."
GRANTS = (
    Grant(group="listeners", tenant="acme", role=Role.READER),
    Grant(group="writers", tenant="acme", role=Role.EDITOR),
    Grant(group="writers", tenant="lab", role=Role.READER),
    Grant(group="admins", tenant="acme", role=Role.ADMINISTRATOR),
)
RULES = SessionRules(lifetime_s=8 * 3600.0, idle_s=3600.0, refusal=REFUSAL)


def sessions_over(
    store: SessionStore,
    clock: Callable[[], float] = time.time,
    grants: tuple[Grant, ...] = GRANTS,
    fresh_s: float = FRESH_S,
) -> Sessions:
    """Sessions as another server of the same cluster would have them too."""
    return Sessions(
        store,
        Grants(grants),
        RULES,
        key=lambda: derived_key(CLIENT_SECRET, "session rotation"),
        clock=clock,
        fresh_s=fresh_s,
    )


def sign_in_at(
    issuer: str,
    public_url: str,
    store: SessionStore,
    *,
    clock: Callable[[], float] = time.time,
    domains: tuple[str, ...] = (),
    scopes: tuple[str, ...] = ("openid", "profile", "email", "groups"),
    name: str = "Acme",
    fresh_s: float = FRESH_S,
) -> SignIn:
    """Sign-in at a provider for a server at a public URL."""
    rules = ProviderRules(issuer=issuer, client_id=CLIENT_ID, scopes=scopes, groups_claim="groups", domains=domains)
    return SignIn(
        provider=Provider(rules, CLIENT_SECRET, f"{public_url}/auth/callback", clock),
        sessions=sessions_over(store, clock, fresh_s=fresh_s),
        cookies=SessionCookies(public_url=public_url),
        secret=CLIENT_SECRET,
        name=name,
        clock=clock,
    )
