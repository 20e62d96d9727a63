"""Jobs whose minutes are still to be written: one small blob each, so that a restart loses none."""

from dataclasses import dataclass

import structlog
from pydantic import ValidationError

from deployments.ports import MinutesRequest
from pipelines.codec import decode, encode
from pipelines.errors import BlobMissing
from pipelines.keys import PARKED_MINUTES, RESUME_MINUTES
from pipelines.storage import BlobStore

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class Parked:
    """What is to be written, why it was not, and the time (Unix seconds) before which there is no use in trying."""

    request: MinutesRequest
    why: str
    not_before_s: float = 0.0


class Parking:
    """The parked requests in a blob store. Its methods block."""

    def __init__(self, store: BlobStore) -> None:
        self._store = store

    def park(self, request: MinutesRequest, why: str, not_before_s: float = 0.0) -> None:
        """Keep a request for later; parking it again replaces it."""
        entry = Parked(request=request, why=why, not_before_s=not_before_s)
        self._store.put(_key(request), encode(entry))

    def list(self) -> "list[Parked]":
        """All parked requests, by tenant and age of their jobs; what cannot be read is passed over and logged."""
        found = []
        for key in self._store.list(PARKED_MINUTES.prefix):
            try:
                entry = decode(Parked, self._store.get(key))
            except BlobMissing:
                continue
            except ValidationError as error:
                log.error("parked request cannot be read", action="park", key=key, faults=error.error_count())
                continue
            if _key(entry.request) == key:
                found.append(entry)
            else:
                log.error("parked request is another job's", action="park", key=key)
        return found

    def count(self) -> int:
        """How many requests are parked."""
        return sum(1 for _ in self._store.list(PARKED_MINUTES.prefix))

    def ask_to_resume(self) -> None:
        """Leave word that what is parked may be tried at once: the model works again, or the budget is larger."""
        self._store.put(RESUME_MINUTES, b"")

    def taken_word(self) -> bool:
        """Whether word was left since this was asked last."""
        if not self._store.exists(RESUME_MINUTES):
            return False
        self._store.delete(RESUME_MINUTES)
        return True

    def release(self, request: MinutesRequest) -> None:
        """Forget a request; one that is not parked is no error."""
        self._store.delete(_key(request))


def _key(request: MinutesRequest) -> str:
    return PARKED_MINUTES.key(request.tenant, request.job_id)
