"""`TenantBatches`: one tenant's batches as the HTTP routes see them; every blocking call runs in a thread."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from deployments.intake.manifest import checked_entries, read_entries, read_lines
from deployments.intake.spool import Spool
from deployments.intake.submission import Submission
from deployments.schemas.batches import BatchBody, BatchRequest, EntryBody, ManifestEntry
from deployments.schemas.estimates import EstimateBody
from deployments.schemas.jobs import NoteBody, result_path
from deployments.sources.fetch import check_url, fetch
from deployments.sources.limits import SourceLimits
from deployments.sources.places import place_of_prefix
from deployments.sources.s3 import list_objects
from deployments.telemetry.request_context import current_request
from deployments.tenant.jobs import TenantJobs
from deployments.tenant.threads import in_thread
from pipelines.errors import BlobMissing, IllegalTransition, InvalidOptions, InvalidRequest, NotFound, refused_option
from pipelines.jobs.batch import Batch, BatchCounts, BatchState, Entry, EntryState
from pipelines.jobs.job import Job
from pipelines.jobs.prices import Prices
from pipelines.ledger.batch_book import BatchRepository
from pipelines.storage.layout import JobKeys

Lines = Iterable[tuple[int, ManifestEntry | InvalidOptions]]
MAX_MANIFEST_BYTES = 64 << 20
_PAGE = 200


@dataclass(frozen=True, kw_only=True)
class TenantBatches:
    """The batches of one tenant."""

    tenant: str
    book: BatchRepository
    jobs: TenantJobs
    sources: SourceLimits
    new_id: Callable[[], str]
    clock: Callable[[], float]
    prices: Prices

    async def submit(self, request: BatchRequest, key: str | None, spool: Spool) -> tuple[Batch, bool]:
        """Make a batch of a request by reference or inline; ``spool`` takes a manifest that is pulled."""
        lines: Lines
        if request.entries is not None:
            lines = await in_thread(lambda: list(read_entries(request.entries or ())))
            right = [entry for _, entry in lines if isinstance(entry, ManifestEntry)]
            request = request.model_copy(update={"entries": right})
        elif request.manifest is not None:
            check_url(request.manifest, self.sources, self.tenant)
            small = replace(self.sources, max_bytes=MAX_MANIFEST_BYTES)
            await fetch(request.manifest, spool.path, small, self.tenant)
            lines = read_lines(spool.path)
        else:
            lines = self._listed(request.prefix or "")
        fingerprint = await in_thread(lambda: hashlib.sha256(request.model_dump_json().encode()).hexdigest())
        return await self._create(lines, request.name, request.options, request.dry_run, key, fingerprint)

    async def submit_file(
        self, spool: Spool, name: str, options: dict[str, Any], dry_run: bool, key: str | None
    ) -> tuple[Batch, bool]:
        """Make a batch of a manifest that was uploaded."""
        given = json.dumps([spool.sha256, name, options, dry_run], sort_keys=True)
        return await self._create(
            read_lines(spool.path), name, options, dry_run, key, hashlib.sha256(given.encode()).hexdigest()
        )

    async def _create(
        self, lines: Lines, name: str, options: dict[str, Any], dry_run: bool, key: str | None, fingerprint: str
    ) -> tuple[Batch, bool]:
        # Reads the lines as it goes, and stops at the first that is too many.
        entries = await in_thread(checked_entries, lines, options, self.jobs.policy, self.sources, self.tenant)
        if dry_run and not all(entry.source for entry in entries):
            raise refused_option("dry_run", "recordings that are uploaded later cannot be probed")
        now_s = round(self.clock(), 3)
        batch = Batch(
            id=self.new_id(),
            tenant=self.tenant,
            name=name,
            state=BatchState.PROBING if dry_run else BatchState.RUNNING,
            n_entries=len(entries),
            created_at_s=now_s,
            updated_at_s=now_s,
            request_id=current_request().request_id,
            traceparent=current_request().traceparent,
        )
        made, created = await in_thread(self.book.create, batch, entries, key=key, fingerprint=fingerprint)
        self.jobs.coordinator_client.wake()
        return made, created

    def _listed(self, prefix: str) -> Lines:
        place = place_of_prefix(prefix, self.sources.places, self.tenant)
        found = enumerate(list_objects(prefix, place))
        return ((number, ManifestEntry.model_validate({"source": item.url})) for number, item in found)

    async def get(self, batch_id: str) -> Batch:
        """Return a batch; raises `NotFound`."""
        if not (batch_id.isascii() and batch_id.isprintable()):
            raise NotFound(f"There is no batch {batch_id!r}.")
        return await in_thread(self.book.get, self.tenant, batch_id)

    async def show(self, batch: Batch) -> BatchBody:
        """Turn a batch into its wire form; raises `NotFound`."""
        counts = await in_thread(self.book.counts, self.tenant, batch.id)
        return BatchBody.of(batch, counts, await self._speed(), await self._estimate(batch, counts))

    async def newest(self, limit: int, id_prefix: str = "") -> list[BatchBody]:
        """Return the newest batches whose id begins so, counted together."""
        found = await in_thread(self.book.list, self.tenant, limit, id_prefix)
        if not found:
            return []
        counts_of = await in_thread(self.book.counts_of, self.tenant, [batch.id for batch in found])
        speed = await self._speed()
        there = [batch for batch in found if batch.id in counts_of]  # one may be deleted meanwhile
        estimates = await asyncio.gather(*(self._estimate(batch, counts_of[batch.id]) for batch in there))
        pairs = zip(there, estimates, strict=True)
        return [BatchBody.of(batch, counts_of[batch.id], speed, estimate) for batch, estimate in pairs]

    async def _estimate(self, batch: Batch, counts: BatchCounts) -> EstimateBody | None:
        """Estimate what was probed, by the class and model of the first entry; None for a batch without a dry run."""
        n_looked_at = counts.n_probed + counts.n_unknown + counts.n_unreadable
        if not n_looked_at and batch.state not in (BatchState.PROBING, BatchState.ESTIMATED):
            return None
        (first,) = await in_thread(self.book.entries, self.tenant, batch.id, after=-1, limit=1, state=None)
        economy = first.options.priority_class == "economy"
        found = None
        if batch.state in (BatchState.PROBING, BatchState.ESTIMATED):
            found = await self.jobs.coordinator_client.estimate(
                tenant=self.tenant, model=first.options.model, audio_s=counts.probed_s, economy=economy
            )
        return EstimateBody.of(
            found,
            self.prices,
            audio_s=counts.probed_s,
            economy=economy,
            n_probed=counts.n_probed,
            n_unknown=counts.n_unknown,
            n_unreadable=counts.n_unreadable,
        )

    async def _speed(self) -> float:
        status = await self.jobs.coordinator_client.status()
        return status.speed if status else 0.0

    async def change_state(self, batch_id: str, move: str) -> BatchBody:
        """Pause, resume or cancel; cancelling ends the batch's jobs too."""
        await self.get(batch_id)
        batch = await in_thread(self.book.change_state, self.tenant, batch_id, move)
        if move == "cancel":
            for job_id in await in_thread(self.book.live_jobs, self.tenant, batch_id):
                await self.jobs.cancel(job_id)
        self.jobs.coordinator_client.wake()
        return await self.show(batch)

    async def retry(self, batch_id: str) -> tuple[int, BatchBody]:
        """Take what failed on again; return how many."""
        batch = await self.get(batch_id)
        n_retried = await in_thread(self.book.retry, self.tenant, batch_id)
        self.jobs.coordinator_client.wake()
        return n_retried, await self.show(batch)

    async def entries(self, batch_id: str, after: int, limit: int, state: EntryState | None) -> list[Entry]:
        """Return entries after a number."""
        await self.get(batch_id)
        found = await in_thread(self.book.entries, self.tenant, batch_id, after=after, limit=limit, state=state)
        return list(found)

    async def waiting(self, batch_id: str, seq: int) -> Entry:
        """Return an entry that takes an upload; raises `NotFound`, `IllegalTransition`."""
        batch = await self.get(batch_id)
        entry = next(iter(await self.entries(batch_id, seq - 1, 1, None)), None)
        if entry is None or entry.seq != seq:
            raise NotFound(f"Batch {batch_id} has no entry {seq}.")
        if entry.source or batch.state is BatchState.CANCELLED:
            raise IllegalTransition(f"Entry {seq} of batch {batch_id} waits for no upload.")
        return entry

    async def upload(self, batch_id: str, entry: Entry, spool: Spool) -> Job:
        """Make the job of an entry that waited for its recording; a repeated upload finds the job of the first."""
        if spool.n_bytes == 0:
            raise InvalidRequest("The body has no bytes.")
        submission = Submission(
            options=entry.options,
            filename=entry.filename,
            spool=spool,
            reference=entry.reference,
            idempotency_key=f"batch/{batch_id}/{entry.seq}/{entry.attempt}",
        )
        job, _ = await self.jobs.accept(submission)
        await in_thread(self.book.attach, self.tenant, batch_id, entry.seq, job.id)
        return job

    async def manifest(self, batch_id: str, *, checksums: bool) -> AsyncIterator[bytes]:
        """Yield the output manifest: a JSON object per entry and line."""
        after = -1
        while entries := await self.entries(batch_id, after, _PAGE, None):
            yield await in_thread(self._lines, entries, checksums)
            after = entries[-1].seq

    def _lines(self, entries: list[Entry], checksums: bool) -> bytes:
        return b"".join(self._line(entry, checksums) for entry in entries)

    def _line(self, entry: Entry, checksums: bool) -> bytes:
        shown = EntryBody.of(entry).model_dump(mode="json")
        job = entry.job
        if job:
            shown["audio_s"] = round(job.heard.audio_s, 3)
            shown["cached"] = bool(job.reused_from)
            shown["notes"] = [NoteBody.from_domain(note).model_dump(mode="json") for note in job.told]
            shown["results"] = {name: self._result(job, name, checksums) for name in job.results}
        return json.dumps(shown, ensure_ascii=False).encode() + b"\n"

    def _result(self, job: Job, name: str, checksums: bool) -> dict[str, Any]:
        url = f"{self.jobs.public_url}{result_path(job.id, name)}"
        if not checksums:
            return {"url": url}
        try:
            data = self.jobs.store.get(JobKeys(tenant=job.tenant, job_id=job.id).result(name))
        except BlobMissing:  # removed by retention since the job was read
            return {"url": url, "n_bytes": None, "sha256": None}
        return {"url": url, "n_bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
