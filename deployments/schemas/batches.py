"""Batches on the wire: what is submitted, and what is shown."""

from datetime import UTC, datetime
from typing import Annotated, Any, Self

from pydantic import Field, SkipValidation, StringConstraints, model_validator

from deployments.schemas.estimates import EstimateBody
from deployments.schemas.option_values import given
from deployments.schemas.options import ApiModel
from deployments.schemas.references import MAX_METADATA, ExternalId
from deployments.sources.urls import public_part
from pipelines.jobs.batch import Batch, BatchCounts, BatchState, Entry, EntryState
from pipelines.jobs.job import JobState
from pipelines.jobs.options import NO_CONTROLS

BATCHES_PATH = "/v1/batches"
MAX_ENTRIES = 100_000
MAX_INLINE_BYTES = 4 << 20  # of a batch as one JSON object, which is parsed as a whole, unlike a manifest
MAX_OPTIONS = 64  # more than there are
_NAME = Annotated[str, StringConstraints(max_length=255, pattern=NO_CONTROLS)]


class ManifestEntry(ApiModel):
    """A recording of a batch: one line of a manifest, as a JSON object."""

    source: str | None = Field(
        None, min_length=1, max_length=4096, description="Where the recording is; left out: it is uploaded later."
    )
    filename: str | None = Field(None, max_length=255, description="Name to show; the source's last part.")
    custom_id: _NAME = Field("", description="The submitter's own name for it, told in every answer.")
    options: dict[str, Any] = Field(
        default_factory=dict, max_length=MAX_OPTIONS, description="As `Options`; goes before the batch's."
    )
    external_id: ExternalId | None = Field(None, description="As in `POST /v1/jobs`; its job has it too.")
    metadata: dict[str, str] = Field(
        default_factory=dict, max_length=MAX_METADATA, description="As in `POST /v1/jobs`."
    )

    @model_validator(mode="before")
    @classmethod
    def _without_empty(cls, values: Any) -> Any:
        return given(values) if isinstance(values, dict) else values

    @model_validator(mode="after")
    def _has_a_name(self) -> Self:
        if self.source is None and not self.filename:
            raise ValueError("either a source, or the filename of what will be uploaded")
        return self


class BatchRequest(ApiModel):
    """A batch by reference or inline: exactly one of ``entries``, ``manifest`` and ``prefix``.

    Entries are checked one by one by `deployments.intake.manifest.read_entries`, which names every mistake with its
    place.
    """

    name: _NAME = ""
    options: dict[str, Any] = Field(
        default_factory=dict, max_length=MAX_OPTIONS, description="For all entries; see the schema `Options`."
    )
    dry_run: bool = Field(False, description="Only look at the recordings; `resume` starts it.")
    entries: list[SkipValidation[ManifestEntry]] | None = Field(None, min_length=1, max_length=MAX_ENTRIES)
    manifest: str | None = Field(None, max_length=4096, description="Source URL of a manifest: a JSON object per line.")
    prefix: str | None = Field(None, max_length=4096, description="All recordings below `s3://bucket/prefix/`.")

    @model_validator(mode="before")
    @classmethod
    def _without_empty(cls, values: Any) -> Any:
        return given(values) if isinstance(values, dict) else values

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if [self.entries, self.manifest, self.prefix].count(None) != 2:
            raise ValueError("give exactly one of entries, manifest and prefix")
        return self


class BatchBody(ApiModel):
    """A batch and how far it is."""

    id: str
    name: str
    state: BatchState
    finished: bool = Field(description="Every entry has ended.")
    n_entries: int
    counts: dict[str, int] = Field(description="Entries by state; those that have a job by the job's state.")
    audio_s: float = Field(description="Seconds of audio found in its jobs so far, each channel of split ones counted.")
    done_s: float
    eta_s: float | None
    estimate: EstimateBody | None = Field(
        description="After a dry run. Once it is begun, `eta_s` tells what it still takes."
    )
    created_at: datetime
    updated_at: datetime
    request_id: str = Field(description="The `X-Request-ID` of the request that brought it; its jobs have it too.")

    @classmethod
    def of(cls, batch: Batch, counts: BatchCounts, speed: float, estimate: EstimateBody | None) -> Self:
        """Show a batch; ``speed`` is audio seconds per second, 0 while unknown."""
        by_state = [*counts.entries.items(), *counts.jobs.items(), ("gone", counts.gone)]
        open_ = sum(n for state, n in counts.entries.items() if state is not EntryState.DROPPED)
        live = sum(n for state, n in counts.jobs.items() if not state.final)
        return cls(
            id=batch.id,
            name=batch.name,
            state=batch.state,
            finished=not open_ and not live,
            n_entries=batch.n_entries,
            counts={str(state): n for state, n in by_state if n},
            audio_s=round(counts.audio_s, 3),
            done_s=round(counts.done_s, 3),
            eta_s=_eta_s(counts, open_, live, speed),
            estimate=estimate,
            created_at=datetime.fromtimestamp(batch.created_at_s, UTC),
            updated_at=datetime.fromtimestamp(batch.updated_at_s, UTC),
            request_id=batch.request_id,
        )


def _eta_s(counts: BatchCounts, n_open: int, n_live: int, speed: float) -> float | None:
    """Return seconds to the end, if the entries that have no job yet are as long as the others.

    None while nothing is known to remain.
    """
    n_seen = sum(counts.jobs.values())
    if not speed or not n_seen or not n_open + n_live:
        return None
    remaining_s = counts.audio_s - counts.done_s + n_open * counts.audio_s / n_seen
    return round(remaining_s / speed, 1) if remaining_s > 0 else None


class BatchList(ApiModel):
    """The newest batches."""

    batches: list[BatchBody]


class EntryBody(ApiModel):
    """A recording of a batch; ``state`` is its job's, where it has one."""

    seq: int
    custom_id: str
    external_id: str | None
    metadata: dict[str, str]
    filename: str
    source: str | None
    state: EntryState | JobState
    job_id: str | None
    reason: str | None
    detail: str

    @classmethod
    def of(cls, entry: Entry) -> Self:
        job = entry.job
        return cls(
            seq=entry.seq,
            custom_id=entry.custom_id,
            external_id=entry.reference.external_id or None,
            metadata=dict(entry.reference.metadata),
            filename=entry.filename,
            source=public_part(entry.source) or None,
            state=job.state if job else entry.state,
            job_id=entry.job_id,
            reason=job.reason if job else None,
            detail=job.detail if job else entry.detail,
        )


class EntryPage(ApiModel):
    """Entries in their order; ``next_after`` continues, and is null at the end."""

    entries: list[EntryBody]
    next_after: int | None


class Retried(ApiModel):
    """The entries that a retry queued again."""

    n_retried: int
    batch: BatchBody
