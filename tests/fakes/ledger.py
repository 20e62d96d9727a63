"""`MemoryLedger`: a ledger that forgets everything, and `ManualClock` to drive it."""

import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from pipelines.audit import Deed
from pipelines.errors import Fenced, JobUnknown, LedgerError, LedgerUnavailable
from pipelines.ids import new_id
from pipelines.jobs.costs import JobCost
from pipelines.jobs.economy import due_at_s, promoted_at_s
from pipelines.jobs.job import Job, JobState
from pipelines.keeping.receipts import Receipt
from pipelines.ledger.job_filter import ALL_JOBS, JobFilter
from pipelines.ledger.outbox import Message
from pipelines.ledger.protocol import (
    Backlog,
    Clock,
    DrainMode,
    JobEvent,
    JobName,
    JobUpdate,
    Lease,
    NewJob,
    Page,
    QueuedJobs,
)
from pipelines.ledger.rules import (
    HeldJob,
    another_shards,
    check_limit,
    check_new,
    first_version,
    fold,
    judge_creation,
    judge_write,
    needs_indexing,
    next_cursor,
    parse_cursor,
    storable,
    storable_job,
)
from pipelines.models.routing import ModelRoute
from pipelines.scheduling.fair_share import Waiting, share_out
from pipelines.scheduling.shards import WHOLE, Shard
from tests.fakes.corrections import MemoryCorrections
from tests.fakes.keeping import MemoryAudit, MemoryHolds, MemoryReceipts
from tests.fakes.outbox import MemoryOutbox
from tests.fakes.request_locks import MemoryKeyHolds
from tests.fakes.search import MemorySearch
from tests.fakes.spending import MemoryPlaces, MemorySpending


class ManualClock:
    """A clock that stands still until told otherwise, in Unix seconds."""

    def __init__(self, now_s: float = 1_800_000_000.0) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s

    def advance(self, seconds: float) -> None:
        """Move the clock forward."""
        self.now_s += seconds


class MemoryLedger:
    """Keeps a ledger in dicts. While ``outage`` holds a text, every call raises `LedgerUnavailable`."""

    def __init__(self, *, clock: Clock = time.time) -> None:
        self.outage = ""
        self._clock = clock
        self._lock = threading.RLock()
        self._jobs: dict[str, Job] = {}
        self._fences: dict[str, int] = {}
        self._keys: dict[tuple[str, str | None], tuple[str, str]] = {}
        self._joint_keys: dict[str, str] = {}
        self._n_requests: dict[str, int] = {}
        self._promoted: set[str] = set()
        self._events: dict[str, list[JobEvent]] = {}
        self._leases: dict[Shard, Lease] = {}
        self._n_fences = 0
        self._drain_mode = DrainMode.OFF
        self._costs: list[JobCost] = []
        self._identity = new_id()
        self._model_routes: tuple[ModelRoute, ...] = ()
        self._sweep_position = ""
        self.outbox = MemoryOutbox(check=self.check, get_job=self.get, clock=clock)
        self.holds = MemoryKeyHolds(check=self.check, clock=clock)
        self.spending = MemorySpending(check=self.check)
        self.places = MemoryPlaces(check=self.check, clock=clock)
        self.audit = MemoryAudit(using=self._using, clock=clock)
        self.receipts = MemoryReceipts(using=self._using, check_job=self._check_unheld, audit=self.audit)
        self.legal_holds = MemoryHolds(
            using=self._using,
            get_job=self.get,
            is_erased=self.receipts.is_erased,
            audit=self.audit,
            clock=clock,
        )
        self.search = MemorySearch(using=self._using, jobs=lambda: self._jobs, clock=clock)
        self.review = self.search.review
        self.corrections = MemoryCorrections(
            using=self._using,
            get_job=self.get,
            enter=self._enter,
            mark=self.search.mark,
            audit=self.audit,
            clock=clock,
        )

    @property
    def jobs(self) -> dict[str, Job]:
        """Return the stored jobs by id, for tests to look at and to put jobs of any state into."""
        return self._jobs

    def migrate(self) -> None:
        """There are no tables to bring up to date."""
        self.check()

    def check(self) -> None:
        """Raise `LedgerUnavailable` during an outage."""
        if self.outage:
            raise LedgerUnavailable(self.outage)

    def close(self) -> None:
        """There are no connections to give up."""

    def create(
        self, job: Job, *, idempotency_key: str | None = None, fingerprint: str = "", joins: bool = False
    ) -> tuple[Job, bool]:
        """Store a new job; see `pipelines.ledger.protocol.Ledger.create`."""
        new = NewJob(job=job, idempotency_key=idempotency_key, fingerprint=fingerprint, joins=joins)
        (outcome,) = self.create_many([new])
        if isinstance(outcome, LedgerError):
            raise outcome
        return outcome

    def create_many(self, requests: Sequence[NewJob]) -> Sequence[tuple[Job, bool] | LedgerError]:
        """Store new jobs; see `pipelines.ledger.protocol.Ledger.create_many`."""
        for request in requests:
            check_new(request)
        with self._using():
            return [self._create(request) for request in requests]

    def used_keys(self, tenant: str, idempotency_keys: Collection[str]) -> frozenset[str]:
        """Return the keys that brought a job; see `pipelines.ledger.protocol.Ledger.used_keys`."""
        with self._using():
            return frozenset(key for key in idempotency_keys if (tenant, key) in self._keys)

    def get(self, tenant: str, job_id: str) -> Job:
        """Return a job; raises `JobUnknown`."""
        with self._using():
            job = self._jobs.get(job_id)
            if job is None or job.tenant != tenant:
                raise JobUnknown(f"no job {job_id}")
            return job

    def get_many(self, names: Collection[JobName]) -> Mapping[JobName, Job]:
        """Return those of the jobs that exist; see `pipelines.ledger.protocol.Ledger.get_many`."""
        with self._using():
            found = [self._jobs[job_id] for _, job_id in frozenset(names) if job_id in self._jobs]
            return {(job.tenant, job.id): job for job in found if (job.tenant, job.id) in names}

    def list(
        self, tenant: str | None, wanted: JobFilter = ALL_JOBS, *, limit: int = 50, after: str | None = None
    ) -> Page:
        """Return one page of jobs, newest first; see `pipelines.ledger.protocol.Ledger.list`."""

        def passes(job: Job) -> bool:
            return (
                (tenant is None or job.tenant == tenant)
                and (not wanted.states or job.state in wanted.states)
                and fold(wanted.filename_contains) in fold(job.filename)
                and (not wanted.external_id or job.reference.external_id == storable(wanted.external_id))
                and job.id.startswith(storable(wanted.id_prefix))
                and (wanted.created_from_s is None or job.created_at_s >= wanted.created_from_s)
                and (wanted.created_before_s is None or job.created_at_s < wanted.created_before_s)
                and (not wanted.with_failed_chunks or job.n_failed_chunks > 0)
            )

        return self._page(passes, limit, after)

    def changed(self, since_s: Mapping[str, float], *, limit: int, after: str | None = None) -> Page:
        """Return one page of jobs that were written lately; see `pipelines.ledger.protocol.Ledger.changed`."""
        return self._page(lambda job: job.updated_at_s >= since_s.get(job.tenant, math.inf), limit, after)

    def _page(self, wanted: Callable[[Job], bool], limit: int, after: str | None) -> Page:
        check_limit(limit)
        end = parse_cursor(after) if after is not None else None
        newest_first = self._matching(wanted)[::-1]
        found = [job for job in newest_first if end is None or (job.created_at_s, job.id) < end]
        return Page(jobs=tuple(found[:limit]), next_cursor=next_cursor(found, limit))

    def counts(self, tenant: str | None = None) -> dict[JobState, int]:
        """Count jobs by state; see `pipelines.ledger.protocol.Ledger.counts`."""
        found = [job.state for job in self._matching(lambda job: tenant is None or job.tenant == tenant)]
        return {state: found.count(state) for state in JobState}

    def counts_by_tenant(self, tenants: Collection[str]) -> dict[str, dict[JobState, int]]:
        """Count several tenants' jobs by state; see `pipelines.ledger.protocol.Ledger.counts_by_tenant`."""
        return {tenant: self.counts(tenant) for tenant in tenants}

    def queued_jobs(self, shard: Shard = WHOLE) -> tuple[QueuedJobs, ...]:
        """Count waiting jobs; see `pipelines.ledger.protocol.Ledger.queued_jobs`."""
        groups: dict[tuple[str, str], list[Job]] = {}
        for job in self._matching(lambda job: job.state is JobState.QUEUED and shard.owns(job.id)):
            groups.setdefault((job.tenant, job.options.model), []).append(job)
        return tuple(
            QueuedJobs(
                tenant=tenant,
                model=model,
                n_jobs=len(found),
                oldest_created_at_s=min(job.created_at_s for job in found),
                n_economy=sum(self._is_economy(job) for job in found),
            )
            for (tenant, model), found in sorted(groups.items())
        )

    def backlog(self, tenant: str | None) -> Backlog:
        """Sum up a tenant's jobs (everybody's for None) that have not ended."""
        live = self._matching(lambda job: tenant in (None, job.tenant) and not job.state.final)
        audio_s = sum(job.progress.audio_s - job.progress.done_s for job in live)
        return Backlog(n_jobs=len(live), audio_s=max(0.0, audio_s))

    def same_content(self, tenant: str, content_key: str) -> Job | None:
        """Find an earlier job; see `pipelines.ledger.protocol.Ledger.same_content`."""

        def wanted(job: Job) -> bool:
            return (job.tenant, job.content_key, job.state) == (tenant, content_key, JobState.SUCCEEDED)

        return next(reversed(self._matching(wanted, key=lambda job: (job.created_at_s, job.id))), None)

    def events(self, tenant: str, job_id: str) -> Sequence[JobEvent]:
        """Return a job's history, oldest first; raises `JobUnknown`."""
        with self._using():
            return tuple(self._events[self.get(tenant, job_id).id])

    def request_cancel(self, tenant: str, job_id: str, *, everyone: bool = False) -> Job:
        """Note the wish to cancel; see `pipelines.ledger.protocol.Ledger.request_cancel`."""
        with self._using():
            job = self.get(tenant, job_id)
            ends = job.state.final or job.cancel_requested
            if not ends and not everyone and self._n_requests[job_id] > 1:
                self.leave(tenant, job_id)
                return job
            if not job.state.final and not job.cancel_requested:
                job = replace(job, cancel_requested=True, updated_at_s=self._clock())
                self._jobs[job_id] = job
                self._enter(job_id, "cancel_requested")
            return job

    def leave(self, tenant: str, job_id: str) -> None:
        """Count one request less; see `pipelines.ledger.protocol.Ledger.leave`."""
        with self._using():
            if self._n_requests[self.get(tenant, job_id).id] > 1:
                self._n_requests[job_id] -= 1
                self._enter(job_id, "left")

    def delete(self, tenant: str, job_id: str, *, receipt: Receipt | None = None, deed: Deed | None = None) -> None:
        """Forget a job, its history and its idempotency key; see `pipelines.ledger.protocol.Ledger.delete`."""
        with self._using():
            job = self.get(tenant, job_id)
            if receipt is None:
                self.legal_holds.require_unheld(job)
            else:
                self.receipts.put(receipt)
            if deed is not None:
                self.audit.append([deed])
            if job.state.final:
                self._costs.append(JobCost.of(job))
            del self._jobs[job.id], self._events[job.id], self._fences[job.id], self._n_requests[job.id]
            self._joint_keys.pop(job.id, None)
            self._keys = {name: value for name, value in self._keys.items() if value[1] != job.id}
            self.outbox.forget(job.id)
            self.corrections.forget(job.id)
            self.search.drop(job.id)

    def _check_unheld(self, tenant: str, job_id: str) -> None:
        self.legal_holds.require_unheld(self.get(tenant, job_id))

    def scrub(self, max_bytes: int) -> bool:
        """There is no file."""
        self.check()
        return True

    def costs_of_deleted(self, since_s: float) -> Sequence[JobCost]:
        """Return what ended jobs took that are deleted, by when they were created."""
        self.check()
        found = [cost for cost in self._costs if cost.created_at_s >= since_s]
        return sorted(found, key=lambda cost: cost.created_at_s)

    def identity(self) -> str:
        """Return the ledger's name."""
        self.check()
        return self._identity

    def drain_mode(self) -> DrainMode:
        """Return what an operator wants."""
        self.check()
        return self._drain_mode

    def set_drain_mode(self, mode: DrainMode) -> None:
        """Note what an operator wants."""
        self.check()
        self._drain_mode = mode

    def model_routes(self) -> tuple[ModelRoute, ...]:
        """Return which models' chunks other models decode."""
        self.check()
        return self._model_routes

    def set_model_routes(self, routes: Sequence[ModelRoute]) -> None:
        """Note them, in place of all earlier ones."""
        self.check()
        self._model_routes = tuple(routes)

    def sweep_position(self) -> str:
        """Return the key behind which the next sweep begins."""
        self.check()
        return self._sweep_position

    def set_sweep_position(self, key: str) -> None:
        """Note it."""
        self.check()
        self._sweep_position = key

    def acquire_lease(self, owner: str, ttl_s: float, shard: Shard = WHOLE) -> Lease | None:
        """Become a shard's Coordinator; see `pipelines.ledger.protocol.Ledger.acquire_lease`."""
        with self._using():
            now_s = self._clock()
            others = [held for held in self._leases.values() if held.shard.overlaps(shard)]
            if any(held.expires_at_s > now_s and held.owner != owner for held in others):
                return None
            for held in others:
                del self._leases[held.shard]
            self._n_fences += 1
            lease = Lease(owner=owner, fence=self._n_fences, ttl_s=ttl_s, expires_at_s=now_s + ttl_s, shard=shard)
            self._leases[shard] = lease
            return lease

    def heartbeat(self, lease: Lease) -> Lease:
        """Extend the lease by its ``ttl_s`` from now; raises `Fenced`."""
        with self._using(lease):
            extended = replace(lease, expires_at_s=self._clock() + lease.ttl_s)
            self._leases[lease.shard] = extended
            return extended

    def release(self, lease: Lease) -> None:
        """Let the next owner acquire at once; does nothing when the lease was lost."""
        with self._using():
            if self._holds(lease):
                self._leases[lease.shard] = replace(lease, expires_at_s=0.0)

    def claim(self, lease: Lease, limit: int, economy_limit: int | None = None) -> Sequence[Job]:
        """Take queued jobs; see `pipelines.ledger.protocol.Ledger.claim`."""
        with self._using(lease):
            transcribing = self._matching(lambda job: job.state is JobState.TRANSCRIBING)
            in_hand = Counter(job.tenant for job in transcribing)
            chosen = share_out(in_hand, self._waiting(lease, economy=False), limit)
            n_left = (limit if economy_limit is None else economy_limit) - len(chosen)
            chosen += share_out(in_hand, self._waiting(lease, economy=True), max(0, n_left))
            claimed = [self._jobs[job_id] for job_id in chosen]
            self._fences |= {job.id: lease.fence for job in claimed}
            return claimed

    def _waiting(self, lease: Lease, *, economy: bool) -> Mapping[str, Sequence[Waiting]]:
        waiting: dict[str, list[Waiting]] = {}
        for job in self._matching(
            lambda job: (
                job.state is JobState.QUEUED
                and not job.cancel_requested
                and lease.shard.owns(job.id)
                and self._fences[job.id] < lease.fence
                and self._is_economy(job) == economy
            ),
            key=lambda job: (-job.options.priority, _deadline_s(job), job.created_at_s, job.id),
        ):
            waiting.setdefault(job.tenant, []).append((job.created_at_s, job.id))
        return waiting

    def _is_economy(self, job: Job) -> bool:
        return job.options.priority_class == "economy" and job.id not in self._promoted

    def promote_economy(self, lease: Lease, now_s: float) -> int:
        """Queue urgent economy jobs as standard ones; see `pipelines.ledger.protocol.Ledger.promote_economy`."""
        with self._using(lease):
            urgent = self._matching(
                lambda job: (
                    job.state is JobState.QUEUED
                    and lease.shard.owns(job.id)
                    and self._is_economy(job)
                    and promoted_at_s(job) <= now_s
                )
            )
            self._promoted |= {job.id for job in urgent}
            return len(urgent)

    def live(self, lease: Lease) -> Sequence[Job]:
        """Return the jobs begun and not ended; see `pipelines.ledger.protocol.Ledger.live`."""
        with self._using(lease):
            return self._matching(
                lambda job: (
                    lease.shard.owns(job.id)
                    and not job.state.final
                    and (job.state is not JobState.QUEUED or self._fences[job.id] == lease.fence)
                )
            )

    def cancel_requests(self, lease: Lease) -> Sequence[Job]:
        """Return the live jobs whose owner asked to cancel; raises `Fenced`."""
        with self._using(lease):
            return self._matching(lambda job: lease.shard.owns(job.id) and job.cancel_requested and not job.state.final)

    def apply(self, lease: Lease, job: Job, expected_version: int, messages: Sequence[Message] = ()) -> Job:
        """Replace the job; see `pipelines.ledger.protocol.Ledger.apply`."""
        with self._using(lease):
            outcome = self._update(lease, JobUpdate(job, expected_version, messages))
            if isinstance(outcome, LedgerError):
                raise outcome
            return outcome

    def apply_many(self, lease: Lease, updates: Sequence[JobUpdate]) -> Sequence[Job | LedgerError]:
        """Replace several jobs; see `pipelines.ledger.protocol.Ledger.apply_many`."""
        with self._using(lease):
            return [self._update(lease, update) for update in updates]

    def _update(self, lease: Lease, update: JobUpdate) -> Job | LedgerError:
        before = self._jobs.get(update.job.id)
        if not lease.shard.owns(update.job.id):
            return another_shards(update.job.id, lease)
        outcome = self._apply(lease, update.job, update.expected_version)
        if isinstance(outcome, Job) and before is not None and outcome.version > before.version:
            self.outbox.insert(update.messages)
            if needs_indexing(HeldJob.of(before), outcome):
                self.search.mark([outcome.id])
        return outcome

    def record(self, lease: Lease, job: Job, name: str, detail: str = "") -> None:
        """Enter something in a job's history; raises as `apply`."""
        with self._using(lease):
            if not lease.shard.owns(job.id):
                raise another_shards(job.id, lease)
            self._enter(self.get(job.tenant, job.id).id, name, detail)

    @contextmanager
    def _using(self, lease: Lease | None = None) -> Iterator[None]:
        with self._lock:
            self.check()
            if lease is not None and not self._holds(lease):
                raise Fenced(f"fence {lease.fence} of {lease.owner} is not the newest")
            yield

    def _holds(self, lease: Lease) -> bool:
        held = self._leases.get(lease.shard)
        return held is not None and held.fence == lease.fence

    def _matching(
        self,
        wanted: Callable[[Job], bool],
        key: Callable[[Job], tuple[float | str, ...]] = lambda job: (job.created_at_s, job.id),
    ) -> Sequence[Job]:
        with self._using():
            return sorted(filter(wanted, self._jobs.values()), key=key)

    def _create(self, request: NewJob) -> tuple[Job, bool] | LedgerError:
        name = (request.job.tenant, request.idempotency_key)
        same_key = None
        if name in self._keys:
            fingerprint, job_id = self._keys[name]
            same_key = (fingerprint, self._jobs[job_id])
        outside = (request.job.tenant, storable(request.job.reference.external_id))
        holders = [job for job in self._jobs.values() if (job.tenant, job.reference.external_id) == outside]
        holder = holders[0] if outside[1] and holders else None
        work = next((job for job in self._jobs.values() if self._may_join(request, job)), None)
        seen = judge_creation(request, same_key, self._jobs.get(request.job.id), holder, work)
        if work is not None and seen == (work, False) and work.id != request.job.id:
            self._n_requests[work.id] += 1
            self._enter(work.id, "joined")
        if seen is not None:
            return seen
        if work is not None:
            del self._joint_keys[work.id]
        if holder is not None:
            self._jobs[holder.id] = replace(holder, reference=replace(holder.reference, external_id=""))
        job = first_version(request.job, self._clock())
        self._jobs[job.id], self._fences[job.id], self._events[job.id] = job, 0, []
        self._n_requests[job.id] = 1
        if request.joint_key is not None:
            self._joint_keys[job.id] = request.joint_key
        if request.idempotency_key is not None:
            self._keys[name] = (request.fingerprint, job.id)
        self._enter(job.id, "created")
        return job, True

    def _may_join(self, request: NewJob, job: Job) -> bool:
        known = job.tenant == request.job.tenant and request.joint_key is not None
        same = known and self._joint_keys.get(job.id) == request.joint_key
        return same and not (job.state.final or job.cancel_requested)

    def _apply(self, lease: Lease, job: Job, expected_version: int) -> Job | LedgerError:
        before = self._jobs.get(job.id)
        ours = self._fences.get(job.id) == lease.fence
        held = HeldJob.of(before) if before is not None else None
        after = judge_write(held, job, expected_version, self._clock(), ours=ours)
        if isinstance(after, LedgerError) or before is None or after.version == before.version:
            return after
        self._jobs[job.id], self._fences[job.id] = storable_job(after), lease.fence
        if after.state is not before.state:
            self._enter(job.id, after.state.value, after.detail)
        return after

    def _enter(self, job_id: str, name: str, detail: str = "") -> None:
        history = self._events[job_id]
        history.append(JobEvent(seq=len(history) + 1, at_s=self._clock(), name=storable(name), detail=storable(detail)))


def _deadline_s(job: Job) -> float:
    due_s = due_at_s(job)
    return math.inf if due_s is None else due_s
