"""The list of transcripts as AssemblyAI's clients page through it, newest first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from urllib.parse import urlencode

from pydantic import Field

from deployments.http.assemblyai.responses import STATES, Status, status_of
from deployments.http.waiting import failure_of
from deployments.schemas.options import ApiModel
from deployments.sources.urls import public_part
from pipelines.jobs.job import Job
from pipelines.ledger.job_filter import JobFilter

MAX_PAGE = 200


class TranscriptQuery(ApiModel):
    """Which transcripts to list."""

    limit: int = Field(10, ge=1, le=MAX_PAGE)
    status: Status | None = None
    created_on: date | None = Field(default=None, le=date(9000, 1, 1), description="A day (UTC).")
    before_id: str | None = Field(default=None, min_length=1, max_length=64, description="Only older ones than this.")
    after_id: str | None = Field(default=None, min_length=1, max_length=64, description="Only newer ones than this.")
    throttled_only: bool = Field(False, description="There are none: `true` lists nothing.")

    def wanted(self, after: Job | None) -> JobFilter:
        """Return the filter; ``after`` is the job of ``after_id``."""
        day = datetime.combine(self.created_on, datetime.min.time(), UTC) if self.created_on else None
        bounds = [day.timestamp() if day else None, after.created_at_s if after else None]
        return JobFilter(
            states=STATES[self.status] if self.status else (),
            created_from_s=max((bound for bound in bounds if bound is not None), default=None),
            created_before_s=(day + timedelta(days=1)).timestamp() if day else None,
        )


class TranscriptItem(ApiModel):
    """A transcript of the list."""

    id: str
    resource_url: str
    status: Status
    created: str
    completed: str | None
    audio_url: str
    error: str | None


class TranscriptPage(ApiModel):
    """Where the page is in the list."""

    limit: int
    result_count: int
    current_url: str
    prev_url: str | None = Field(description="URL of the page of older ones; null on the last.")
    next_url: None = Field(default=None, description="Newer ones are at the list's own URL.")


class TranscriptList(ApiModel):
    """A page of transcripts, newest first."""

    page_details: TranscriptPage
    transcripts: list[TranscriptItem]


@dataclass(frozen=True, kw_only=True)
class Listing:
    """Writes pages; ``url`` is that of the list."""

    url: str

    def page(self, query: TranscriptQuery, jobs: Sequence[Job], *, goes_on: bool) -> TranscriptList:
        """Return the page of these jobs; ``goes_on``: there are older ones."""
        asked = query.model_dump(mode="json", exclude_defaults=True)
        older = {**asked, "before_id": jobs[-1].id} if jobs and goes_on else None
        return TranscriptList(
            page_details=TranscriptPage(
                limit=query.limit,
                result_count=len(jobs),
                current_url=self._page_url(asked),
                prev_url=self._page_url(older) if older else None,
            ),
            transcripts=[self._item(job) for job in jobs],
        )

    def _page_url(self, query: Mapping[str, object]) -> str:
        return f"{self.url}?{urlencode(query)}" if query else self.url

    def _item(self, job: Job) -> TranscriptItem:
        failure = failure_of(job)
        return TranscriptItem(
            id=job.id,
            resource_url=f"{self.url}/{job.id}",
            status=status_of(job),
            created=_time(job.created_at_s),
            completed=_time(job.updated_at_s) if job.state.final else None,
            audio_url=public_part(job.source_url),
            error=failure.detail if failure else None,
        )


def _time(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).replace(tzinfo=None).isoformat()
