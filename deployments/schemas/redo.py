"""Doing one stage of jobs again, on the wire: the request, the jobs it selects, and the answer."""

from collections.abc import Sequence
from typing import Annotated, Any, Self

from pydantic import Field, StringConstraints, model_validator

from deployments.schemas.estimates import EstimateBody
from deployments.schemas.jobs import JOBS_PATH, JobBody
from deployments.schemas.options import ApiModel, LanguageFields, VersionOverrides, with_options
from deployments.schemas.search import SearchQueryFields
from pipelines.errors import Reason
from pipelines.jobs.options import NO_CONTROLS, options_of
from pipelines.jobs.stages import STAGES, Stage, Work

REDO_PATH = "/v1/redo"
JOB_REDO_PATH = JOBS_PATH + "/{job_id}/redo"
MAX_JOBS = 500
"""Jobs of one request: each is looked at, and made, while its client waits."""

REDO_DESCRIPTION = """
Makes a new job for each that is selected, which does one stage again and takes the rest from the earlier one: that one
stays as it is, and both are listed as versions of each other.

- `language`: which languages are spoken is decided again, by `language` or `languages`, or else detected;
- `words`: speech is decoded again in the languages that were found, by another `model` for instance;
- `speakers`: voices are told apart again; words stay, and none is decoded;
- `minutes`: minutes are written again from the transcript;
- `documents`: documents are made again of the same transcript and minutes, by another template or in another script.

The first three take the recording that `keep_audio` kept; without it a job is refused as `audio_gone`. What follows a
stage is made anew: `minutes=none` leaves minutes out. Options that are not given stay those of each job; a stage takes
those of its own only. What the job masks stays masked. With `dry_run` nothing is made: the answer tells hours and
price. An `Idempotency-Key` makes repeating the request harmless, also one that was interrupted.
"""

_OPTIONS = frozenset(name for rule in STAGES.values() for name in rule.options)

JobId = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=NO_CONTROLS)]


@with_options(*(option for option in options_of() if option.name in _OPTIONS), may_be_null=True)
class RedoOptions(LanguageFields, VersionOverrides):
    """Options for doing a stage again: given ones replace those of the job, the rest stays."""

    def given(self) -> dict[str, Any]:
        """Return the job options that were given."""
        return {name: value for name, value in self if name in _OPTIONS and value is not None}


class RedoRequest(RedoOptions):
    """A stage to do again, and its options: given ones replace those of the job, the rest stays."""

    stage: Stage = Field(description="Which stage is done again.")
    dry_run: bool = Field(False, description="Make nothing; tell what would be done, hours and price.")

    @model_validator(mode="after")
    def _stage_reads_them(self) -> Self:
        unread = [name for name in self.given() if name not in STAGES[self.stage].options]
        if unread:
            raise ValueError(f"the stage {self.stage} does not read {', '.join(unread)}")
        if self.stage in (Stage.LANGUAGE, Stage.WORDS) and self.version is not None:
            raise ValueError(f"the stage {self.stage} takes no version of the transcript")
        return self


class RedoManyRequest(RedoRequest):
    """A stage to do again of several jobs: those that are named, those of a batch, or those that a search finds."""

    jobs: list[JobId] | None = Field(None, min_length=1, max_length=MAX_JOBS, description="Ids of jobs.")
    batch: JobId | None = Field(None, description=f"Jobs of this batch, of {MAX_JOBS} entries at a time.")
    after: int = Field(-1, ge=-1, le=1 << 31, description="Entries of the batch behind this one: `next_after`.")
    search: SearchQueryFields | None = Field(
        None, description="Jobs with hits of this search; of several versions of a recording, the newest."
    )

    @model_validator(mode="after")
    def _one_selection(self) -> Self:
        if self.after >= 0 and self.batch is None:
            raise ValueError("after goes with batch")
        if sum(chosen is not None for chosen in (self.jobs, self.batch, self.search)) != 1:
            raise ValueError("give exactly one of jobs, batch and search")
        return self


class RedoneBody(ApiModel):
    """A job that was selected: what is done for it, or why nothing is."""

    job_id: str
    filename: str
    work: Work | None = Field(description="What is done with its recording; null where it is refused.")
    audio_s: float = Field(description="Length of the recording, each channel of split ones.")
    redo: str | None = Field(description="Id of the job that does the stage again; null in a dry run.")
    created: bool = Field(description="False in a dry run, and where an earlier request under this key made the job.")
    reason: Reason | None = Field(description="Why it is refused.")
    detail: str


class RedoBody(ApiModel):
    """What doing a stage again takes, in all and by job."""

    stage: Stage
    dry_run: bool
    kept: list[Stage] = Field(description="Stages whose results are taken over.")
    n_jobs: int
    n_made: int = Field(description="Jobs that do the stage again, those of an earlier request under this key as well.")
    n_refused: int
    n_minutes: int = Field(description="Jobs whose minutes are written anew.")
    heard_h: float = Field(description="Hours of recordings whose voices are told apart, without decoding.")
    decoded: EstimateBody = Field(
        description="What is to be decoded, at most: where an equal recording was transcribed with equal options, its "
        "transcript is taken."
    )
    jobs: list[RedoneBody]
    next_after: int | None = Field(description="What to give as `after` for the batch's next jobs; null at the end.")


class RedoVersions(ApiModel):
    """A recording's jobs, oldest first: the one that transcribed it, then those that did a stage again."""

    versions: list[JobBody]


def hours(lengths_s: Sequence[float]) -> float:
    """Return the sum of lengths in hours, as it is shown."""
    return round(sum(lengths_s) / 3600, 4)
