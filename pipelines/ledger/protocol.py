"""The ledger, MeetMemo's truth about jobs: what it promises, and `open_ledger`.

One Coordinator at a time holds the lease of a shard (`pipelines.scheduling.shards`; there may be only one). Every
acquisition raises the fence number, every write of a Coordinator carries it, and a write whose fence is not the newest
changes nothing and raises `Fenced`. Ingestion needs no lease: it creates jobs, asks for their cancellation and deletes
them.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from pipelines.audit import AuditLog, Deed
from pipelines.errors import LedgerError
from pipelines.jobs.costs import JobCost
from pipelines.jobs.job import Job, JobState
from pipelines.keeping.legal_holds import HoldBook
from pipelines.keeping.receipts import Receipt, ReceiptBook
from pipelines.ledger.job_filter import ALL_JOBS, JobFilter
from pipelines.ledger.outbox import Message, Outbox
from pipelines.ledger.request_locks import KeyHolds
from pipelines.minutes.provider.place_table import PlaceBook
from pipelines.minutes.provider.spending_book import SpendingBook
from pipelines.models.routing import ModelRoute
from pipelines.review.protocol import ReviewQueue
from pipelines.scheduling.shards import WHOLE, Shard
from pipelines.search.protocol import SearchIndex
from pipelines.transcript.corrections import CorrectionRepository

Clock = Callable[[], float]
"""Returns Unix seconds."""

JobName = tuple[str, str]
"""A tenant and the id of one of its jobs."""


@dataclass(frozen=True, kw_only=True)
class Lease:
    """The right to write as the Coordinator until ``expires_at_s``, and afterwards until somebody else acquires it.

    It concerns the jobs of ``shard``; ``fence`` is higher than those of all leases before, whichever shard's.
    """

    owner: str
    fence: int
    ttl_s: float
    expires_at_s: float
    shard: Shard = WHOLE


class DrainMode(StrEnum):
    """Whether queued jobs are begun (``OFF``), or wait (``QUEUEING``), or new ones are also turned away."""

    OFF = "off"
    QUEUEING = "queueing"
    REFUSING = "refusing"


@dataclass(frozen=True, kw_only=True)
class NewJob:
    """A job to create; ``fingerprint`` identifies the request that the idempotency key, unique per tenant, names.

    ``joins``: the request may share the job of an earlier one of its tenant that joined nothing and had the same
    fingerprint, as long as that job has not ended and nobody asked to cancel it. A recording with a URL is shared
    until the job is begun: what the URL names may change afterwards. A request with a key shares none.
    """

    job: Job
    idempotency_key: str | None = None
    fingerprint: str = ""
    joins: bool = False

    @property
    def joint_key(self) -> str | None:
        """Name by which equal requests find each other's job; None for a request that joins none."""
        return self.fingerprint if self.joins and self.fingerprint and self.idempotency_key is None else None


@dataclass(frozen=True)
class JobUpdate:
    """A job to write in place of ``expected_version`` of it, and the messages that tell about the change."""

    job: Job
    expected_version: int
    messages: Sequence[Message] = ()


@dataclass(frozen=True, kw_only=True)
class Page:
    """Some jobs, newest first; ``next_cursor`` continues after the last one and is None at the end."""

    jobs: tuple[Job, ...]
    next_cursor: str | None


@dataclass(frozen=True, kw_only=True)
class JobEvent:
    """An entry of a job's history; ``seq`` counts from 1 without gaps."""

    seq: int
    at_s: float
    name: str
    detail: str


@dataclass(frozen=True, kw_only=True)
class QueuedJobs:
    """The number of a tenant's jobs that wait for a model, and the creation time of the oldest (Unix seconds).

    ``n_economy`` of them are economy jobs.
    """

    tenant: str
    model: str
    n_jobs: int
    oldest_created_at_s: float
    n_economy: int = 0


@dataclass(frozen=True, kw_only=True)
class Backlog:
    """Jobs that have not ended, and what is known of their audio that is not transcribed."""

    n_jobs: int
    audio_s: float


class Ledger(Protocol):
    """Jobs, made durable before each call returns. Methods block and are thread-safe.

    All raise `LedgerUnavailable` when the ledger cannot be reached, is locked, full or read-only. It is not known
    then whether a write happened; repeating the call with the same arguments does no harm.
    A write of a job raises ``version`` by one; ``updated_at_s`` comes from the ledger's clock. The state
    changes that writes bring are entered in the job's events.
    """

    @property
    def outbox(self) -> Outbox:
        """The messages that `apply` wrote."""

    @property
    def holds(self) -> KeyHolds:
        """The marks of requests in flight."""

    @property
    def spending(self) -> SpendingBook:
        """What calls of the language model use, by tenant and day."""

    @property
    def places(self) -> PlaceBook:
        """The places of the limit on calls of the language model at once."""

    @property
    def corrections(self) -> CorrectionRepository:
        """The versions of transcripts that people corrected; they go with their job."""

    @property
    def audit(self) -> AuditLog:
        """Who did what; it outlives what it is about."""

    @property
    def legal_holds(self) -> HoldBook:
        """What must not be deleted."""

    @property
    def receipts(self) -> ReceiptBook:
        """Proof of what was deleted, and what is being deleted."""

    @property
    def search(self) -> SearchIndex:
        """What can be found of transcripts and minutes; it goes with their job."""

    @property
    def review(self) -> ReviewQueue:
        """What of transcripts and minutes is worth listening to; it goes with their job."""

    def migrate(self) -> None:
        """Bring the tables up to date; several processes may do so at once."""

    def check(self) -> None:
        """Raise `LedgerUnavailable` unless a small write succeeds."""

    def close(self) -> None:
        """Give up all connections; the ledger opens new ones if it is used again."""

    def create(
        self, job: Job, *, idempotency_key: str | None = None, fingerprint: str = "", joins: bool = False
    ) -> tuple[Job, bool]:
        """Store a new job; return it and True, or the job created before under the same key or id and False.

        With ``joins`` (see `NewJob`) also an equal request's job that is under way: it counts one request more.
        The job that has the new one's external id is returned too, if it is about the same recording; one that failed
        or was cancelled gives the id up. Raises `IdempotencyConflict` when the key was used with another fingerprint,
        `ExternalIdConflict` when the external id belongs to another recording.
        """

    def create_many(self, requests: Sequence[NewJob]) -> Sequence[tuple[Job, bool] | LedgerError]:
        """Store new jobs in one transaction; return per request what `create` would return or raise."""

    def used_keys(self, tenant: str, idempotency_keys: Collection[str]) -> frozenset[str]:
        """Return those of a tenant's keys under which a job was created that is still known."""

    def get(self, tenant: str, job_id: str) -> Job:
        """Return a job; raises `JobUnknown`."""

    def get_many(self, names: Collection[JobName]) -> Mapping[JobName, Job]:
        """Return those of the jobs that exist, read together."""

    def list(
        self, tenant: str | None, wanted: JobFilter = ALL_JOBS, *, limit: int = 50, after: str | None = None
    ) -> Page:
        """Return one page of a tenant's jobs (of all tenants for None), newest first.

        ``after`` is the cursor of the page before; raises `InvalidRequest` when it is none.
        """

    def changed(self, since_s: Mapping[str, float], *, limit: int, after: str | None = None) -> Page:
        """Return one page of several tenants' jobs, newest first: those written at or after each tenant's time."""

    def counts(self, tenant: str | None = None) -> dict[JobState, int]:
        """Count a tenant's jobs (everybody's for None) by state; every state is there."""

    def counts_by_tenant(self, tenants: Collection[str]) -> dict[str, dict[JobState, int]]:
        """Count several tenants' jobs by state; every tenant and every state is there."""

    def queued_jobs(self, shard: Shard = WHOLE) -> tuple[QueuedJobs, ...]:
        """Count the jobs of a shard that wait to be begun, by tenant and model."""

    def backlog(self, tenant: str | None) -> Backlog:
        """Sum up a tenant's jobs (everybody's for None) that have not ended."""

    def same_content(self, tenant: str, content_key: str) -> Job | None:
        """Return the tenant's newest job that succeeded with this content, if there is one."""

    def events(self, tenant: str, job_id: str) -> Sequence[JobEvent]:
        """Return a job's history, oldest first; raises `JobUnknown`."""

    def request_cancel(self, tenant: str, job_id: str, *, everyone: bool = False) -> Job:
        """Note durably that the owner does not want the job any more; raises `JobUnknown`.

        A job that several requests joined counts one request less and goes on, unless it is ended for ``everyone``.
        The Coordinator sees it in `cancel_requests`. Does not touch ``version``, so that it never collides with the
        Coordinator's writes; an ended job stays as it is.
        """

    def leave(self, tenant: str, job_id: str) -> None:
        """Count one request less, if several joined the job: nobody waits for its answer; raises `JobUnknown`."""

    def delete(self, tenant: str, job_id: str, *, receipt: Receipt | None = None, deed: Deed | None = None) -> None:
        """Forget a job, its history, its idempotency key and what a batch says of it; raises `JobUnknown`.

        In the same transaction a ``receipt`` that was begun is stored as finished, and the ``deed`` is entered in the
        audit log. Without a receipt raises `OnHold` for a job that a legal hold takes. What an ended job took is kept
        in `costs_of_deleted`.
        """

    def scrub(self, max_bytes: int) -> bool:
        """Overwrite what deleted rows left behind, unless the ledger's file is larger than ``max_bytes``.

        Returns whether nothing is left that this program could overwrite.
        """

    def costs_of_deleted(self, since_s: float) -> Sequence[JobCost]:
        """Return what ended jobs took that are deleted, of those created at or after that time (Unix seconds)."""

    def identity(self) -> str:
        """Return the ledger's name, made at random when somebody first asks; a restored copy has the same."""

    def drain_mode(self) -> DrainMode:
        """Return the drain mode, which outlives every process."""

    def set_drain_mode(self, mode: DrainMode) -> None:
        """Store the drain mode durably."""

    def model_routes(self) -> tuple[ModelRoute, ...]:
        """Return which models' chunks other models decode, which outlives every process."""

    def set_model_routes(self, routes: Sequence[ModelRoute]) -> None:
        """Store the routes durably, in place of all earlier ones."""

    def sweep_position(self) -> str:
        """Return the key of the store behind which the next sweep begins; empty: at the first one."""

    def set_sweep_position(self, key: str) -> None:
        """Store it durably."""

    def acquire_lease(self, owner: str, ttl_s: float, shard: Shard = WHOLE) -> Lease | None:
        """Become the Coordinator of a shard under a new fence; None while another owner's lease is alive.

        So is one of a shard of another number that shares jobs with this one; once it has run out, it is fenced out,
        too. The same owner gets the lease at once: its earlier self, if it still runs, is fenced out.
        """

    def heartbeat(self, lease: Lease) -> Lease:
        """Extend the lease by its ``ttl_s`` from now; raises `Fenced`."""

    def release(self, lease: Lease) -> None:
        """Let the next owner acquire at once; does nothing when the lease was lost."""

    def claim(self, lease: Lease, limit: int, economy_limit: int | None = None) -> Sequence[Job]:
        """Take queued jobs of the lease's shard, each one once per lease. Raises `Fenced`.

        Tenants take turns (`pipelines.scheduling.fair_share`), for which jobs in hand of all shards are counted; a
        tenant's jobs come by priority, then deadline, then age. Economy jobs come after those of all tenants, and only
        while fewer than ``economy_limit`` jobs are taken in all (None: ``limit``).

        They stay in state queued until `apply` stores the transition, so a Coordinator that dies in between loses
        nothing: its successor claims them again. Jobs with a wish to cancel are left out.
        """

    def promote_economy(self, lease: Lease, now_s: float) -> int:
        """Queue the economy jobs that `pipelines.jobs.economy` calls urgent as standard ones; return how many.

        Those of the lease's shard. Raises `Fenced`.
        """

    def live(self, lease: Lease) -> Sequence[Job]:
        """Return the jobs of the shard that some Coordinator has begun and not ended, oldest first; raises `Fenced`.

        Those that this lease claimed and did not write yet are among them.
        """

    def cancel_requests(self, lease: Lease) -> Sequence[Job]:
        """Return the shard's live jobs, queued ones included, whose owner asked to cancel; raises `Fenced`."""

    def apply(self, lease: Lease, job: Job, expected_version: int, messages: Sequence[Message] = ()) -> Job:
        """Replace the job if the ledger holds ``expected_version``; return it as stored, with the next version.

        In the same transaction ``messages`` about the job go into the outbox. Raises `Fenced`, `JobUnknown` when it was
        deleted, `VersionConflict`, `LedgerError` for another shard's. A repetition of the write that made the next
        version is no conflict: it returns the job as stored and writes no message again.
        """

    def apply_many(self, lease: Lease, updates: Sequence[JobUpdate]) -> Sequence[Job | LedgerError]:
        """Write several jobs in one transaction; return per update what `apply` returns or raises. Raises `Fenced`."""

    def record(self, lease: Lease, job: Job, name: str, detail: str = "") -> None:
        """Enter something besides a change of state in a job's history; raises as `apply`."""


def all_jobs(ledger: Ledger, tenant: str | None, wanted: JobFilter, *, limit: int = 500) -> Iterator[Job]:
    """Yield a tenant's jobs (everybody's for None), newest first, page by page as they are wanted."""
    after: str | None = None
    while True:
        page = ledger.list(tenant, wanted, limit=limit, after=after)
        yield from page.jobs
        after = page.next_cursor
        if after is None:
            return
