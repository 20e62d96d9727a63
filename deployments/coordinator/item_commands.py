"""Decide what to do with an item that came back from a Transcriber. Pure: no I/O, no clock."""

from dataclasses import dataclass

from deployments.ports import Outcome
from pipelines.core import LanguagePassage
from pipelines.jobs.events import ChunkFinished
from pipelines.jobs.job import Job
from pipelines.scheduling.work_item import WorkItem


@dataclass(frozen=True, kw_only=True)
class RetryItem:
    """Queue the item again with one attempt less."""

    model: str
    item: WorkItem
    why: str


@dataclass(frozen=True, kw_only=True)
class PostponeItem:
    """Queue the item again after a pause, with as many attempts as before."""

    model: str
    item: WorkItem


@dataclass(frozen=True, kw_only=True)
class CountLanguage:
    """Count the languages of a row that votes for its channel's; None: it was given up."""

    item: WorkItem
    passages: tuple[LanguagePassage, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class HandBack:
    """Queue an item that the canary model gave up with the job's own model."""

    canary_model: str
    item: WorkItem
    why: str


@dataclass(frozen=True, kw_only=True)
class QuarantineChunk:
    """Keep the chunk for a replay, and go on without it."""

    item: WorkItem
    why: str


ItemCommand = RetryItem | PostponeItem | CountLanguage | HandBack | QuarantineChunk


def on_outcome(model: str, outcome: Outcome) -> ItemCommand | ChunkFinished:
    """Return the command, or the event of the job, that an item's outcome brings."""
    item = outcome.item
    if outcome.error and outcome.retry:
        return PostponeItem(model=model, item=item)
    if outcome.error:
        return RetryItem(model=model, item=item, why=outcome.error)
    if item.is_voting:
        return CountLanguage(item=item, passages=outcome.passages)
    return ChunkFinished(index=item.chunk.index, audio_s=item.audio_s)


def on_given_up(job: Job, model: str, item: WorkItem, why: str) -> ItemCommand:
    """Return the command for an item whose attempts by a model are used up."""
    if model != job.options.model:
        return HandBack(canary_model=model, item=item, why=why)
    return QuarantineChunk(item=item, why=why)
