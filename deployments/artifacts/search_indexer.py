"""`SearchIndexer`: puts what jobs published into the search index and the review queue, from the ledger's marks."""

import contextlib
from collections.abc import Sequence

import structlog

from pipelines.codec import decode
from pipelines.core import Minutes, Transcript
from pipelines.errors import BlobMissing, JobUnknown, LedgerUnavailable, StoreUnavailable
from pipelines.ledger.protocol import Ledger
from pipelines.review.findings import findings_of
from pipelines.review.protocol import NOTHING_TO_REVIEW, Reviewed
from pipelines.search.passages import Passage, passages_of
from pipelines.search.protocol import PendingJob
from pipelines.storage.layout import JobKeys
from pipelines.storage.protocol import BlobStore

JOBS_PER_ROUND = 20
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
        for number, pending in enumerate(waiting):
            try:
                self._index(pending)
            except (LedgerUnavailable, StoreUnavailable):
                self._give_back(waiting[number:])
                raise
            except Exception:  # results that nobody can read must not keep the others from being found
                log.exception("job not indexed", action="index", job_id=pending.job_id)
                self._ledger.search.defer(pending, UNREADABLE_AGAIN_S)
        return len(waiting)

    def _give_back(self, claimed: Sequence[PendingJob]) -> None:
        with contextlib.suppress(LedgerUnavailable):  # their claim runs out
            for pending in claimed:
                self._ledger.search.defer(pending, 0.0)

    def _index(self, pending: PendingJob) -> None:
        keys = JobKeys(tenant=pending.tenant, job_id=pending.job_id)
        passages: Sequence[Passage] = ()
        reviewed, version = NOTHING_TO_REVIEW, 0
        with contextlib.suppress(BlobMissing):  # there is no transcript, or it is being erased
            try:
                passages, reviewed, version = self._published(keys)
            except JobUnknown:
                return
        if not self._ledger.search.write(pending, passages, version, reviewed):
            return
        # An erasure deletes the transcript first: it may have come between reading and writing.
        if (passages or reviewed.findings) and not self._store.exists(keys.transcript):
            self._ledger.search.forget(pending.tenant, pending.job_id)
        else:
            self._ledger.search.settle(pending)

    def _published(self, keys: JobKeys) -> tuple[Sequence[Passage], Reviewed, int]:
        """Return what can be found of a job, what is to be heard of it, and the version of its transcript.

        Raises `BlobMissing` and `JobUnknown`.
        """
        versions = self._ledger.corrections.of_job(keys.tenant, keys.job_id)
        key = keys.corrected(versions[-1].name) if versions else keys.transcript
        transcript = decode(Transcript, self._store.get(key))
        minutes = None
        with contextlib.suppress(BlobMissing):
            minutes = decode(Minutes, self._store.get(keys.result("minutes.json")))
        reviewed = Reviewed(findings=findings_of(transcript, minutes), segments=transcript.segments)
        return passages_of(transcript, minutes), reviewed, len(versions)
