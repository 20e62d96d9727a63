"""`MemoryKeyHolds`: marks of requests in flight that forget everything."""

import threading
from collections.abc import Callable

from pipelines.ledger.request_locks import in_flight


class MemoryKeyHolds:
    """`pipelines.ledger.request_locks.KeyHolds` in a dict; ``check`` raises during an outage."""

    def __init__(self, *, check: Callable[[], None], clock: Callable[[], float]) -> None:
        self._check = check
        self._clock = clock
        self._lock = threading.Lock()
        self._marks: dict[tuple[str, str], tuple[str, float]] = {}

    def hold(self, tenant: str, key: str, holder: str, ttl_s: float) -> None:
        """Mark a key; see `KeyHolds.hold`."""
        self._check()
        with self._lock:
            now_s = self._clock()
            owner, expires_at_s = self._marks.get((tenant, key), (holder, 0.0))
            if owner != holder and expires_at_s > now_s:
                raise in_flight(key)
            self._marks[(tenant, key)] = (holder, now_s + ttl_s)

    def release(self, tenant: str, key: str, holder: str) -> None:
        """Take a mark away."""
        self._check()
        with self._lock:
            if self._marks.get((tenant, key), ("", 0.0))[0] == holder:
                del self._marks[(tenant, key)]

    def sweep(self) -> int:
        """Forget marks that ran out."""
        self._check()
        with self._lock:
            over = [name for name, (_, expires_at_s) in self._marks.items() if expires_at_s <= self._clock()]
            for name in over:
                del self._marks[name]
            return len(over)
