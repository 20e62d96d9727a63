"""Legal holds: what must stay, whoever wants it gone and whatever its retention says."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from pipelines.audit import Deed
from pipelines.errors import OnHold
from pipelines.jobs.job import Job


@dataclass(frozen=True, kw_only=True)
class HoldScope:
    """The jobs that a hold is about; of several conditions all must be true, and there is at least one.

    ``job_id`` takes that job, and those that replayed it or wrote its minutes anew. Jobs that come later and fulfil the
    conditions are held as well. ``metadata`` are pairs of name and value; a value "*" is any.
    """

    job_id: str = ""
    batch_id: str = ""
    external_id: str = ""
    metadata: tuple[tuple[str, str], ...] = ()

    @property
    def is_empty(self) -> bool:
        """Return whether it has no condition."""
        return not (self.job_id or self.batch_id or self.external_id or self.metadata)

    def takes(self, job: Job, *, in_batch: bool) -> bool:
        """Return whether a job is held; ``in_batch`` says whether it belongs to the batch that is named."""
        return (
            not self.is_empty
            and (not self.job_id or self.job_id in job.kin)
            and (not self.batch_id or in_batch)
            and (not self.external_id or self.external_id == job.reference.external_id)
            and has_pairs(job, self.metadata)
        )


def has_pairs(job: Job, wanted: Sequence[tuple[str, str]]) -> bool:
    """Return whether a job's metadata has all these pairs; a value "*" is any."""
    held = dict(job.reference.metadata)
    return all(name in held and value in ("*", held[name]) for name, value in wanted)


@dataclass(frozen=True, kw_only=True)
class Hold:
    """A hold: what it takes, who placed it when (Unix seconds) and why; and the same of its release."""

    id: str
    tenant: str
    name: str
    reason: str
    scope: HoldScope
    placed_by: str
    placed_at_s: float = 0.0
    released_by: str = ""
    released_at_s: float | None = None
    release_reason: str = ""

    @property
    def is_active(self) -> bool:
        """Return whether it holds anything."""
        return self.released_at_s is None


def on_hold(job: Job, hold: Hold) -> OnHold:
    """Return the error that names a hold."""
    return OnHold(f"Job {job.id} is under the legal hold {hold.id} ({hold.name}): nothing of it is deleted.", hold.id)


class HoldBook(Protocol):
    """The holds of all tenants. Methods block and are thread-safe, and raise `LedgerUnavailable`.

    Erasing asks it in the same transaction that begins the erasure (`pipelines.keeping.receipts.ReceiptBook.begin`).
    """

    def place(self, hold: Hold, deed: Deed) -> Hold:
        """Place a hold and enter the deed; one of the same scope that is active is returned as it is.

        Raises `JobUnknown` and `NotFound` for a job or a batch that is not the tenant's, `IllegalTransition` for a job
        whose erasure has begun.
        """

    def release(self, tenant: str, hold_id: str, *, reason: str, deed: Deed) -> Hold:
        """End a hold and enter the deed; a released one stays as it is. Raises `NotFound`."""

    def get(self, tenant: str, hold_id: str) -> Hold:
        """Return a hold; raises `NotFound`."""

    def list(self, tenant: str, *, active: bool = True, limit: int = 500) -> Sequence[Hold]:
        """Return a tenant's holds, newest first: active ones, or (False) all."""

    def of_job(self, job: Job) -> Sequence[Hold]:
        """Return the active holds that take a job, oldest first."""
