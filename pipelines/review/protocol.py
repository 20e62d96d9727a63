"""`ReviewQueue`: the items of ended jobs that wait for somebody to listen, and those that somebody has heard.

Items are written with the passages of a search index, in its transaction and by its outbox
(`pipelines.search.protocol.SearchIndex.write`): none is missing, none stays when its transcript is gone. What was heard
is kept by its stretch of the recording, so that later versions of the transcript do not bring it back.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from pipelines.core import Segment
from pipelines.jobs.job import Job
from pipelines.review.findings import Finding
from pipelines.review.items import ReviewItem
from pipelines.review.reasons import ReviewReason


@dataclass(frozen=True, kw_only=True)
class Reviewed:
    """The findings of a transcript, and its segments, of which items take their text."""

    findings: Sequence[Finding] = ()
    segments: Sequence[Segment] = ()


NOTHING_TO_REVIEW = Reviewed()


@dataclass(frozen=True, kw_only=True)
class ReviewFilter:
    """Narrow the queue; a field that is left out narrows nothing. ``heard`` shows what was marked instead."""

    batch_id: str = ""
    job_id: str = ""
    reason: ReviewReason | None = None
    heard: bool = False


@dataclass(frozen=True, kw_only=True)
class QueuedItem:
    """An item of the queue, its name and its job; ``heard_at_s`` (Unix seconds) and ``heard_by`` once it is marked.

    ``version`` is that of the transcript which it is about.
    """

    id: str
    job: Job
    item: ReviewItem
    version: int
    heard_at_s: float | None = None
    heard_by: str = ""


@dataclass(frozen=True, kw_only=True)
class ReviewPage:
    """Some items; ``next_cursor`` continues after the last one and is None at the end.

    ``n_open`` and ``n_heard`` count the items that the filter's other fields leave, ``open_s`` sums up the length of
    the open ones.
    """

    items: tuple[QueuedItem, ...]
    n_open: int
    n_heard: int
    open_s: float
    next_cursor: str | None


class ReviewQueue(Protocol):
    """The review queue of a ledger. Methods block and are thread-safe, and raise `LedgerUnavailable`."""

    def list(self, tenant: str, wanted: ReviewFilter, *, limit: int = 20, after: str | None = None) -> ReviewPage:
        """Return one page of a tenant's items: the highest score first, of heard ones the latest.

        ``after`` is the cursor of the page before; raises `InvalidRequest` when it is none.
        """

    def mark(self, tenant: str, item_id: str, *, author: str, heard: bool = True) -> QueuedItem:
        """Note that somebody has listened, or, with ``heard`` False, that nobody has; returns the item.

        May be repeated: the first mark stays. Where nobody has, the job is looked through anew, for it may have changed
        meanwhile. Raises `NotFound` for an item that is not the tenant's, or is gone.
        """
