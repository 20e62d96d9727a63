"""Minutes that were paid for are not paid for again: found by what went into them.

The minutes lie with their job and are deleted with it; what is kept beside, by digest, names only the job.
"""

import asyncio
import hashlib
import json
from dataclasses import dataclass

from pydantic import ValidationError

from pipelines.codec import decode, encode
from pipelines.core import Transcript
from pipelines.errors import BlobMissing
from pipelines.minutes.protocol import PaidMinutes
from pipelines.storage.layout import JobKeys, TenantKeys
from pipelines.storage.protocol import BlobStore


@dataclass(frozen=True, kw_only=True)
class KnownMinutes:
    """Minutes in the cache, and the job that paid for them."""

    paid: PaidMinutes
    job_id: str


@dataclass(frozen=True, kw_only=True)
class _Reference:
    job_id: str


def content_digest(transcript: Transcript, **wanted: object) -> str:
    """Return the SHA-256 (hex) of all that minutes depend on: words, times and speakers, and the options ``wanted``."""
    said = [
        (segment.id, segment.start_s, segment.end_s, segment.speaker, segment.text, segment.health.value)
        for segment in transcript.segments
    ]
    content = json.dumps([transcript.language, said, wanted], sort_keys=True, default=str)
    return hashlib.sha256(content.encode()).hexdigest()


class MinutesCache:
    """Keeps minutes by digest, per tenant."""

    def __init__(self, store: BlobStore) -> None:
        self._store = store

    async def get(self, tenant: str, digest: str) -> KnownMinutes | None:
        """Return the minutes written before from the same content; None without any, or if their job was deleted."""
        return await asyncio.to_thread(self._get, tenant, digest)

    async def put(self, tenant: str, job_id: str, digest: str, paid: PaidMinutes) -> None:
        """Keep what a job paid for: its minutes, or those of a piece of its transcript."""
        await asyncio.to_thread(self._put, tenant, job_id, digest, paid)

    def _get(self, tenant: str, digest: str) -> KnownMinutes | None:
        try:
            reference = decode(_Reference, self._store.get(TenantKeys(tenant=tenant).paid_minutes_of(digest)))
            stored = self._store.get(JobKeys(tenant=tenant, job_id=reference.job_id).minutes(digest))
            return KnownMinutes(paid=decode(PaidMinutes, stored), job_id=reference.job_id)
        except (BlobMissing, ValidationError):
            return None

    def _put(self, tenant: str, job_id: str, digest: str, paid: PaidMinutes) -> None:
        self._store.put(JobKeys(tenant=tenant, job_id=job_id).minutes(digest), encode(paid))
        self._store.put(TenantKeys(tenant=tenant).paid_minutes_of(digest), encode(_Reference(job_id=job_id)))


def holder_of(store: BlobStore, key: str) -> str:
    """Return the id of the job that a key of `TenantKeys.paid_minutes_of` names; "" if none is there or readable."""
    try:
        return decode(_Reference, store.get(key)).job_id
    except (BlobMissing, ValidationError):
        return ""
