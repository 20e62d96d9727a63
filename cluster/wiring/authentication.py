"""Build the authenticator, and the host names of this server, by the settings."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from urllib.parse import urlsplit

from cluster.settings.secrets import JWT_SECRET, METRICS_TOKEN, read_secret
from cluster.settings.settings import Settings, is_loopback
from cluster.settings.sources import process_environment
from deployments.auth.api_keys import ApiKeyAuthenticator
from deployments.auth.authenticators import (
    ApiKeyOrJwtAuthenticator,
    Authenticator,
    MetricsTokenAuthenticator,
    NoAuthentication,
)
from deployments.auth.jwt import JwtAuthenticator, JwtRules, PublishedKeys, SharedSecret
from deployments.http.middleware.hosts import LOOPBACK_NAMES, own_names
from pipelines.errors import ConfigurationError
from pipelines.ledger.credentials.api_keys import ApiKey, KeyStore, nobodys_keys

Environment = Callable[[], Mapping[str, str]]


def build_authenticator(
    settings: Settings, keys: KeyStore, env: Environment = process_environment
) -> MetricsTokenAuthenticator:
    """Build the authenticator of the configured mode. Raises `ConfigurationError` for a missing or short secret.

    Secrets are read from ``env`` at each use.
    """
    return MetricsTokenAuthenticator(lambda: read_secret(METRICS_TOKEN, env()) or "", _door(settings, keys, env))


def known_hosts(settings: Settings) -> frozenset[str] | None:
    """Return names that requests may call the endpoint by; None: any, where they bring keys and no names are set."""
    http = settings.http
    if settings.auth.mode != "off" and not http.allowed_hosts:
        return None
    told = {http.host.lower(), urlsplit(http.public_url).hostname or "", *http.allowed_hosts}
    return frozenset(told - {""}) | LOOPBACK_NAMES | (frozenset() if is_loopback(http.host) else own_names())


def _door(settings: Settings, keys: KeyStore, env: Environment) -> Authenticator:
    if settings.auth.mode == "off":
        return NoAuthentication()
    if settings.auth.mode == "keys":
        return ApiKeyAuthenticator(keys)
    tokens = JwtAuthenticator(
        _signing_keys(settings, env),
        JwtRules(
            issuer=settings.auth.jwt_issuer,
            audience=settings.auth.jwt_audience,
            tenant_claim=settings.auth.jwt_tenant_claim,
            scope_claim=settings.auth.jwt_scope_claim,
        ),
    )
    return (
        tokens
        if settings.auth.mode == "jwt"
        else ApiKeyOrJwtAuthenticator(keys=ApiKeyAuthenticator(keys), tokens=tokens)
    )


def _signing_keys(settings: Settings, env: Environment) -> SharedSecret | PublishedKeys:
    secret = read_secret(JWT_SECRET, env())
    if settings.auth.jwks_url and secret is not None:
        raise ConfigurationError(f"auth.jwks_url and {JWT_SECRET} are both set; tokens are signed in one way only.")
    if settings.auth.jwks_url:
        return PublishedKeys(settings.auth.jwks_url)
    if secret is None:
        raise ConfigurationError(f"auth.mode is {settings.auth.mode}: set auth.jwks_url or {JWT_SECRET}(_FILE).")
    return SharedSecret(lambda: read_secret(JWT_SECRET, env()) or "")


def complaints_about_keys(keys: Iterable[ApiKey]) -> Iterator[str]:
    """Say, a line for each, which keys open nothing because their tenant has a reserved name, and how to mend it."""
    for key in nobodys_keys(keys, time.time()):
        yield (
            f"API key {key.id} is refused: its tenant {key.tenant!r} has a reserved name. Make one of another tenant "
            f"(`meetmemo keys create --tenant NAME`) and end this one (`meetmemo keys revoke {key.id}`)."
        )
