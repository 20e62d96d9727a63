"""Expire a tenant's blobs beside its jobs: which job paid for which minutes, the spending by day, clips of voices."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

import structlog

from pipelines.ids import created_at_s
from pipelines.minutes.llm.cache import holder_of
from pipelines.storage.layout import JobKeys, TenantKeys, is_tenant
from pipelines.storage.protocol import BlobStore

SPENDING_DAYS = 35
"""A budget asks for today only; five weeks let an operator compare months."""
CLIP_AGE_S = 3600.0

log = structlog.get_logger()


class TenantLeftovers:
    """Finds them while the whole store is listed for another reason: it holds one tenant's digests at a time."""

    def __init__(self) -> None:
        self._tenant = ""
        self._held: set[str] = set()
        self._lost: list[str] = []
        self._spending: list[str] = []
        self._clips: list[str] = []

    def seeing(self, keys: Iterable[str]) -> Iterator[str]:
        """Pass keys on, which are in ascending order."""
        for key in keys:
            self._see(key)
            yield key

    def _see(self, key: str) -> None:
        tenant, _, rest = key.partition("/")
        if not is_tenant(tenant):
            return
        if tenant != self._tenant:
            self._tenant, self._held = tenant, set()
        beside = TenantKeys(tenant=tenant)
        held = JobKeys(tenant=tenant, job_id=rest.partition("/")[0]).paid_minutes
        if key.startswith(held):
            self._held.add(key.removeprefix(held))
        elif key.startswith(beside.paid_minutes):
            digest = key.removeprefix(beside.paid_minutes).removesuffix(".json")
            if digest not in self._held:
                self._lost.append(key)
        elif key.startswith(beside.spending):
            self._spending.append(key)
        elif key.startswith(beside.voice_clips):
            self._clips.append(key)

    def expire(self, store: BlobStore, *, now_s: float) -> list[str]:
        """Delete references to erased minutes, the spending of long ago, and clips of voices; return the keys."""
        expired = [key for key in self._lost if not _leads_anywhere(store, key)]
        oldest = (datetime.fromtimestamp(now_s, UTC) - timedelta(days=SPENDING_DAYS)).date()
        for key in self._spending:
            tenant = key.partition("/")[0]
            # Days as ISO 8601 are in the order of their names; what is no day is not ours.
            first = TenantKeys(tenant=tenant).spending_of(oldest)
            if len(key) == len(first) and key < first:
                expired.append(key)
        for key in self._clips:
            # Whoever enrols a voice deletes its clip, unless the process was killed.
            born_s = created_at_s(key.rpartition("/")[2])
            if born_s is None or now_s - born_s > CLIP_AGE_S:
                expired.append(key)
        for key in expired:
            store.delete(key)
        if expired:
            log.info("tenants' leftovers deleted", action="expire_leftovers", blobs=len(expired))
        return expired


def _leads_anywhere(store: BlobStore, key: str) -> bool:
    """Look again: minutes that were written during the listing may have been passed over."""
    tenant = key.partition("/")[0]
    job_id = holder_of(store, key)
    digest = key.removeprefix(TenantKeys(tenant=tenant).paid_minutes).removesuffix(".json")
    return bool(job_id) and store.exists(JobKeys(tenant=tenant, job_id=job_id).minutes(digest))
