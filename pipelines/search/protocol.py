"""`SearchIndex`: what can be found of ended jobs, and which of them are still to be indexed.

The ledger marks a job as pending in the transaction that ends it, that gives it minutes later, or that corrects its
transcript (an outbox). An indexer reads what is published and writes the passages; the mark goes when nothing has
changed meanwhile. A process that is killed in between leaves the mark. Passages belong to their job's row and go with
it; an erasure takes them first of all (`SearchIndex.forget`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from pipelines.jobs.job import Job
from pipelines.review.protocol import NOTHING_TO_REVIEW, Reviewed
from pipelines.search.passages import Passage
from pipelines.search.query import SearchQuery

COUNTED = 10_000
"""Hits that are counted: beyond, there are "more"."""

RANKED = 1_000
"""Hits that are ranked: the newest ones. Sorted by time, every hit comes."""


ERASURE_S = 600.0
"""After so long a job that was to be erased and is still there is indexed again."""


class SearchSort(StrEnum):
    """The order of hits: the best first, or those of the newest jobs, within a job from its start."""

    RELEVANCE = "relevance"
    NEWEST = "newest"


@dataclass(frozen=True, kw_only=True)
class SearchFilter:
    """Narrow a search; a field that is left out narrows nothing.

    Times are Unix seconds of the job's creation, the later one excluded. ``speaker`` is compared without case,
    ``language`` is a code without region. ``minutes`` leaves only them, or, when False, only the transcript.
    """

    speaker: str = ""
    language: str = ""
    minutes: bool | None = None
    metadata: tuple[tuple[str, str], ...] = ()
    batch_id: str = ""
    job_id: str = ""
    created_from_s: float | None = None
    created_before_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class Hit:
    """A passage, the job it is from, the version of the transcript, and its score (0.0 where hits are not ranked)."""

    job: Job
    passage: Passage
    version: int
    score: float


@dataclass(frozen=True, kw_only=True)
class SearchPage:
    """Some hits; ``next_cursor`` continues after the last one and is None at the end.

    ``total`` counts all hits, up to `COUNTED`; ``more`` says that there are more. ``n_pending`` is how many of the
    tenant's jobs are still to be indexed.
    """

    hits: tuple[Hit, ...]
    total: int
    more: bool
    n_pending: int
    next_cursor: str | None


@dataclass(frozen=True, kw_only=True)
class PendingJob:
    """A job to index; ``stamp`` changes whenever something about it does."""

    tenant: str
    job_id: str
    stamp: str


@dataclass(frozen=True, kw_only=True)
class IndexEntry:
    """What can be found of a pending job, and what is to be heard of it, as of a version of its transcript."""

    pending: PendingJob
    passages: Sequence[Passage] = ()
    version: int = 0
    reviewed: Reviewed = NOTHING_TO_REVIEW


class SearchIndex(Protocol):
    """The index of a ledger. Methods block and are thread-safe, and raise `LedgerUnavailable`."""

    def pending(self, limit: int) -> Sequence[PendingJob]:
        """Return jobs whose time to be indexed has come, those first that wait longest."""

    def claim(self, limit: int, seconds: float) -> Sequence[PendingJob]:
        """Return what `pending` does, to one caller only: others are told of these jobs after some seconds."""

    def write(self, entries: Sequence[IndexEntry]) -> Sequence[PendingJob]:
        """Put passages in place of jobs' earlier ones, of all jobs in one transaction; each job comes once.

        Returns the jobs that it was done for, in order: not those that have changed since or are gone.
        ``reviewed`` puts items into the review queue in place of the job's open ones, unless the job only wrote minutes
        anew: the first one of the recording has them.
        Jobs stay pending until `settle`, so that their writer can look whether what it read is still there.
        """

    def settle(self, pending: Sequence[PendingJob]) -> None:
        """Note that jobs are indexed, except those that have changed since."""

    def defer(self, pending: Sequence[PendingJob], seconds: float) -> None:
        """Leave jobs pending and come back to them later."""

    def forget(self, tenant: str, job_id: str) -> None:
        """Remove a job's passages, and what the review queue tells of it, before its transcript is erased.

        It pends from `ERASURE_S` on, in case nobody erases it after all: no indexer may come between the two.
        """

    def rebuild(self) -> int:
        """Mark every ended job as pending; what is found meanwhile stays. Return how many there are."""

    def find(
        self,
        tenant: str,
        query: SearchQuery,
        wanted: SearchFilter,
        *,
        sort: SearchSort = SearchSort.RELEVANCE,
        limit: int = 20,
        after: str | None = None,
    ) -> SearchPage:
        """Return one page of a tenant's hits; ``after`` is the cursor of the page before.

        Raises `InvalidRequest` when it is none.
        """
