"""The review queue in the ledger's database: `SqlReview`."""

import json
from typing import Any

from sqlalchemy import Connection, Row, and_, func, or_, select, update
from sqlalchemy.sql.elements import ColumnElement

from pipelines.errors import JobUnknown, NotFound
from pipelines.ledger.database import Database
from pipelines.ledger.index.review_rows import holds_reason, job_id_of
from pipelines.ledger.index.search_rows import mark
from pipelines.ledger.protocol import Clock
from pipelines.ledger.rows import job_of, known_row
from pipelines.ledger.rules import storable
from pipelines.ledger.schema import batch_entries, jobs, review_items
from pipelines.review.cursor import ReviewCursor
from pipelines.review.items import ReviewItem
from pipelines.review.protocol import QueuedItem, ReviewFilter, ReviewPage
from pipelines.review.reasons import ReviewReason


class SqlReview:
    """Implements `pipelines.review.protocol.ReviewQueue` by SQL; ``clock`` gives Unix seconds."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def list(self, tenant: str, wanted: ReviewFilter, *, limit: int = 20, after: str | None = None) -> ReviewPage:
        """Return one page of a tenant's items; see `pipelines.review.protocol.ReviewQueue.list`."""
        end = ReviewCursor.parse(after, heard=wanted.heard) if after is not None else None
        item = review_items.c
        place = item.heard_at_s if wanted.heard else item.score
        narrowed = _narrowed(tenant, wanted)
        shown = [*narrowed, _is_heard() if wanted.heard else ~_is_heard()]
        if end is not None:
            shown.append(or_(place < end.place, and_(place == end.place, item.id > end.id)))
        query = select(review_items).where(*shown).order_by(place.desc(), item.id).limit(limit + 1)
        counts = select(_is_heard().label("heard"), func.count(), func.sum(item.end_s - item.start_s))
        with self._database.reading() as connection:
            rows = list(connection.execute(query))
            counted = {
                bool(heard): (n, seconds)
                for heard, n, seconds in connection.execute(counts.where(*narrowed).group_by(_is_heard()))
            }
            found = _with_jobs(connection, rows[:limit])
        last = rows[limit - 1] if len(rows) > limit else None
        n_open, open_s = counted.get(False, (0, 0.0))
        return ReviewPage(
            items=tuple(found),
            n_open=n_open,
            n_heard=counted.get(True, (0, 0.0))[0],
            open_s=open_s,
            next_cursor=str(ReviewCursor(heard=wanted.heard, place=_place(last, wanted.heard), id=last.id))
            if last is not None
            else None,
        )

    def mark(self, tenant: str, item_id: str, *, author: str, heard: bool = True) -> QueuedItem:
        """Note that somebody has listened, or nobody; see `pipelines.review.protocol.ReviewQueue.mark`."""
        named = review_items.c.id == storable(item_id)
        with self._database.writing() as connection:
            try:
                known_row(connection, tenant, job_id_of(item_id), lock=True)
            except JobUnknown:
                raise NotFound(f"There is no item {item_id} in the review queue.") from None
            at_s, by = (self._clock(), storable(author)) if heard else (None, "")
            change = update(review_items).where(named, ~_is_heard() if heard else _is_heard())
            connection.execute(change.values(heard_at_s=at_s, heard_by=by))
            row = connection.execute(select(review_items).where(named)).one_or_none()
            if row is None:
                raise NotFound(f"There is no item {item_id} in the review queue.")
            if not heard:
                mark(connection, [row.job_id], self._clock())
            (item,) = _with_jobs(connection, [row])
            return item


def _is_heard() -> ColumnElement[bool]:
    return review_items.c.heard_at_s.is_not(None)


def _narrowed(tenant: str, wanted: ReviewFilter) -> list[ColumnElement[bool]]:
    """Return what all items have in common that the filter leaves, heard or not."""
    conditions: list[ColumnElement[bool]] = [review_items.c.tenant == storable(tenant)]
    if wanted.job_id:
        conditions.append(review_items.c.job_id == storable(wanted.job_id))
    if wanted.batch_id:
        of_batch = select(batch_entries.c.job_id).where(
            batch_entries.c.batch_id == storable(wanted.batch_id), batch_entries.c.job_id.is_not(None)
        )
        conditions.append(review_items.c.job_id.in_(of_batch))
    if wanted.reason is not None:
        conditions.append(review_items.c.reasons.contains(holds_reason(wanted.reason), autoescape=True))
    return conditions


def _place(row: Row[Any], heard: bool) -> float:
    place: float = row.heard_at_s if heard else row.score
    return place


def _with_jobs(connection: Connection, rows: list[Row[Any]]) -> list[QueuedItem]:
    of_items = select(jobs).where(jobs.c.id.in_({row.job_id for row in rows}))
    known = {row.id: job_of(row) for row in connection.execute(of_items)}
    return [
        QueuedItem(
            id=row.id,
            job=known[row.job_id],
            item=ReviewItem(
                channel=row.channel,
                start_s=row.start_s,
                end_s=row.end_s,
                score=row.score,
                reasons=tuple(map(ReviewReason, row.reasons.split())),
                details=tuple(json.loads(row.details)),
                text=row.text,
            ),
            version=row.version,
            heard_at_s=row.heard_at_s,
            heard_by=row.heard_by,
        )
        for row in rows
        if row.job_id in known
    ]
