"""Estimates on the wire: what recordings would take, and how much the cluster has to do."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Self

from pydantic import Field, StringConstraints, model_validator

from deployments.schemas.options import ApiModel
from deployments.sources.urls import public_part
from pipelines.jobs.batch import Probe
from pipelines.jobs.prices import Prices
from pipelines.scheduling.estimate import Estimate

ESTIMATE_PATH = "/v1/estimate"
CAPACITY_PATH = "/v1/capacity"
MAX_SOURCES = 20
MAX_AUDIO_S = 3600.0 * 1_000_000
_MAX_OPTIONS = 64  # more than there are

Source = Annotated[str, StringConstraints(min_length=1, max_length=4096)]


class EstimateBody(ApiModel):
    """What recordings would take that are submitted now; null where nothing was measured, or no price is set."""

    audio_h: float
    n_probed: int
    n_unknown: int = Field(description="Recordings that do not say how long they are; not in the sums.")
    n_unreadable: int
    wall_s: float | None = Field(description="Seconds until all are done, by what waits and how fast it goes now.")
    cost_usd: float | None = Field(description="By the price of an hour of audio of this priority class.")
    device_s: float | None = Field(None, description="Seconds of the device, by what the last jobs took.")
    device_cost_usd: float | None = Field(None, description="By the price of an hour of the device.")
    typical_error: float | None = Field(
        None, description="Median of how far off estimates of the last jobs were, as a share of what they took."
    )

    @classmethod
    def of(
        cls,
        estimate: Estimate | None,
        prices: Prices,
        *,
        audio_s: float,
        economy: bool,
        n_probed: int,
        n_unknown: int = 0,
        n_unreadable: int = 0,
        **more: Any,
    ) -> Self:
        """Show an estimate, None while the Coordinator does not answer, of recordings whose lengths were found."""
        wall_s = estimate.wall_s if estimate else None
        device_s = estimate.device_s if estimate else None
        error = estimate.typical_error if estimate else None
        return cls(
            audio_h=round(audio_s / 3600, 4),
            n_probed=n_probed,
            n_unknown=n_unknown,
            n_unreadable=n_unreadable,
            wall_s=None if wall_s is None else round(wall_s, 1),
            cost_usd=prices.of_audio(audio_s, economy=economy),
            device_s=None if device_s is None else round(device_s, 1),
            device_cost_usd=prices.of_device(device_s),
            typical_error=None if error is None else round(error, 3),
            **more,
        )


class EstimateRequest(ApiModel):
    """Recordings to estimate: their length, or where they are, or both; nothing is submitted."""

    audio_s: Annotated[list[Annotated[float, Field(gt=0, le=MAX_AUDIO_S)]], Field(max_length=10_000)] = Field(
        default_factory=list, description="Length of each recording in seconds, where it is known."
    )
    sources: Annotated[list[Source], Field(max_length=MAX_SOURCES)] = Field(
        default_factory=list, description="URLs as in `POST /v1/jobs`: each is fetched, and its header is read."
    )
    options: dict[str, Any] = Field(
        default_factory=dict, max_length=_MAX_OPTIONS, description="As `Options`: the model and the class decide."
    )

    @model_validator(mode="after")
    def _has_some(self) -> Self:
        if not self.audio_s and not self.sources:
            raise ValueError("give audio_s, or sources, or both")
        return self


class ProbeBody(ApiModel):
    """What the header of a recording says: its length, null where it does not say, or why it cannot be read."""

    source: str
    audio_s: float | None
    detail: str = ""

    @classmethod
    def of(cls, source: str, probe: Probe) -> Self:
        return cls(source=public_part(source), audio_s=probe.audio_s, detail=probe.detail)


class RecordingsEstimate(EstimateBody):
    """An estimate with what it is based on."""

    model: str
    priority_class: str
    done_at: datetime | None
    recordings: list[ProbeBody] = Field(description="What was found of `sources`, in their order.")


class CapacityBody(ApiModel):
    """How much the cluster has to do, over all tenants, and what a job of ``hours`` would wait."""

    speed: float | None = Field(description="Seconds of audio per second, lately; null while nothing was measured.")
    backlog_audio_h: float = Field(description="What waits or is being transcribed; recordings not looked at guessed.")
    n_live_jobs: int
    n_queued_jobs: int
    free_share: float = Field(description="Share of the places to decode at that are free now, 0 to 1.")
    full: bool = Field(description="The bound on what may wait is reached: new jobs are refused.")
    retry_after_s: int | None = Field(description="Seconds to wait, where it is full.")
    hours: float
    wall_s: float | None = Field(description="Seconds until a job of so many hours would be done.")
    economy_wall_s: float | None = Field(description="The same in the class `economy`, if nothing else came.")
    typical_error: float | None = Field(description="As in an estimate.")


def done_at(now_s: float, wall_s: float | None) -> datetime | None:
    """Return when something is done that takes so many seconds from now (Unix seconds)."""
    return (
        None
        if wall_s is None
        else datetime.fromtimestamp(now_s, UTC).replace(microsecond=0) + timedelta(seconds=round(wall_s))
    )
