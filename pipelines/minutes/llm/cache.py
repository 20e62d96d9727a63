"""What a language model wrote and was paid for is not paid for again: found by what went into it.

It lies with its job and is deleted with it; what is kept beside, by digest, names only the job.
"""

import asyncio
import contextlib
import hashlib
import json
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import ValidationError

from pipelines.codec import decode, encode
from pipelines.core import Transcript
from pipelines.errors import BlobMissing
from pipelines.minutes.llm.paying_once import PayingOnce
from pipelines.minutes.protocol import PaidMinutes
from pipelines.storage.layout import JobKeys, TenantKeys
from pipelines.storage.protocol import BlobStore

Paid = TypeVar("Paid")


@dataclass(frozen=True, kw_only=True)
class Known(Generic[Paid]):
    """What the cache has, and the job that paid for it."""

    paid: Paid
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


class PaidCache(Generic[Paid]):
    """Keeps dataclasses of one kind by digest, per tenant."""

    def __init__(self, store: BlobStore, kind: type[Paid], paying: PayingOnce | None = None) -> None:
        """Take who else may pay; ``paying`` None: nobody, since no other process writes."""
        self._store = store
        self._kind = kind
        self._paying = paying

    def paying(self, tenant: str, digest: str) -> AbstractAsyncContextManager[None]:
        """Wait until nobody else pays for the same; then look again, for that one may have kept it.

        Raises `MinutesParked` where nobody knows.
        """
        return contextlib.nullcontext() if self._paying is None else self._paying.turn(tenant, digest)

    async def get(self, tenant: str, digest: str) -> Known[Paid] | None:
        """Return what was written before from the same content; None without any, or if its job was deleted."""
        return await asyncio.to_thread(self._get, tenant, digest)

    async def put(self, tenant: str, job_id: str, digest: str, paid: Paid) -> None:
        """Keep what a job paid for: all of it, or a piece."""
        await asyncio.to_thread(self._put, tenant, job_id, digest, paid)

    def _get(self, tenant: str, digest: str) -> Known[Paid] | None:
        try:
            reference = decode(_Reference, self._store.get(TenantKeys(tenant=tenant).paid_minutes_of(digest)))
            stored = self._store.get(JobKeys(tenant=tenant, job_id=reference.job_id).minutes(digest))
            return Known(paid=decode(self._kind, stored), job_id=reference.job_id)
        except (BlobMissing, ValidationError):
            return None

    def _put(self, tenant: str, job_id: str, digest: str, paid: Paid) -> None:
        self._store.put(JobKeys(tenant=tenant, job_id=job_id).minutes(digest), encode(paid))
        self._store.put(TenantKeys(tenant=tenant).paid_minutes_of(digest), encode(_Reference(job_id=job_id)))


class MinutesCache(PaidCache[PaidMinutes]):
    """Keeps minutes, and those of pieces of a transcript."""

    def __init__(self, store: BlobStore, paying: PayingOnce | None = None) -> None:
        super().__init__(store, PaidMinutes, paying)


def holder_of(store: BlobStore, key: str) -> str:
    """Return the id of the job that a key of `TenantKeys.paid_minutes_of` names; "" if none is there or readable."""
    try:
        return decode(_Reference, store.get(key)).job_id
    except (BlobMissing, ValidationError):
        return ""
