"""`MemorySearch`: the search index of `MemoryLedger`, which looks at every passage; same contract as the real one."""

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager

from pipelines.ids import new_id
from pipelines.jobs.job import Job
from pipelines.ledger.protocol import Clock
from pipelines.review.protocol import NOTHING_TO_REVIEW
from pipelines.search.cursor import SearchCursor
from pipelines.search.passages import Passage
from pipelines.search.protocol import (
    COUNTED,
    ERASURE_S,
    RANKED,
    Hit,
    IndexEntry,
    PendingJob,
    SearchFilter,
    SearchPage,
    SearchSort,
)
from pipelines.search.query import SearchQuery
from pipelines.search.ranking import score
from tests.fakes.review import MemoryReview


class MemorySearch:
    """`pipelines.search.protocol.SearchIndex` in dicts; knows of no batches.

    ``using`` holds the ledger's lock and raises during an outage; ``jobs`` are the ledger's, by id.
    """

    def __init__(
        self, *, using: Callable[[], AbstractContextManager[None]], jobs: Callable[[], dict[str, Job]], clock: Clock
    ) -> None:
        self._using = using
        self._jobs = jobs
        self._clock = clock
        self._pending: dict[str, tuple[float, str]] = {}
        self._passages: dict[str, tuple[tuple[Passage, ...], int]] = {}
        self._numbers: dict[str, int] = {}
        self.review = MemoryReview(using=using, jobs=jobs, mark=self.mark, clock=clock)

    def mark(self, job_ids: Collection[str], delay_s: float = 0.0) -> None:
        """What the ledger does when a job changes."""
        for job_id in job_ids:
            held_s, _ = self._pending.get(job_id, (0.0, ""))
            self._pending[job_id] = (max(held_s, self._clock() + delay_s), new_id())

    def drop(self, job_id: str) -> None:
        """What `Ledger.delete` does with a job's passages."""
        self._pending.pop(job_id, None)
        self._passages.pop(job_id, None)
        self.review.drop(job_id)

    def pending(self, limit: int) -> Sequence[PendingJob]:
        with self._using():
            due = sorted((at_s, job_id, stamp) for job_id, (at_s, stamp) in self._pending.items())
            now_s = self._clock()
            return [
                PendingJob(tenant=self._jobs()[job_id].tenant, job_id=job_id, stamp=stamp)
                for at_s, job_id, stamp in due
                if at_s <= now_s
            ][:limit]

    def claim(self, limit: int, seconds: float) -> Sequence[PendingJob]:
        with self._using():
            claimed = self.pending(limit)
            for each in claimed:
                self._pending[each.job_id] = (self._clock() + seconds, each.stamp)
            return claimed

    def write(self, entries: Sequence[IndexEntry]) -> Sequence[PendingJob]:
        with self._using():
            return [entry.pending for entry in entries if self._write(entry)]

    def settle(self, pending: Sequence[PendingJob]) -> None:
        with self._using():
            for each in filter(self._unchanged, pending):
                del self._pending[each.job_id]

    def defer(self, pending: Sequence[PendingJob], seconds: float) -> None:
        with self._using():
            for each in filter(self._unchanged, pending):
                self._pending[each.job_id] = (self._clock() + seconds, each.stamp)

    def forget(self, tenant: str, job_id: str) -> None:
        with self._using():
            job = self._jobs().get(job_id)
            if job is not None and job.tenant == tenant:
                self._passages.pop(job_id, None)
                self.review.blank(job_id)
                self.mark([job_id], ERASURE_S)

    def rebuild(self) -> int:
        with self._using():
            ended = [job.id for job in self._jobs().values() if job.state.final]
            self.mark(ended)
            return len(ended)

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
        end = SearchCursor.parse(after, sort) if after is not None else None
        with self._using():
            jobs = {job_id: job for job_id, job in self._jobs().items() if job.tenant == tenant}
            newest = sorted(
                (job_id for job_id in self._passages if job_id in jobs and _passes(jobs[job_id], wanted)),
                key=self._numbers.__getitem__,
                reverse=True,
            )
            found = [
                (job_id, i)
                for job_id in newest
                for i, passage in enumerate(self._passages[job_id][0])
                if _fits(passage, wanted) and score(passage.text, query) > 0
            ]
            places = {}
            for job_id, i in found[:RANKED] if sort is SearchSort.RELEVANCE else found:
                value = score(self._passages[job_id][0][i].text, query) if sort is SearchSort.RELEVANCE else 0.0
                order = -((self._numbers[job_id] << 20) + (1 << 20) - i - 1)
                places[SearchCursor(sort=sort, score=-value, order=order)] = (job_id, i)
            left = [place for place in sorted(places) if end is None or place > end]
            shown = left[:limit]
            hits = []
            for place in shown:
                job_id, i = places[place]
                passages, version = self._passages[job_id]
                hits.append(Hit(job=jobs[job_id], passage=passages[i], version=version, score=-place.score or 0.0))
            return SearchPage(
                hits=tuple(hits),
                total=min(len(found), COUNTED),
                more=len(found) > COUNTED,
                n_pending=sum(job_id in jobs for job_id in self._pending),
                next_cursor=str(shown[-1]) if len(left) > limit else None,
            )

    def _write(self, entry: IndexEntry) -> bool:
        pending = entry.pending
        if not self._unchanged(pending):
            return False
        if pending.job_id not in self._numbers:
            number = round(self._jobs()[pending.job_id].created_at_s * 1000) * 2
            while number in self._numbers.values():
                number += 1
            self._numbers[pending.job_id] = number
        self._passages[pending.job_id] = tuple(entry.passages), entry.version
        job = self._jobs()[pending.job_id]
        self.review.put(job, entry.reviewed if job.decodes else NOTHING_TO_REVIEW, entry.version)
        return True

    def _unchanged(self, pending: PendingJob) -> bool:
        job = self._jobs().get(pending.job_id)
        if job is None or job.tenant != pending.tenant:
            return False
        return self._pending.get(pending.job_id, (0.0, ""))[1] == pending.stamp


def _passes(job: Job, wanted: SearchFilter) -> bool:
    return (
        (not wanted.job_id or job.id == wanted.job_id)
        and set(wanted.metadata) <= set(job.reference.metadata)
        and (wanted.created_from_s is None or job.created_at_s >= wanted.created_from_s)
        and (wanted.created_before_s is None or job.created_at_s < wanted.created_before_s)
        and not wanted.batch_id
    )


def _fits(passage: Passage, wanted: SearchFilter) -> bool:
    return (
        (wanted.minutes is None or passage.kind.in_minutes is wanted.minutes)
        and (not wanted.speaker or passage.speaker.strip().casefold() == wanted.speaker.strip().casefold())
        and (not wanted.language or passage.language == wanted.language.partition("-")[0].lower())
    )
