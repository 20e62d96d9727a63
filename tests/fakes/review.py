"""`MemoryReview`: the review queue of `MemoryLedger`; same contract as the real one."""

from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from dataclasses import replace

from pipelines.errors import NotFound
from pipelines.jobs.job import Job
from pipelines.ledger.index.review_rows import item_id
from pipelines.ledger.protocol import Clock
from pipelines.review.cursor import ReviewCursor
from pipelines.review.items import Stretch, items_of
from pipelines.review.protocol import QueuedItem, Reviewed, ReviewFilter, ReviewPage


class MemoryReview:
    """`pipelines.review.protocol.ReviewQueue` in a dict; knows of no batches.

    ``using`` holds the ledger's lock and raises during an outage; ``jobs`` are the ledger's, by id; ``mark`` has jobs
    indexed again.
    """

    def __init__(
        self,
        *,
        using: Callable[[], AbstractContextManager[None]],
        jobs: Callable[[], dict[str, Job]],
        mark: Callable[[Collection[str]], None],
        clock: Clock,
    ) -> None:
        self._using = using
        self._jobs = jobs
        self._mark = mark
        self._clock = clock
        self._items: dict[str, QueuedItem] = {}

    def put(self, job: Job, reviewed: Reviewed, version: int) -> None:
        """What the search index does with its passages."""
        kept = {
            name: each for name, each in self._items.items() if each.job.id != job.id or each.heard_at_s is not None
        }
        heard = [
            Stretch(channel=each.item.channel, start_s=each.item.start_s, end_s=each.item.end_s)
            for each in kept.values()
            if each.job.id == job.id
        ]
        for item in items_of(reviewed.findings, reviewed.segments, heard):
            name = item_id(job.id, item)
            kept[name] = QueuedItem(id=name, job=job, item=item, version=version)
        self._items = kept

    def blank(self, job_id: str) -> None:
        """What `SearchIndex.forget` does with a job's items."""
        self._items = {
            name: each if each.job.id != job_id else replace(each, item=replace(each.item, text="", details=()))
            for name, each in self._items.items()
            if each.job.id != job_id or each.heard_at_s is not None
        }

    def drop(self, job_id: str) -> None:
        """What `Ledger.delete` does with a job's items."""
        self._items = {name: each for name, each in self._items.items() if each.job.id != job_id}

    def list(self, tenant: str, wanted: ReviewFilter, *, limit: int = 20, after: str | None = None) -> ReviewPage:
        end = ReviewCursor.parse(after, heard=wanted.heard) if after is not None else None
        with self._using():
            narrowed = [each for each in self._items.values() if _fits(each, tenant, wanted)]
        open_ = [each for each in narrowed if each.heard_at_s is None]
        heard = [each for each in narrowed if each.heard_at_s is not None]
        ordered = sorted((-_place(each), each.id, each) for each in (heard if wanted.heard else open_))
        left = [each for place, name, each in ordered if end is None or (place, name) > (-end.place, end.id)]
        last = left[limit - 1] if len(left) > limit else None
        return ReviewPage(
            items=tuple(replace(each, job=self._jobs()[each.job.id]) for each in left[:limit]),
            n_open=len(open_),
            n_heard=len(heard),
            open_s=sum(each.item.end_s - each.item.start_s for each in open_),
            next_cursor=str(ReviewCursor(heard=wanted.heard, place=_place(last), id=last.id)) if last else None,
        )

    def mark(self, tenant: str, item_id: str, *, author: str, heard: bool = True) -> QueuedItem:
        with self._using():
            item = self._items.get(item_id)
            if item is None or item.job.tenant != tenant:
                raise NotFound(f"There is no item {item_id} in the review queue.")
            if heard is (item.heard_at_s is None):
                at_s, by = (self._clock(), author) if heard else (None, "")
                item = self._items[item_id] = replace(item, heard_at_s=at_s, heard_by=by)
            if not heard:
                self._mark([item.job.id])
            return replace(item, job=self._jobs()[item.job.id])


def _place(item: QueuedItem) -> float:
    return item.item.score if item.heard_at_s is None else item.heard_at_s


def _fits(item: QueuedItem, tenant: str, wanted: ReviewFilter) -> bool:
    return (
        item.job.tenant == tenant
        and (not wanted.job_id or item.job.id == wanted.job_id)
        and (wanted.reason is None or wanted.reason in item.item.reasons)
        and not wanted.batch_id
    )
