"""The person whom an identity provider's claims describe, in the forms that providers are known to send.

- Keycloak: roles within an object (``realm_access.roles``), groups as paths (``/team``) or names.
- Entra ID: ``roles`` and ``groups`` as lists; for people in too many groups ``_claim_names`` or ``hasgroups`` instead.
- Google: no groups; ``hd`` is the Workspace domain.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deployments.auth.jwt import MAX_SUBJECT_CHARS
from pipelines.errors import SignInRefused

MAX_GROUPS = 10_000
GOOGLE = "https://accounts.google.com"


@dataclass(frozen=True, kw_only=True)
class ProviderRules:
    """The provider, this application's name there, and the claims that are read.

    ``groups_claim`` names a claim, or with dots a place within one. ``domains`` are those that a person's account must
    belong to, empty: any.
    """

    issuer: str
    client_id: str
    scopes: tuple[str, ...]
    groups_claim: str
    domains: tuple[str, ...] = ()

    @property
    def issuers(self) -> tuple[str, ...]:
        """Return how the provider may call itself in a token: Google leaves out the scheme at times."""
        return (self.issuer, GOOGLE.removeprefix("https://")) if self.issuer == GOOGLE else (self.issuer,)


@dataclass(frozen=True, kw_only=True)
class Person:
    """Who signed in, as the provider says.

    ``id_token`` is a hint for signing out there, ``refresh_token`` gets the groups anew, ``provider_session`` is what
    the provider calls the session; all may be empty.
    """

    subject: str
    name: str
    email: str
    groups: tuple[str, ...]
    id_token: str
    refresh_token: str = ""
    provider_session: str = ""


def person_of(claims: Mapping[str, Any], rules: ProviderRules, id_token: str, refresh_token: str) -> Person:
    """Return the person of verified claims; raises `SignInRefused` for one whom the provider cannot describe."""
    _check_domain(claims, rules)
    given = groups_in(claims, rules.groups_claim)
    if given is None and _has_too_many(claims, rules.groups_claim):
        raise SignInRefused("You are in too many groups for the identity provider to tell: use roles instead.")
    groups = [given] if isinstance(given, str) else given if isinstance(given, list) else []
    names = (claims.get(name) for name in ("name", "preferred_username", "email", "sub"))
    return Person(
        subject=str(claims["sub"])[:MAX_SUBJECT_CHARS],
        name=next(name for name in names if isinstance(name, str) and name)[:MAX_SUBJECT_CHARS],
        email=str(claims.get("email") or "")[:MAX_SUBJECT_CHARS],
        groups=tuple(group for group in groups if isinstance(group, str))[:MAX_GROUPS],
        id_token=id_token,
        refresh_token=refresh_token,
        provider_session=str(claims.get("sid") or "")[:MAX_SUBJECT_CHARS],
    )


def groups_in(claims: Mapping[str, Any], name: str) -> Any:
    """Return what stands under a claim's name, or under its parts, one within the other; None where nothing does."""
    if name in claims:  # names that are URLs have dots too
        return claims[name]
    found: Any = claims
    for part in name.split("."):
        if not isinstance(found, Mapping) or part not in found:
            return None
        found = found[part]
    return found


def _has_too_many(claims: Mapping[str, Any], name: str) -> bool:
    """Return whether Entra ID tells only that there are groups: more than 200, or any at all in some flows."""
    elsewhere = claims.get("_claim_names")
    return (isinstance(elsewhere, Mapping) and name in elsewhere) or (
        name == "groups" and str(claims.get("hasgroups", "")).lower() == "true"
    )


def _check_domain(claims: Mapping[str, Any], rules: ProviderRules) -> None:
    """Raise `SignInRefused` for an account of no domain that is allowed.

    An address counts once the provider has verified it. Google verifies addresses of accounts that anybody may
    make; only ``hd`` says that a company made it.
    """
    if not rules.domains:
        return
    domain = claims.get("hd")
    if domain is None and rules.issuer != GOOGLE and claims.get("email_verified") is True:
        domain = str(claims.get("email", "")).rpartition("@")[2]
    if str(domain or "").lower() not in rules.domains:
        raise SignInRefused("Your account belongs to none of the domains that may sign in here.")
