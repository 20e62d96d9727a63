"""`SearchIndexer`: puts what jobs published into the search index and the review queue, from the ledger's marks."""

import contextlib
from collections.abc import Iterator, Sequence

import structlog

from pipelines.codec import decode
from pipelines.core import Minutes, Transcript
from pipelines.errors import BlobMissing, LedgerUnavailable, StoreUnavailable
from pipelines.ledger.protocol import Ledger
from pipelines.review.findings import findings_of
from pipelines.review.protocol import Reviewed
from pipelines.search.passages import passages_of
from pipelines.search.protocol import IndexEntry, PendingJob
from pipelines.storage.layout import JobKeys
from pipelines.storage.protocol import BlobStore
from pipelines.transcript.corrections import Correction

JOBS_PER_ROUND = 20
PASSAGES_AT_ONCE = 1000
"""So many, or those of one job, are written in one transaction and held in memory."""
CLAIM_S = 30.0
"""After so long the jobs of an indexer that was killed are another's."""
UNREADABLE_AGAIN_S = 3600.0
"""After so long a job whose results cannot be read is tried again."""

log = structlog.get_logger()


class SearchIndexer:
    """Indexes pending jobs, the newest version of each transcript and the minutes. Several divide the work."""

    def __init__(self, ledger: Ledger, store: BlobStore) -> None:
        self._ledger = ledger
        self._store = store

    def index_some(self) -> int:
        """Index the jobs that wait longest; return how many. Blocks.

        Raises `LedgerUnavailable` and `StoreUnavailable`; what waits goes on waiting.
        """
        waiting = self._ledger.search.claim(JOBS_PER_ROUND, CLAIM_S)
        left = {pending.job_id: pending for pending in waiting}
        try:
            for entries in self._read(waiting):
                self._put(entries)
                for entry in entries:
                    del left[entry.pending.job_id]
        except (LedgerUnavailable, StoreUnavailable):
            with contextlib.suppress(LedgerUnavailable):  # their claim runs out
                self._ledger.search.defer([*left.values()], 0.0)
            raise
        return len(waiting)

    def _read(self, waiting: Sequence[PendingJob]) -> Iterator[list[IndexEntry]]:
        """Yield what is published of jobs, some at a time; one that nobody can read is put off."""
        corrected = self._ledger.corrections.newest([pending.job_id for pending in waiting]) if waiting else {}
        entries: list[IndexEntry] = []
        for pending in waiting:
            try:
                entries.append(self._published(pending, corrected.get(pending.job_id)))
            except StoreUnavailable:
                raise
            except Exception:
                self._put_off(pending)
            if sum(len(entry.passages) for entry in entries) >= PASSAGES_AT_ONCE:
                yield entries
                entries = []
        if entries:
            yield entries

    def _put(self, entries: Sequence[IndexEntry]) -> None:
        """Write entries in one transaction; where that cannot be, each in its own, so that one holds up no others."""
        try:
            self._write(entries)
        except (LedgerUnavailable, StoreUnavailable):
            raise
        except Exception:
            if len(entries) == 1:
                self._put_off(entries[0].pending)
            else:
                for entry in entries:
                    self._put([entry])

    def _put_off(self, pending: PendingJob) -> None:
        """Come back later to results that nobody can read: they must not keep the others from being found."""
        log.exception("job not indexed", action="index", job_id=pending.job_id)
        self._ledger.search.defer([pending], UNREADABLE_AGAIN_S)

    def _write(self, entries: Sequence[IndexEntry]) -> None:
        written = self._ledger.search.write(entries)
        told = {entry.pending.job_id for entry in entries if entry.passages or entry.reviewed.findings}
        settled = []
        for pending in written:
            # An erasure deletes the transcript first: it may have come between reading and writing.
            transcript = JobKeys(tenant=pending.tenant, job_id=pending.job_id).transcript
            if pending.job_id in told and not self._store.exists(transcript):
                self._ledger.search.forget(pending.tenant, pending.job_id)
            else:
                settled.append(pending)
        self._ledger.search.settle(settled)

    def _published(self, pending: PendingJob, correction: Correction | None) -> IndexEntry:
        """Return what can be found of a job and what is to be heard of it: nothing where there is no transcript."""
        keys = JobKeys(tenant=pending.tenant, job_id=pending.job_id)
        key = keys.corrected(correction.name) if correction else keys.transcript
        try:
            transcript = decode(Transcript, self._store.get(key))
        except BlobMissing:  # there is none, or it is being erased
            return IndexEntry(pending=pending)
        minutes = None
        with contextlib.suppress(BlobMissing):
            minutes = decode(Minutes, self._store.get(keys.result("minutes.json")))
        return IndexEntry(
            pending=pending,
            passages=passages_of(transcript, minutes),
            version=correction.version if correction else 0,
            reviewed=Reviewed(findings=findings_of(transcript, minutes), segments=transcript.segments),
        )
