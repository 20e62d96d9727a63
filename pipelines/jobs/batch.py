"""Batches: thousands of recordings submitted as one, whose jobs are made a few at a time.

    probing ──▶ estimated ──resume──▶ running ◀──pause / resume──▶ paused
                                         │                            │
                                         └──────── cancel ────────────┴──▶ cancelled

A batch whose entries have all ended is still ``running``: a retry goes on from there.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from pipelines.errors import IllegalTransition
from pipelines.jobs.job import Job, JobOptions, JobState
from pipelines.jobs.reference import NO_REFERENCE, Reference


class BatchState(StrEnum):
    """The state of a batch."""

    PROBING = "probing"
    ESTIMATED = "estimated"
    RUNNING = "running"
    PAUSED = "paused"
    CANCELLED = "cancelled"


class EntryState(StrEnum):
    """The state of an entry; one that is ``submitted`` has a job, whose state tells more."""

    UPLOADING = "uploading"
    PENDING = "pending"
    SUBMITTED = "submitted"
    DROPPED = "dropped"


_MOVES: dict[str, dict[BatchState, BatchState]] = {
    "pause": {BatchState.RUNNING: BatchState.PAUSED, BatchState.PAUSED: BatchState.PAUSED},
    "resume": {
        BatchState.PAUSED: BatchState.RUNNING,
        BatchState.ESTIMATED: BatchState.RUNNING,
        BatchState.RUNNING: BatchState.RUNNING,
    },
    "cancel": dict.fromkeys(BatchState, BatchState.CANCELLED),
    "estimate": {BatchState.PROBING: BatchState.ESTIMATED},
}


def moved(state: BatchState, move: str) -> BatchState:
    """Return the state after ``pause``, ``resume``, ``cancel`` or ``estimate``; raises `IllegalTransition`."""
    after = _MOVES[move].get(state)
    if after is None:
        raise IllegalTransition(f"A batch that is {state} cannot {move}.")
    return after


@dataclass(frozen=True, kw_only=True)
class Batch:
    """One submission of many recordings; times are Unix seconds.

    ``request_id`` and ``traceparent`` are those of the request that brought it, and of all its jobs.
    """

    id: str
    tenant: str
    name: str
    state: BatchState
    n_entries: int
    created_at_s: float
    updated_at_s: float
    request_id: str = ""
    traceparent: str = ""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One recording of a batch: pulled from ``source``, or uploaded where that is empty.

    ``custom_id`` is the submitter's own name for it. ``attempt`` counts its jobs before this one. ``audio_s`` and
    ``detail`` are what probing found. ``job`` is the job it became.
    """

    seq: int
    source: str
    filename: str
    custom_id: str
    options: JobOptions
    reference: Reference = field(default=NO_REFERENCE)
    state: EntryState = EntryState.PENDING
    attempt: int = 0
    audio_s: float | None = None
    detail: str = ""
    job_id: str | None = None
    job: Job | None = None


@dataclass(frozen=True, kw_only=True)
class BatchCounts:
    """The counts of a batch's entries so far.

    ``entries`` counts those without a job by state, ``jobs`` those with one by the job's state; ``gone`` those whose
    job was purged. ``probed_s`` is the audio that probing found in ``n_probed`` entries; ``n_unknown`` do not say
    how long they are, ``n_unreadable`` cannot be read.
    """

    entries: dict[EntryState, int] = field(default_factory=dict)
    jobs: dict[JobState, int] = field(default_factory=dict)
    gone: int = 0
    audio_s: float = 0.0
    done_s: float = 0.0
    probed_s: float = 0.0
    n_probed: int = 0
    n_unknown: int = 0
    n_unreadable: int = 0


@dataclass(frozen=True, kw_only=True)
class Probe:
    """The result of reading a recording's header; ``detail``: why it is unreadable. ``audio_s`` None: not declared."""

    audio_s: float | None
    detail: str = ""
