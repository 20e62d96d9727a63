"""Search on the wire: its query and its hits."""

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, StringConstraints, field_validator

from deployments.schemas.jobs import job_path
from deployments.schemas.options import ApiModel
from deployments.schemas.references import MAX_METADATA
from pipelines.jobs.options import NO_CONTROLS
from pipelines.search.passages import PassageKind
from pipelines.search.protocol import COUNTED, RANKED, Hit, SearchFilter, SearchSort
from pipelines.search.query import MAX_QUERY, SearchQuery
from pipelines.search.ranking import parts

SEARCH_PATH = "/v1/search"
SEARCH_DESCRIPTION = f"""
Finds passages of the tenant's transcripts, in their newest versions, and entries of its minutes: words (all of them, in
any order), `"phrases"`, `begin*nings` of at least two letters, and `-without`. Case, width and Latin accents do not
matter. Chinese, Japanese, Thai, Lao, Khmer and Burmese are searched by characters.

Hits are counted up to {COUNTED:,}, and the newest {RANKED:,} of them are ranked; with `sort=newest` all of them come.
What a job masks was masked before it was stored, and is not found. A job is found a moment after its end or its
correction: `pending` says how many of the tenant's jobs are still to be indexed.
"""

_Pair = Annotated[str, StringConstraints(min_length=2, max_length=321, pattern=NO_CONTROLS)]


class SearchQueryFields(ApiModel):
    """A search with its filters."""

    q: str = Field(
        min_length=1, max_length=MAX_QUERY, description='Words, "phrases", begin*, -without.', examples=["budget -2025"]
    )
    speaker: str | None = Field(
        None, min_length=1, max_length=255, pattern=NO_CONTROLS, description="Only what is said by this speaker."
    )
    language: str | None = Field(
        None, min_length=2, max_length=35, pattern=NO_CONTROLS, description="Only passages in it; a code such as `en`."
    )
    within: Literal["transcripts", "minutes"] | None = Field(None, description="Only these; both when left out.")
    metadata: list[_Pair] = Field(
        default_factory=list,
        max_length=MAX_METADATA,
        description="Only jobs with this pair, as `name=value`; may be repeated, then jobs with all of them.",
    )
    batch: str | None = Field(
        None, min_length=1, max_length=64, pattern=NO_CONTROLS, description="Only jobs of this batch."
    )
    job: str | None = Field(None, min_length=1, max_length=64, pattern=NO_CONTROLS, description="Only this job.")
    created_after: AwareDatetime | None = Field(None, description="Only jobs created at this time or later (ISO 8601).")
    created_before: AwareDatetime | None = Field(None, description="Only jobs created before this time (ISO 8601).")

    @field_validator("metadata")
    @classmethod
    def _are_pairs(cls, pairs: list[str]) -> list[str]:
        if any(not pair.partition("=")[0] or "=" not in pair for pair in pairs):
            raise ValueError("a pair is written name=value")
        return pairs

    def to_domain(self) -> SearchFilter:
        """Return the filter without query and page."""
        pairs = [pair.partition("=") for pair in self.metadata]
        return SearchFilter(
            speaker=self.speaker or "",
            language=self.language or "",
            minutes=None if self.within is None else self.within == "minutes",
            metadata=tuple((name, value) for name, _, value in pairs),
            batch_id=self.batch or "",
            job_id=self.job or "",
            created_from_s=self.created_after.timestamp() if self.created_after else None,
            created_before_s=self.created_before.timestamp() if self.created_before else None,
        )


class SearchParameters(SearchQueryFields):
    """A search and the place in its hits."""

    sort: SearchSort = Field(SearchSort.RELEVANCE, description="The best first, or those of the newest jobs.")
    limit: int = Field(20, ge=1, le=100, description="Hits per page.")
    cursor: str | None = Field(None, max_length=500, description="Position, from the `next` of the page before.")


class TextPartBody(ApiModel):
    """A piece of a passage."""

    text: str
    match: bool = Field(description="A term of the query stands here.")


class HitBody(ApiModel):
    """A passage that was found, with its second and its speaker."""

    job_id: str
    job: str = Field(description="URL of the job.")
    filename: str
    external_id: str | None
    metadata: dict[str, str]
    created_at: datetime
    kind: PassageKind = Field(description="A segment of the transcript (`speech`), or an entry of the minutes.")
    segment_id: int | None = Field(description="The segment, or the first that proves the entry of the minutes.")
    start_s: float = Field(description="On the recording's clock; 0 where no segment proves an entry of the minutes.")
    end_s: float
    speaker: str = Field(description="Who says it, of an action its owner; empty where that is unknown.")
    language: str
    version: int = Field(description="Of the transcript, 0 for the machine's.")
    score: float = Field(description="How much the passage is about the query; 0 where hits are not ranked.")
    text: list[TextPartBody] = Field(description="The passage in pieces; joined, they are its text.")

    @classmethod
    def from_domain(cls, hit: Hit, query: SearchQuery, base_url: str) -> "HitBody":
        job, passage = hit.job, hit.passage
        return cls(
            job_id=job.id,
            job=f"{base_url}{job_path(job.id)}",
            filename=job.filename,
            external_id=job.reference.external_id or None,
            metadata=dict(job.reference.metadata),
            created_at=datetime.fromtimestamp(job.created_at_s, UTC),
            kind=passage.kind,
            segment_id=passage.segment_id,
            start_s=round(passage.start_s, 3),
            end_s=round(passage.end_s, 3),
            speaker=passage.speaker,
            language=passage.language,
            version=hit.version,
            score=hit.score,
            text=[TextPartBody(text=part.text, match=part.match) for part in parts(passage.text, query)],
        )


class SearchBody(ApiModel):
    """One page of hits."""

    hits: list[HitBody]
    total: int = Field(description=f"Hits on all pages, counted up to {COUNTED:,}.")
    more: bool = Field(description="There are more hits than were counted.")
    pending: int = Field(description="Ended jobs of the tenant that are still to be indexed.")
    next: str | None = Field(description="URL of the next page; null at the end.")


class RebuildBody(ApiModel):
    """The rebuilding of the search index, which has begun."""

    pending: int = Field(description="Jobs of all tenants that are to be indexed.")
