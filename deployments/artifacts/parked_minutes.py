"""Jobs whose minutes are still to be written: one small blob each, so that a restart loses none."""

import math
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import structlog
from pydantic import ValidationError

from deployments.ports import MinutesRequest
from pipelines.codec import decode, encode
from pipelines.errors import BlobMissing
from pipelines.storage.layout import PARKED_MINUTES, RESUME_MINUTES
from pipelines.storage.protocol import BlobStore

FRESH_S = 600.0

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class Parked:
    """A deferred request, the reason, and the earliest time (Unix seconds) for another attempt."""

    request: MinutesRequest
    why: str
    not_before_s: float = 0.0


class DeferredMinutes:
    """Keeps deferred requests for minutes in a blob store. All methods block."""

    def __init__(self, store: BlobStore) -> None:
        self._store = store

    def park(self, request: MinutesRequest, why: str, not_before_s: float = 0.0) -> None:
        """Store a request for later, in place of an earlier one of the same job."""
        entry = Parked(request=request, why=why, not_before_s=not_before_s)
        self._store.put(_key(request), encode(entry))

    def list(self) -> "list[Parked]":
        """Return all deferred requests by tenant and age of their jobs; unreadable ones are logged and left out."""
        entries = [self._read(key) for key in self._keys()]
        return [entry for entry in entries if entry is not None]

    def _keys(self) -> Iterable[str]:
        return self._store.list(PARKED_MINUTES.prefix)

    def _read(self, key: str) -> Parked | None:
        try:
            entry = decode(Parked, self._store.get(key))
        except BlobMissing:
            return None
        except ValidationError as error:
            log.error("parked request cannot be read", action="park", key=key, faults=error.error_count())
            return None
        if _key(entry.request) != key:
            log.error("parked request is another job's", action="park", key=key)
            return None
        return entry

    def count(self) -> int:
        """Return the number of deferred requests."""
        return sum(1 for _ in self._keys())

    def request_resume(self) -> None:
        """Request that all deferred requests are tried at once: the model works again, or the budget is larger."""
        self._store.put(RESUME_MINUTES, b"")

    def consume_resume_request(self) -> bool:
        """Return whether word was left since this was asked last."""
        if not self._store.exists(RESUME_MINUTES):
            return False
        self._store.delete(RESUME_MINUTES)
        return True

    def read(self, request: MinutesRequest) -> Parked | None:
        """Return what is deferred of a request's job now, whichever process deferred it; None for nothing."""
        return self._read(_key(request))

    def release(self, entry: Parked) -> None:
        """Delete a request, unless another one of the same job has taken its place; a missing one is no error."""
        if self._read(_key(entry.request)) == entry:
            self._store.delete(_key(entry.request))


class RememberedParking(DeferredMinutes):
    """Caches the entries for the process that defers requests and lists them every few seconds.

    Each entry is read at most once in `FRESH_S`, and again after this process has written it. A change by another
    process (another replica) is seen after `FRESH_S` at the latest, a deletion at once. ``clock`` gives
    seconds.
    """

    def __init__(self, store: BlobStore, clock: Callable[[], float]) -> None:
        super().__init__(store)
        self._clock = clock
        self._lock = threading.Lock()  # requests are stored while the list is read
        self._known: dict[str, tuple[float, Parked | None]] = {}
        self._reading = ""

    def list(self) -> "list[Parked]":
        """Return all deferred requests; see `DeferredMinutes.list`."""
        now_s = self._clock()
        entries = {key: self._remembered(key, now_s) for key in self._keys()}
        with self._lock:
            self._known = {key: known for key, known in self._known.items() if key in entries}
        return [entry for entry in entries.values() if entry is not None]

    def _remembered(self, key: str, now_s: float) -> Parked | None:
        with self._lock:
            read_s, entry = self._known.get(key, (-math.inf, None))
            if now_s - read_s < FRESH_S:
                return entry
            self._reading = key
        entry = self._read(key)
        with self._lock:
            if self._reading == key:
                self._known[key] = (now_s, entry)
        return entry

    def park(self, request: MinutesRequest, why: str, not_before_s: float = 0.0) -> None:
        """Keep a request for later; see `DeferredMinutes.park`."""
        super().park(request, why, not_before_s)
        key = _key(request)
        with self._lock:
            self._known.pop(key, None)
            if self._reading == key:  # perhaps read before it was written
                self._reading = ""


def _key(request: MinutesRequest) -> str:
    return PARKED_MINUTES.key(request.tenant, request.job_id)
