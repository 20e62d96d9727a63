"""Roles of people who sign in, and how the groups of an identity provider give them: `Grants`.

A role is a name for scopes; each has all of the one before. What ``metrics`` and ``admin`` open concerns the whole
cluster, whichever tenant the role is in.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from pipelines.ledger.credentials.api_keys import ALL_SCOPES, JOB_SCOPES, Scope


class Role(StrEnum):
    """A person's role in a tenant, the least first."""

    READER = "reader"
    EDITOR = "editor"
    OPERATOR = "operator"
    ADMINISTRATOR = "administrator"


SCOPES: Mapping[Role, frozenset[Scope]] = MappingProxyType(
    {
        Role.READER: frozenset({Scope.JOBS_READ}),
        Role.EDITOR: JOB_SCOPES,
        Role.OPERATOR: JOB_SCOPES | {Scope.METRICS},
        Role.ADMINISTRATOR: ALL_SCOPES,
    }
)
"""What each role may do."""

EVERYBODY = "*"
"""The group that everybody is in whom the provider lets sign in."""

_RANK = {role: rank for rank, role in enumerate(Role)}


@dataclass(frozen=True, kw_only=True)
class Grant:
    """A role in a tenant for a group of the provider's."""

    group: str
    tenant: str
    role: Role


class Grants:
    """Finds the roles of people by their groups, in the order in which the tenants are first named."""

    def __init__(self, grants: Collection[Grant]) -> None:
        self._grants = tuple(grants)

    def memberships(self, groups: Collection[str]) -> dict[str, Role]:
        """Return the role in each tenant, the highest that a group gives; empty for somebody who has none."""
        mine = {*groups, EVERYBODY}
        found: dict[str, Role] = {}
        for grant in self._grants:
            if grant.group in mine:
                found[grant.tenant] = max(found.get(grant.tenant, grant.role), grant.role, key=_RANK.__getitem__)
        return found

    def relevant(self, groups: Collection[str]) -> tuple[str, ...]:
        """Return the groups that give anything: no others need be kept."""
        named = {grant.group for grant in self._grants}
        return tuple(group for group in dict.fromkeys(groups) if group in named)
