"""Rows of the review queue, inside the caller's transaction, which has locked the job's row."""

import json

from sqlalchemy import Connection, delete, insert, select, update

from pipelines.jobs.job import Job
from pipelines.ledger.rules import storable
from pipelines.ledger.schema import review_items
from pipelines.review.items import ReviewItem, Stretch, items_of
from pipelines.review.protocol import Reviewed


def item_id(job_id: str, item: ReviewItem) -> str:
    """Return the name of an item, which stays when the job is indexed again; `job_id_of` reads it."""
    return f"{job_id}.{item.channel}.{round(item.start_s * 1000)}-{round(item.end_s * 1000)}"


def job_id_of(name: str) -> str:
    """Return the job of an item by its name; of another text something that names no job."""
    return name.rsplit(".", 2)[0]


def put_items(connection: Connection, job: Job, reviewed: Reviewed, version: int) -> None:
    """Write a job's items in place of its open ones; what was heard stays, and brings no item again."""
    own = review_items.c.job_id == job.id
    connection.execute(delete(review_items).where(own, review_items.c.heard_at_s.is_(None)))
    columns = (review_items.c.channel, review_items.c.start_s, review_items.c.end_s)
    heard = [
        Stretch(channel=channel, start_s=start_s, end_s=end_s)
        for channel, start_s, end_s in connection.execute(select(*columns).where(own))
    ]
    rows = [
        {
            "id": item_id(job.id, item),
            "job_id": job.id,
            "tenant": job.tenant,
            "channel": item.channel,
            "version": version,
            "start_s": item.start_s,
            "end_s": item.end_s,
            "score": item.score,
            "reasons": _spaced(item.reasons),
            "details": storable(json.dumps(item.details, ensure_ascii=False)),
            "text": storable(item.text),
            "heard_by": "",
        }
        for item in items_of(reviewed.findings, reviewed.segments, heard)
    ]
    if rows:
        connection.execute(insert(review_items), rows)


def blank_items(connection: Connection, job_id: str) -> None:
    """Delete a job's open items, and what the heard ones tell of the transcript."""
    own = review_items.c.job_id == job_id
    connection.execute(delete(review_items).where(own, review_items.c.heard_at_s.is_(None)))
    connection.execute(update(review_items).where(own).values(text="", details="[]"))


def holds_reason(reason: str) -> str:
    """Return a text that the stored reasons of an item hold where ``reason`` is among them."""
    return f" {reason} "


def _spaced(reasons: tuple[str, ...]) -> str:
    return f" {' '.join(reasons)} "
