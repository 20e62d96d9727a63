"""Rows of the review queue, inside the caller's transaction, which has locked the jobs' rows."""

import json
from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, delete, insert, select, update

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


_OF_JOBS = review_items.c.job_id.in_(bindparam("ids", expanding=True))
_REMOVE_OPEN = delete(review_items).where(_OF_JOBS, review_items.c.heard_at_s.is_(None))
_HEARD = select(
    *(review_items.c.job_id, review_items.c.channel, review_items.c.start_s, review_items.c.end_s),
).where(_OF_JOBS)


def put_items(connection: Connection, found: Sequence[tuple[Job, Reviewed, int]]) -> None:
    """Write the items of jobs, each of a version of its transcript, in place of their open ones.

    What was heard stays, and brings no item again.
    """
    ids = {"ids": [job.id for job, _, _ in found]}
    connection.execute(_REMOVE_OPEN, ids)
    heard: defaultdict[str, list[Stretch]] = defaultdict(list)
    for job_id, channel, start_s, end_s in connection.execute(_HEARD, ids):
        heard[job_id].append(Stretch(channel=channel, start_s=start_s, end_s=end_s))
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
        for job, reviewed, version in found
        for item in items_of(reviewed.findings, reviewed.segments, heard[job.id])
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
