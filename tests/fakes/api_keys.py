"""`MemoryKeys`: a store of API keys that forgets everything."""

from collections.abc import Sequence
from dataclasses import replace

from pipelines.audit import AuditAction, Deed, Doer
from pipelines.errors import KeyUnknown, LedgerUnavailable
from pipelines.ledger.credentials.api_keys import ApiKey, key_deed

OPERATOR = Doer(actor="key:operator", request_id="r1")


class MemoryKeys:
    """`KeyStore` in a dict; counts questions, keeps deeds, and fails while ``outage`` holds a text."""

    def __init__(self) -> None:
        self.outage = ""
        self.n_finds = 0
        self.entered: list[Deed] = []
        self._keys: dict[str, ApiKey] = {}

    def add(self, key: ApiKey, by: Doer) -> None:
        """Keep a new key."""
        self._check()
        self.entered.append(key_deed(AuditAction.CREATE_KEY, key, by))
        self._keys[key.id] = key

    def find(self, key_id: str) -> ApiKey | None:
        """Return the key of that id."""
        self._check()
        self.n_finds += 1
        return self._keys.get(key_id)

    def list(self, tenant: str | None = None) -> Sequence[ApiKey]:
        """Return all keys, newest first."""
        self._check()
        mine = [key for key in self._keys.values() if tenant in (None, key.tenant)]
        return sorted(mine, key=lambda key: (-key.created_at_s, key.id))

    def revoke(self, key_id: str, now_s: float, by: Doer) -> ApiKey:
        """End a key; raises `KeyUnknown`."""
        self._check()
        if key_id not in self._keys:
            raise KeyUnknown(f"There is no key {key_id}.")
        if self._keys[key_id].revoked_at_s is None:
            self._keys[key_id] = replace(self._keys[key_id], revoked_at_s=now_s)
            self.entered.append(key_deed(AuditAction.REVOKE_KEY, self._keys[key_id], by))
        return self._keys[key_id]

    def touch(self, key_id: str, now_s: float) -> None:
        """Note that a key was used."""
        self._check()
        if key_id in self._keys:
            self._keys[key_id] = replace(self._keys[key_id], last_used_at_s=now_s)

    def _check(self) -> None:
        if self.outage:
            raise LedgerUnavailable(self.outage)
