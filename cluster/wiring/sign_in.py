"""Build what signing in at an identity provider takes, by the settings, and ask whether the provider is there."""

import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import anyio

from cluster.settings.secrets import OIDC_SECRET, read_secret
from cluster.settings.settings import Settings
from cluster.settings.sources import process_environment, secret_named
from deployments.auth.attempt_cookie import MIN_SECRET_CHARS
from deployments.auth.group_renewal import GroupRenewal
from deployments.auth.oidc import Provider
from deployments.auth.oidc_claims import ProviderRules
from deployments.auth.roles import Grant, Grants
from deployments.auth.sealing import derived_key
from deployments.auth.sessions import SessionRules, Sessions
from deployments.auth.visits import VisitLimits, VisitMeter
from deployments.http.routes.people.sign_in import CALLBACK_PATH
from deployments.http.sessions.cookies import SessionCookies
from deployments.http.sessions.sign_in import SignIn
from pipelines.errors import ConfigurationError
from pipelines.ledger.open import connect_sessions


def build_provider(settings: Settings) -> Provider:
    """Build the provider's client. Raises `ConfigurationError` for a missing or short client secret."""
    oidc = settings.oidc
    secret = read_secret(OIDC_SECRET, process_environment()) or ""
    if len(secret) < MIN_SECRET_CHARS:
        raise ConfigurationError(
            f"oidc.issuer needs the client secret, of {MIN_SECRET_CHARS} characters at least, in {OIDC_SECRET}(_FILE)."
        )
    rules = ProviderRules(
        issuer=oidc.issuer,
        client_id=oidc.client_id,
        scopes=oidc.scopes,
        groups_claim=oidc.groups_claim,
        domains=oidc.domains,
    )
    return Provider(rules, secret_named(OIDC_SECRET), redirect_uri(settings))


def redirect_uri(settings: Settings) -> str:
    """Return where the provider sends people back, which it has to know."""
    return settings.http.public_url.rstrip("/") + CALLBACK_PATH


def ask_provider(settings: Settings) -> Mapping[str, Any]:
    """Return the provider's discovery document. Blocks; raises `ConfigurationError`, `ProviderUnavailable`."""
    provider = build_provider(settings)
    return anyio.run(provider.metadata)


def build_sign_in(settings: Settings) -> SignIn | None:
    """Build it; None where no provider is configured. Raises `ConfigurationError`."""
    oidc = settings.oidc
    if not oidc.issuer:
        return None
    provider, secret = build_provider(settings), secret_named(OIDC_SECRET)
    sessions = Sessions(
        connect_sessions(settings.ledger_url),
        Grants([Grant(group=grant.group, tenant=grant.tenant, role=grant.role) for grant in oidc.grants]),
        SessionRules(
            lifetime_s=oidc.lifetime_h * 3600,
            idle_s=oidc.idle_h * 3600,
            groups_s=oidc.groups_h * 3600,
            refusal=oidc.refusal,
        ),
        key=lambda: derived_key(secret, "meetmemo session rotation"),
        renewal=GroupRenewal(ask=provider.renew, key=lambda: derived_key(secret, "meetmemo refresh token")),
    )
    return SignIn(
        provider=provider,
        sessions=sessions,
        cookies=SessionCookies(public_url=settings.http.public_url),
        secret=secret,
        visits=VisitMeter(
            VisitLimits(
                per_address=oidc.sign_ins_per_min_address,
                in_all=oidc.sign_ins_per_min,
                n_proxies=settings.http.n_proxies,
            )
        ),
        name=oidc.name or urlsplit(oidc.issuer).hostname or oidc.issuer,
        clock=time.time,
    )
