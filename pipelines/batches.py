"""Batches: thousands of recordings submitted as one, whose jobs are made a few at a time.

    probing ──▶ estimated ──resume──▶ running ◀──pause / resume──▶ paused
                                         │                            │
                                         └──────── cancel ────────────┴──▶ cancelled

A batch whose entries have all ended is still ``running``: a retry goes on from there.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from pipelines.errors import IllegalTransition
from pipelines.jobs import Job, JobOptions, JobState
from pipelines.ledger import Lease
from pipelines.references import NO_REFERENCE, Reference


class BatchState(StrEnum):
    """What is being done about a batch's entries."""

    PROBING = "probing"
    ESTIMATED = "estimated"
    RUNNING = "running"
    PAUSED = "paused"
    CANCELLED = "cancelled"


class EntryState(StrEnum):
    """Where an entry stands; one that is ``submitted`` has a job, whose state tells more."""

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
    """The state after ``pause``, ``resume``, ``cancel`` or ``estimate``; raises `IllegalTransition`."""
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
class Tally:
    """What became of a batch's entries so far.

    ``entries`` counts those without a job by state, ``jobs`` those with one by the job's state; ``gone`` those whose
    job was purged. ``probed_s`` is the audio that probing found in ``n_probed`` entries; ``n_unreadable`` are not.
    """

    entries: dict[EntryState, int] = field(default_factory=dict)
    jobs: dict[JobState, int] = field(default_factory=dict)
    gone: int = 0
    audio_s: float = 0.0
    done_s: float = 0.0
    probed_s: float = 0.0
    n_probed: int = 0
    n_unreadable: int = 0


@dataclass(frozen=True, kw_only=True)
class Probe:
    """What the header of a recording says; ``detail`` says why it cannot be read. ``audio_s`` None: not declared."""

    audio_s: float | None
    detail: str = ""


class BatchBook(Protocol):
    """Batches, durable in the ledger's database. Methods block and raise `LedgerUnavailable`.

    Those with a tenant raise `NotFound` for another tenant's batch.
    """

    def create(
        self, batch: Batch, entries: Iterable[Entry], *, key: str | None, fingerprint: str
    ) -> tuple[Batch, bool]:
        """Store a batch with its entries in one transaction; the batch stored before under the same key and False.

        Raises `IdempotencyConflict`.
        """

    def get(self, tenant: str, batch_id: str) -> Batch:
        """Return a batch."""

    def list(self, tenant: str, limit: int) -> Sequence[Batch]:
        """Return the newest batches."""

    def tally(self, tenant: str, batch_id: str) -> Tally:
        """Count what became of a batch's entries."""

    def tallies(self, tenant: str, batch_ids: Collection[str]) -> dict[str, Tally]:
        """The same for those of several batches that exist, together."""

    def entries(
        self, tenant: str, batch_id: str, *, after: int = -1, limit: int = 500, state: EntryState | None = None
    ) -> Sequence[Entry]:
        """Return entries after a number, with their jobs."""

    def move(self, tenant: str, batch_id: str, move: str) -> Batch:
        """Pause, resume or cancel; raises `IllegalTransition`. Cancelling drops what has no job yet."""

    def live_jobs(self, tenant: str, batch_id: str) -> Sequence[str]:
        """Ids of a batch's jobs that have not ended."""

    def retry(self, tenant: str, batch_id: str) -> int:
        """Take entries whose jobs failed or were cancelled on again; return how many. Raises `IllegalTransition`."""

    def attach(self, tenant: str, batch_id: str, seq: int, job_id: str) -> None:
        """Enter the job that an upload became; raises `IllegalTransition` when none was waited for."""

    def emptied(self, updated_before_s: float) -> Sequence[Batch]:
        """Batches without jobs that nobody touched since: theirs are purged, or there were none.

        Not those that wait to make jobs, running or paused.
        """

    def delete(self, tenant: str, batch_id: str) -> None:
        """Forget a batch and its entries; its jobs stay."""

    def feed(self, lease: Lease, per_batch: int, new_id: Callable[[], str]) -> int:
        """Make jobs of pending entries, up to ``per_batch`` live ones for each running batch; raises `Fenced`."""

    def to_probe(self, limit: int) -> Sequence[tuple[Batch, Entry]]:
        """Entries of batches that are being probed, and are not yet."""

    def probed(self, batch_id: str, seq: int, probe: Probe) -> None:
        """Enter what probing found; the last one makes the batch ``estimated``."""
