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
    """What is to be written, why it was not, and the time (Unix seconds) before which there is no use in trying."""

    request: MinutesRequest
    why: str
    not_before_s: float = 0.0


class DeferredMinutes:
    """The parked requests in a blob store. Its methods block."""

    def __init__(self, store: BlobStore) -> None:
        self._store = store

    def park(self, request: MinutesRequest, why: str, not_before_s: float = 0.0) -> None:
        """Keep a request for later; parking it again replaces it."""
        entry = Parked(request=request, why=why, not_before_s=not_before_s)
        self._store.put(_key(request), encode(entry))

    def list(self) -> "list[Parked]":
        """All parked requests, by tenant and age of their jobs; what cannot be read is passed over and logged."""
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
        """Return how many requests are parked."""
        return sum(1 for _ in self._keys())

    def request_resume(self) -> None:
        """Leave word that what is parked may be tried at once: the model works again, or the budget is larger."""
        self._store.put(RESUME_MINUTES, b"")

    def consume_resume_request(self) -> bool:
        """Return whether word was left since this was asked last."""
        if not self._store.exists(RESUME_MINUTES):
            return False
        self._store.delete(RESUME_MINUTES)
        return True

    def release(self, request: MinutesRequest) -> None:
        """Forget a request; one that is not parked is no error."""
        self._store.delete(_key(request))


class RememberedParking(DeferredMinutes):
    """The same for the process that parks and looks again every few seconds: it reads each entry once in `FRESH_S`.

    What it parks again itself is read anew. What another process does (one replica replaces another) is seen after
    `FRESH_S` at the latest, except that an entry that is gone is gone at once. ``clock`` gives seconds.
    """

    def __init__(self, store: BlobStore, clock: Callable[[], float]) -> None:
        super().__init__(store)
        self._clock = clock
        self._lock = threading.Lock()  # requests are parked while the list is read
        self._known: dict[str, tuple[float, Parked | None]] = {}
        self._reading = ""

    def list(self) -> "list[Parked]":
        """Return all parked requests; see `DeferredMinutes.list`."""
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
