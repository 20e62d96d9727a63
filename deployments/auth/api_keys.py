"""`ApiKeyAuthenticator`: authenticates API keys, and asks the database about each key once in a few seconds only."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import anyio
import anyio.to_thread
import structlog

from deployments.auth.authenticators import Principal
from pipelines.errors import LedgerUnavailable, Unauthenticated
from pipelines.ledger.credentials.api_keys import ApiKey, KeyStore, digest_of, key_id_of
from pipelines.storage.layout import is_tenant

FRESH_S = 3.0  # a revoked key opens nothing after so long
TOUCH_INTERVAL_S = 60.0
MAX_CACHED = 10_000
MAX_LOOKUPS = 4  # at once: a flood of wrong keys must not take the threads of those with right ones

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class _Known:
    key: ApiKey
    until_s: float  # monotonic


class ApiKeyAuthenticator:
    """Authenticates by API keys; see `deployments.auth.authenticators.Authenticator`. Belongs to one event loop."""

    def __init__(self, keys: KeyStore, *, clock: Callable[[], float] = time.time, fresh_s: float = FRESH_S) -> None:
        self._keys = keys
        self._clock = clock
        self._fresh_s = fresh_s
        self._known: OrderedDict[str, _Known] = OrderedDict()  # by digest: what was once right needs no second look
        self._threads = anyio.CapacityLimiter(MAX_LOOKUPS)

    async def authenticate(self, token: str | None) -> Principal:
        """Return the principal of a key; raises `Unauthenticated`, `LedgerUnavailable`."""
        if not token:
            raise Unauthenticated("Send an API key: Authorization: Bearer …, or X-API-Key: ….")
        key_id = key_id_of(token)
        if key_id is None:
            raise Unauthenticated("This is no API key of MeetMemo.")
        digest = digest_of(token)
        known = self._known.get(digest)
        if known is None or time.monotonic() > known.until_s:
            found = await anyio.to_thread.run_sync(self._look_up, key_id, token, limiter=self._threads)
            known = _Known(key=found, until_s=time.monotonic() + self._fresh_s)
            self._known[digest] = known
            while len(self._known) > MAX_CACHED:
                self._known.popitem(last=False)
        if not known.key.valid(self._clock()):
            self._known.pop(digest, None)
            raise _refused()
        key = known.key
        return Principal(tenant=key.tenant, scopes=key.scopes, key_id=key_id, actor=f"key:{key_id}", name=key.name)

    def _look_up(self, key_id: str, token: str) -> ApiKey:
        key = self._keys.find(key_id)
        now_s = self._clock()
        if key is None or not key.is_of(token) or not key.valid(now_s):
            raise _refused()
        if not is_tenant(key.tenant):
            log.warning("key of a reserved tenant refused", action="key_reserved", key_id=key_id, tenant=key.tenant)
            raise Unauthenticated(f"The key's tenant {key.tenant!r} has a reserved name: get a key of another tenant.")
        if key.last_used_at_s is None or now_s - key.last_used_at_s > TOUCH_INTERVAL_S:
            try:
                self._keys.touch(key_id, now_s)
            except LedgerUnavailable as error:  # it can be read but not written: that is no reason to refuse
                log.warning("use of a key not noted", action="key_touch", key_id=key_id, error=str(error))
        return key


def _refused() -> Unauthenticated:
    return Unauthenticated("The key is unknown, expired or revoked.")
