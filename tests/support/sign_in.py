"""What signing in takes, over a provider and a store that a test has."""

import time
from collections.abc import Awaitable, Callable

from deployments.auth.group_renewal import GroupRenewal
from deployments.auth.oidc import Provider
from deployments.auth.oidc_claims import Person, ProviderRules
from deployments.auth.roles import Grant, Grants, Role
from deployments.auth.sealing import derived_key
from deployments.auth.sessions import FRESH_S, SessionRules, Sessions
from deployments.auth.visits import VisitLimits, VisitMeter
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
RULES = SessionRules(lifetime_s=8 * 3600.0, idle_s=3600.0, groups_s=2 * 3600.0, refusal=REFUSAL)
MANY_VISITS = VisitLimits(per_address=1000, in_all=1000)
RENEWAL_KEY = derived_key(CLIENT_SECRET, "refresh token")


async def same_groups(refresh_token: str, subject: str) -> Person:
    """The answer of a provider at which nobody joins or leaves."""
    groups = tuple(grant.group for grant in GRANTS)
    return Person(subject=subject, name="", email="", groups=groups, id_token="", refresh_token=refresh_token)


def sessions_over(
    store: SessionStore,
    clock: Callable[[], float] = time.time,
    grants: tuple[Grant, ...] = GRANTS,
    fresh_s: float = FRESH_S,
    ask: Callable[[str, str], Awaitable[Person]] = same_groups,
    rules: SessionRules = RULES,
) -> Sessions:
    """Sessions as another server of the same cluster would have them too."""
    return Sessions(
        store,
        Grants(grants),
        rules,
        key=lambda: derived_key(CLIENT_SECRET, "session rotation"),
        renewal=GroupRenewal(ask=ask, key=lambda: RENEWAL_KEY),
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
    groups_claim: str = "groups",
    visits: VisitLimits = MANY_VISITS,
) -> SignIn:
    """Sign-in at a provider for a server at a public URL."""
    rules = ProviderRules(issuer=issuer, client_id=CLIENT_ID, scopes=scopes, groups_claim=groups_claim, domains=domains)
    provider = Provider(rules, CLIENT_SECRET, f"{public_url}/auth/callback", clock)
    return SignIn(
        provider=provider,
        sessions=sessions_over(store, clock, fresh_s=fresh_s, ask=provider.renew),
        cookies=SessionCookies(public_url=public_url),
        secret=CLIENT_SECRET,
        name=name,
        visits=VisitMeter(visits),
        clock=clock,
    )
