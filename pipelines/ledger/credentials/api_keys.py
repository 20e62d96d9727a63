"""API keys: what they look like, what is kept of them, and the store that keeps it.

A key is ``mm_<id>_<secret>`` with 256 random bits of secret. It is shown once, when it is made; the store holds its
SHA-256. A slow hash would add nothing: the secret cannot be guessed.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from pipelines.audit import AuditAction, Deed, Doer, ObjectKind
from pipelines.errors import OptionError
from pipelines.storage.layout import RESERVED_TENANTS, is_tenant

PREFIX = "mm"
MAX_NAME_CHARS = 100
_TOKEN = re.compile(rf"{PREFIX}_([0-9a-f]{{16}})_[A-Za-z0-9_-]{{43}}")


class Scope(StrEnum):
    """A right of a principal within its tenant; ``metrics`` and ``admin`` concern the whole cluster."""

    JOBS_READ = "jobs:read"
    JOBS_WRITE = "jobs:write"
    METRICS = "metrics"
    ADMIN = "admin"


ALL_SCOPES = frozenset(Scope)
JOB_SCOPES = frozenset({Scope.JOBS_READ, Scope.JOBS_WRITE})


@dataclass(frozen=True, kw_only=True)
class ApiKey:
    """The record of a key; times are Unix seconds."""

    id: str
    digest: str
    tenant: str
    scopes: frozenset[Scope]
    name: str
    created_at_s: float
    expires_at_s: float | None = None
    last_used_at_s: float | None = None
    revoked_at_s: float | None = None

    def valid(self, now_s: float) -> bool:
        """Return whether the key opens anything now."""
        return self.revoked_at_s is None and (self.expires_at_s is None or now_s < self.expires_at_s)

    def is_of(self, token: str) -> bool:
        """Return whether ``token`` is this key, in time that does not depend on where they differ."""
        return hmac.compare_digest(digest_of(token), self.digest)


def new_key(
    *, tenant: str, scopes: Collection[str], name: str, now_s: float, lifetime_s: float | None = None
) -> tuple[ApiKey, str]:
    """Make a key; return what is kept and the key itself, which nobody can tell again. Raises `OptionError`."""
    if lifetime_s is not None and lifetime_s <= 0:
        raise OptionError("A key must live longer than no time at all.")
    if len(name) > MAX_NAME_CHARS or not all(char.isprintable() for char in name):
        raise OptionError(f"The name of a key has {MAX_NAME_CHARS} printable characters at most.")
    key_id = secrets.token_hex(8)
    token = f"{PREFIX}_{key_id}_{secrets.token_urlsafe(32)}"
    key = ApiKey(
        id=key_id,
        digest=digest_of(token),
        tenant=checked_tenant(tenant),
        scopes=checked_scopes(scopes),
        name=name,
        created_at_s=now_s,
        expires_at_s=None if lifetime_s is None else now_s + lifetime_s,
    )
    return key, token


def digest_of(token: str) -> str:
    """Return the SHA-256 of a key, hex."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def key_id_of(token: str) -> str | None:
    """Return the id within a key; None for what is no key at all."""
    found = _TOKEN.fullmatch(token)
    return found and found[1]


def checked_tenant(tenant: str) -> str:
    """Return a tenant's name, which begins the keys of its blobs; raises `OptionError` for what cannot be one."""
    if not is_tenant(tenant):
        raise OptionError(
            f"{tenant[:64]!r} is no tenant's name: 1 to 63 lower-case letters, digits, - and _, beginning with a "
            f"letter or digit, and not {' or '.join(sorted(RESERVED_TENANTS))}."
        )
    return tenant


def nobodys_keys(keys: Iterable[ApiKey], now_s: float) -> list[ApiKey]:
    """Return keys that would be valid, had their tenant not a name that is none: earlier versions took some of them."""
    return [key for key in keys if key.valid(now_s) and not is_tenant(key.tenant)]


def checked_scopes(names: Collection[str]) -> frozenset[Scope]:
    """Return scopes by their names; raises `OptionError` for an unknown one and for none at all."""
    unknown = sorted(set(names) - set(Scope))
    if unknown or not names:
        what = f"There is no scope {unknown[0]!r}" if unknown else "A key needs a scope"
        raise OptionError(f"{what}; there are: {', '.join(Scope)}.")
    return frozenset(Scope(name) for name in names)


def key_deed(action: AuditAction, key: ApiKey, by: Doer) -> Deed:
    """Return the deed of making or revoking a key, for the audit log of the key's tenant."""
    return by.deed(action, tenant=key.tenant, kind=ObjectKind.KEY, object_id=key.id)


class KeyStore(Protocol):
    """API keys, durable. Methods block, are thread-safe and raise `LedgerUnavailable`.

    A key that is made or revoked is entered in the audit log in the same transaction.
    """

    def add(self, key: ApiKey, by: Doer) -> None:
        """Keep a new key."""

    def find(self, key_id: str) -> ApiKey | None:
        """Return the key of that id, revoked and expired ones included."""

    def list(self, tenant: str | None = None) -> Sequence[ApiKey]:
        """Return all keys of a tenant (of everybody for None), newest first."""

    def revoke(self, key_id: str, now_s: float, by: Doer) -> ApiKey:
        """End a key, for good; a revoked one stays as it is, and nothing is entered. Raises `KeyUnknown`."""

    def touch(self, key_id: str, now_s: float) -> None:
        """Note that a key was used."""
