"""The review queue on the wire: its query and its items."""

from datetime import UTC, datetime

from pydantic import Field

from deployments.schemas.jobs import job_path
from deployments.schemas.options import ApiModel
from pipelines.core import DOUBTFUL_WORD_BELOW
from pipelines.jobs.options import NO_CONTROLS
from pipelines.review.items import ITEM_S, MAX_TEXT
from pipelines.review.protocol import QueuedItem, ReviewFilter
from pipelines.review.reasons import WEIGHTS, ReviewReason

REVIEW_PATH = "/v1/review"
_WEIGHTS = ", ".join(f"{reason.value} {weight:g}" for reason, weight in WEIGHTS.items())
REVIEW_DESCRIPTION = f"""
Lists stretches of at most {ITEM_S:g} s that are most worth a person's ear, of the newest versions of all the tenant's
transcripts, the most doubtful first: speech of which no word was understood (`unheard`) or that could not be
transcribed (`failed`), passages that fail rules of quality (`suspect`), in an uncertain language (`language`), of
nobody known or with another voice over it (`speaker`), and doubtful words (confidence under {DOUBTFUL_WORD_BELOW:g}) in
names (`name`), numbers (`number`) and the evidence of decisions and tasks (`decision`, also where these could not be
verified). Words have a confidence where they have times (`word_timestamps`).

An item's score is the harm to expect: the sum of its reasons' weights ({_WEIGHTS}), each times how probably it applies.
An item is there a moment after its job's end or a correction. What was marked as done does not come back with later
versions.
"""


class ReviewParameters(ApiModel):
    """A part of the queue and the place in it."""

    batch: str | None = Field(
        None, min_length=1, max_length=64, pattern=NO_CONTROLS, description="Only jobs of this batch."
    )
    job: str | None = Field(None, min_length=1, max_length=64, pattern=NO_CONTROLS, description="Only this job.")
    reason: ReviewReason | None = Field(None, description="Only items with this reason.")
    done: bool = Field(False, description="Those that were marked as done instead, the latest first.")
    limit: int = Field(20, ge=1, le=100, description="Items per page.")
    cursor: str | None = Field(None, max_length=500, description="Position, from the `next` of the page before.")

    def to_domain(self) -> ReviewFilter:
        return ReviewFilter(batch_id=self.batch or "", job_id=self.job or "", reason=self.reason, heard=self.done)


class ReviewItemBody(ApiModel):
    """A stretch of a recording that is worth listening to."""

    id: str
    job_id: str
    job: str = Field(description="URL of the job.")
    filename: str
    external_id: str | None
    metadata: dict[str, str]
    channel: int
    start_s: float = Field(description="On the recording's clock.")
    end_s: float
    audio: str | None = Field(
        description="URL of the playback copy, with the stretch as media fragment; null where the job kept none "
        "(`keep_audio`)."
    )
    score: float = Field(description="The harm to expect of its errors.")
    reasons: list[ReviewReason] = Field(description="By their part in the score.")
    details: list[str] = Field(description="Doubtful words, notes of the coverage ledger.")
    text: str = Field(description=f"What the transcript says there; its first {MAX_TEXT} characters.")
    version: int = Field(description="Of the transcript, 0 for the machine's.")
    done_at: datetime | None
    done_by: str = Field(description="What names the credential that marked it; empty without authentication.")

    @classmethod
    def from_domain(cls, queued: QueuedItem, base_url: str) -> "ReviewItemBody":
        job, item = queued.job, queued.item
        url = f"{base_url}{job_path(job.id)}"
        return cls(
            id=queued.id,
            job_id=job.id,
            job=url,
            filename=job.filename,
            external_id=job.reference.external_id or None,
            metadata=dict(job.reference.metadata),
            channel=item.channel,
            start_s=round(item.start_s, 3),
            end_s=round(item.end_s, 3),
            audio=f"{url}/audio#t={item.start_s:.3f},{item.end_s:.3f}" if job.options.keep_audio else None,
            score=item.score,
            reasons=list(item.reasons),
            details=list(item.details),
            text=item.text,
            version=queued.version,
            done_at=datetime.fromtimestamp(queued.heard_at_s, UTC) if queued.heard_at_s is not None else None,
            done_by=queued.heard_by,
        )


class ReviewBody(ApiModel):
    """One page of the queue."""

    items: list[ReviewItemBody]
    open: int = Field(description="Items that wait, on all pages.")
    open_s: float = Field(description="Seconds to listen to them.")
    done: int = Field(description="Items that were marked as done.")
    next: str | None = Field(description="URL of the next page; null at the end.")
