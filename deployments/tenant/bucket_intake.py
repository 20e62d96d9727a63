"""`BucketIntake`: jobs of one tenant from objects in buckets, whether an event names them or a prefix is swept."""

import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from deployments.intake.bucket_events import ObjectCreated
from deployments.intake.submission import Submission, clean_filename, read_overrides
from deployments.schemas.option_values import given
from deployments.schemas.options import ApiModel
from deployments.sources.fetch import name_in
from deployments.sources.limits import SourceLimits
from deployments.sources.places import SourceCredential, credential_for, place_of_prefix
from deployments.sources.s3 import Found, Page, bucket_and_key, kind_of_object, list_pages, read_sidecar_of, s3_url
from deployments.tenant.jobs import TenantJobs
from deployments.tenant.threads import in_thread
from pipelines.errors import (
    ExternalIdConflict,
    IdempotencyConflict,
    ModelUnknown,
    OptionError,
    Reason,
    SourceUnreachable,
)
from pipelines.jobs.sidecar import read_sidecar

MAX_SWEPT = 500  # new jobs of one sweep; each is a write to the ledger
BESIDE_RECORDINGS = (".json", ".xml", ".txt", ".csv", ".md5", ".sha256", ".srt", ".vtt")
_BY_ITS_NAME = "not a recording, by its name"
_CHECK_EVERY = 100  # new jobs between two looks at the backlog


class NotedObject(ApiModel):
    """The outcome for an object: a new job, the job it brought before, or why it brings none.

    `refused` is a recording whose sidecar is wrong, or names the external id of another one.
    """

    source: str
    outcome: Literal["accepted", "repeated", "ignored", "refused"]
    job_id: str | None = None
    reason: Reason | None = None
    detail: str = ""


class Noted(ApiModel):
    """The outcomes for the objects; ``more`` says that a sweep found more than it takes at once.

    A sweep names new jobs and the first of the objects that it ignored or refused; ``n_ignored`` counts all ignored
    ones but sidecars.
    """

    objects: list[NotedObject]
    n_ignored: int = 0
    more: bool = False


@dataclass(frozen=True, kw_only=True)
class BucketIntake:
    """Makes jobs for the tenant of ``jobs`` from objects in places of ``sources``; ``common`` are options of all."""

    jobs: TenantJobs
    sources: SourceLimits
    common: Mapping[str, Any]

    async def take(self, created: Iterable[ObjectCreated]) -> Noted:
        """Make jobs of objects that an event names; raises `Overloaded`, `Draining`, `SourceUnreachable`."""
        await self.jobs.check_backlog()
        return Noted(
            objects=[
                await self._note(s3_url(item.bucket, item.key), item.etag) for item in created if item.n_bytes != 0
            ]
        )

    async def sweep(self, prefix: str) -> Noted:
        """Make jobs of the objects below a prefix that brought none yet, `MAX_SWEPT` at once.

        Raises `InvalidOptions` where the prefix is in no place, `Overloaded`, `Draining`, `SourceUnreachable`.
        """
        place = place_of_prefix(prefix, self.sources.places, self.jobs.tenant)
        noted: list[NotedObject] = []
        n: Counter[str] = Counter()
        async for item, page in self._unseen(prefix, place):
            if n["accepted"] == MAX_SWEPT:
                return Noted(objects=noted, n_ignored=n["ignored"], more=True)
            if place.sidecars and item.key.endswith(".json"):  # of a recording that may be on another page
                continue
            became = await self._note(item.url, item.etag, page)
            n[became.outcome] += 1
            if became.outcome != "repeated" and n[became.outcome] <= MAX_SWEPT:
                noted.append(became)
            if became.outcome == "accepted" and n["accepted"] % _CHECK_EVERY == 0:
                await self.jobs.check_backlog()
        return Noted(objects=noted, n_ignored=n["ignored"])

    async def _unseen(self, prefix: str, place: SourceCredential) -> AsyncIterator[tuple[Found, Page]]:
        """Yield the objects that brought no job, each with the part of the listing it is in."""
        pages = list_pages(prefix, place)
        while page := await in_thread(next, pages, None):
            await self.jobs.check_backlog()
            keys = {item.key: _key_of(item.url, item.etag) for item in page.objects}
            taken = await self.jobs.used_keys(keys.values())
            for item in page.objects:
                if keys[item.key] not in taken:
                    yield item, page

    async def _note(self, url: str, etag: str, page: Page | None = None) -> NotedObject:
        """Make a job of an object, once for its bucket, key and content."""
        place = credential_for(url, self.sources.places, self.jobs.tenant)
        if place is None:
            return NotedObject(source=url, outcome="ignored", detail="in no bucket that may be pulled from")
        if why := await self._why_ignored(url, place, by_name=page is not None):
            return NotedObject(source=url, outcome="ignored", detail=why)
        try:
            submission = await self._submission(url, etag, place, page)
        except (OptionError, ModelUnknown) as error:
            return NotedObject(source=url, outcome="refused", reason=error.reason, detail=f"its sidecar: {error}")
        try:
            job, created = await self.jobs.accept(submission)
        except IdempotencyConflict:  # with other options: the recording is transcribed all the same
            return NotedObject(source=url, outcome="repeated", detail="brought a job with other options before")
        except ExternalIdConflict as error:
            return NotedObject(source=url, outcome="refused", reason=error.reason, detail=str(error))
        return NotedObject(source=url, outcome="accepted" if created else "repeated", job_id=job.id)

    async def _why_ignored(self, url: str, place: SourceCredential, *, by_name: bool) -> str:
        """Return why an object is no recording; "" for one that may be.

        Its content decides, for objects with names of texts. A sweep goes by those names: it would read thousands of
        texts time and again.
        """
        if url.endswith(("/", ".json")) or (by_name and url.lower().endswith(BESIDE_RECORDINGS)):
            return _BY_ITS_NAME
        if not url.lower().endswith(BESIDE_RECORDINGS):
            return ""
        try:
            kind = await in_thread(kind_of_object, url, place)
        except SourceUnreachable:
            return _BY_ITS_NAME
        return "" if kind.accepted else f"not a recording: it is {kind.name or 'of no known format'}"

    async def _submission(self, url: str, etag: str, place: SourceCredential, page: Page | None) -> Submission:
        """Read the options of all, and over them the sidecar's; raises `OptionError`, `ModelUnknown`."""
        values = {"source_patience_s": self.sources.callback_patience_s, **given(self.common)}
        wanted = place.sidecars and (page is None or page.may_have_sidecar(bucket_and_key(url)[1]))
        sidecar = await in_thread(read_sidecar_of, url, place) if wanted else None
        if sidecar is not None:
            values |= given(read_sidecar(sidecar, dict(place.sidecar_fields)))
        options, reference = await read_overrides(values, self.jobs.policy)
        return Submission(
            options=options,
            reference=reference,
            filename=clean_filename(name_in(url)),
            source_url=url,
            idempotency_key=_key_of(url, etag),
        )


def _key_of(url: str, etag: str) -> str:
    """Return the idempotency key of an object: its job is made once for its bucket, key and content."""
    return f"s3/{hashlib.sha256(f'{url}#{etag}'.encode()).hexdigest()}"
