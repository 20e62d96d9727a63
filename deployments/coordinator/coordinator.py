"""The Coordinator: the actor that takes a shard's jobs from the ledger and hands their chunks to the Transcribers.

`_claim_jobs` takes queued jobs under the lease; a `job_runner.JobRunner` sees each of them through;
`claim` and `complete` are what Transcribers call. The ledger is the truth: everything in memory is rebuilt from it
and the blob store at the next start.
"""

import asyncio
import contextlib
import functools
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

import structlog

from deployments.artifacts.shared_reads import SharedJobReads
from deployments.artifacts.storage_retry import StorageRetry
from deployments.coordinator.batch_feeder import BatchFeeder
from deployments.coordinator.job_runners import JobRunners
from deployments.coordinator.job_store import JobStore
from deployments.coordinator.lease import LeaderLease
from deployments.coordinator.metrics_snapshot import MetricsSnapshot
from deployments.coordinator.options import CoordinatorOptions
from deployments.ports import (
    Capacity,
    ClusterStatus,
    DiarizerPort,
    DrainStatus,
    JobView,
    MinutesPort,
    ModelStatus,
    Outcome,
    SegmenterPort,
    Settled,
    StoryEntry,
    TranscriberPort,
    WrittenResults,
)
from deployments.retention.housekeeping import Retention, enforce_retention
from deployments.telemetry.counters import CoordinatorMetrics
from deployments.telemetry.reports import BatchReport
from pipelines.core import ModelInfo
from pipelines.errors import Fenced, MeetMemoError
from pipelines.ids import new_id
from pipelines.jobs.batch import Probe
from pipelines.jobs.events import CancelRequested, Claimed
from pipelines.jobs.job import JobState
from pipelines.ledger.batch_book import BatchRepository
from pipelines.ledger.protocol import DrainMode, Ledger
from pipelines.scheduling.estimate import NO_LOAD, Estimate, Load
from pipelines.scheduling.work_item import WorkItem
from pipelines.storage.measured import MeasuredStore
from pipelines.storage.protocol import BlobStore

JOBS_AHEAD = 2  # of each batch, for every live job: enough that no slot stays empty
WATCH_INTERVAL_S = 0.25  # between looks into the ledger for all who follow a job that nobody has begun
LOOKS_APART_S = 0.05  # each look into the ledger takes some milliseconds, however many jobs it finds
WIDE_LOOKS_S = 0.25  # cancellations, batches and routes are looked for at least so often while jobs arrive
PROGRESS_REST = 9.0  # times what writing progress took: with thousands of live jobs it is written less often
FORECAST_INTERVAL_S = 1.0  # between looks at what is under way, by which estimates are compared with the truth
FORECAST_REST = 19.0  # times what a look took: each shard counts its whole queue, which may hold a million jobs
PROMOTIONS_APART_S = 60.0  # between looks for economy jobs that are due soon
ROOM_WORTH_A_LOOK = 1 / 8  # of all: under load the ledger is asked once for several jobs, not once for each

log = structlog.get_logger()


class Coordinator:
    """Claims jobs, drives their state machines, hands out batches. Exactly one holds the lease of a shard."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        store: BlobStore,
        segmenter: SegmenterPort,
        transcribers: Mapping[str, TranscriberPort],
        diarizer: DiarizerPort,
        minutes_writer: MinutesPort,
        count_replicas: Callable[[], Mapping[str, int]],
        options: CoordinatorOptions,
        storage_retry: StorageRetry | None = None,
        counters: CoordinatorMetrics | None = None,
        batches: BatchRepository | None = None,
        wake_others: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Wire the parts; ``count_replicas`` says, blocking, how many ready replicas each model has.

        ``wake_others`` has the other shards' Coordinators look into the ledger.
        """
        store = MeasuredStore(store)
        self._segmenter = segmenter
        self._counters = counters or CoordinatorMetrics(transcribers)
        self._ledger = ledger
        self._store = store
        self._count_replicas = count_replicas
        self._options = options
        self._shard = options.shard
        self._leader = LeaderLease(ledger, options.owner, options.lease_s, shard=options.shard)
        self._wake_others = wake_others
        self._telling: asyncio.Task[None] | None = None
        self._storage_retry = storage_retry or StorageRetry()
        self._job_store = JobStore(
            ledger, self._leader, options.notifications, expects_more=lambda: len(self._runners.jobs) > 1
        )
        self._waiting = SharedJobReads(ledger, lambda: WATCH_INTERVAL_S)  # for those who follow jobs that nobody began
        self._wake = asyncio.Event()
        self._runners = JobRunners(
            job_store=self._job_store,
            store=store,
            segmenter=segmenter,
            transcribers=transcribers,
            diarizer=diarizer,
            minutes_writer=minutes_writer,
            leader=self._leader,
            storage_retry=self._storage_retry,
            options=options,
            counters=self._counters,
            ended=self._job_ended,
            n_slots=lambda: self._options.max_live_jobs,
        )
        self._metrics_snapshot = MetricsSnapshot(
            counters=self._counters,
            runners=self._runners,
            ledger=ledger,
            store=store,
            storage_retry=self._storage_retry,
            count_replicas=count_replicas,
            fence=lambda: self._leader.lease.fence,
            shard=options.shard,
        )
        self._batches = batches
        self._feeder = batches and BatchFeeder(
            book=batches,
            segmenter=segmenter,
            leader=self._leader,
            new_id=new_id,
            per_batch=options.max_live_jobs * options.shard.count * JOBS_AHEAD,
        )
        self._loops: list[asyncio.Task[None]] = []
        self._draining = self._refusing = self._stopping = False
        self._more_queued = True  # as far as the last look into the ledger tells
        self._only_arrivals = False  # since the last look, nobody said that there is something else

    # Start and stop

    async def start(self) -> None:
        """Take the lease (waiting for a failed predecessor's to expire), recover live jobs, begin to claim.

        Waits for an unavailable ledger or store.
        """
        await self._storage_retry.in_thread(self._ledger.migrate)
        await self._leader.acquire()
        self._switch(await self._storage_retry.in_thread(self._ledger.drain_mode))
        self._runners.dispatchers.apply_routes(await self._storage_retry.in_thread(self._ledger.model_routes))
        for job in await self._storage_retry.in_thread(self._job_store.live):
            await self._storage_retry.repeat(functools.partial(self._runners.recover, job))
        self._loops = [
            asyncio.create_task(self._claim_loop(), name="claim"),
            asyncio.create_task(self._progress_loop(), name="progress"),
            asyncio.create_task(self._forecast_loop(), name="forecast"),
        ]
        if self._shard.index == 0:  # once for all shards
            self._loops += [
                asyncio.create_task(self._housekeeping_loop(), name="housekeeping"),
                asyncio.create_task(self._probe_loop(), name="probe"),
            ]
        log.info("coordinator ready", action="start", recovered=len(self._runners.jobs))

    async def stop(self, drain_s: float = 0.0) -> None:
        """Stop all work and give the lease back; unfinished jobs go on at the next start.

        Running work gets ``drain_s`` seconds to end by itself first.
        """
        self._stopping = True
        if drain_s > 0:
            self._switch(DrainMode.QUEUEING)  # this process only: the next one begins jobs again
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(drain_s):
                    while self._runners.jobs:
                        await next(iter(self._runners.jobs.values())).live.changed.wait()
        tasks = [*self._loops, *([self._telling] if self._telling else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._runners.close()
        await self._job_store.settle()
        with contextlib.suppress(MeetMemoError):
            await self._job_store.save_progress([run.live for run in self._runners.jobs.values()])
        await self._leader.release()

    def check(self) -> None:
        """Raise `Fenced` once another Coordinator holds the lease: this one must be replaced."""
        _ = self._leader.lease

    def retune(
        self,
        *,
        max_live_jobs: int,
        max_pulls: Mapping[str, int],
        retention: Retention,
        scale_to_zero: frozenset[str] = frozenset(),
    ) -> None:
        """Work by other bounds from now on; models that are not named keep theirs."""
        self._options = replace(
            self._options, max_live_jobs=max_live_jobs, retention=retention, scale_to_zero=scale_to_zero
        )
        if self._feeder:
            self._feeder.per_batch = max_live_jobs * self._shard.count * JOBS_AHEAD
        for model, n_pulls in max_pulls.items():
            if dispatcher := self._runners.dispatchers.get(model):
                dispatcher.allow(n_pulls)
        self._wake.set()

    # What Ingestion asks

    async def wake(self, n_arrived: int = 0, *, counts: bool = True) -> None:
        """Look into the ledger now; ``n_arrived`` jobs are new. Without, there is something else to look for.

        Of several shards one ``counts`` the jobs that arrived, whichever of them they belong to.
        """
        if counts:
            self._counters.arrived(n_arrived)
        self._only_arrivals &= n_arrived > 0
        self._wake.set()

    async def watch(self, tenant: str, job_id: str, seen_version: int, timeout_s: float) -> JobView:
        """Return the job once it changed after ``seen_version``, or when the time is up; raises `JobUnknown`."""
        run = self._runners.jobs.get(job_id)
        if run is None:
            job = await self._waiting.get(tenant, job_id)
            if job.state is JobState.QUEUED and job.version <= seen_version:
                await asyncio.sleep(min(timeout_s, self._options.idle_poll_s))
                job = await self._waiting.get(tenant, job_id)
            return self._view_of(tenant, job_id) or JobView(job=job, eta_s=None)
        if run.job.tenant == tenant and run.job.version <= seen_version:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await run.live.changed.wait()
        view = self._view_of(tenant, job_id)
        return view or JobView(job=await asyncio.to_thread(self._ledger.get, tenant, job_id), eta_s=None)

    def _view_of(self, tenant: str, job_id: str) -> JobView | None:
        run = self._runners.jobs.get(job_id)
        if run is None or run.job.tenant != tenant:
            return None
        return JobView(job=run.job, eta_s=self._runners.eta(run.job))

    async def eta(self, job_ids: tuple[str, ...]) -> dict[str, float | None]:
        """Estimate the seconds each live job still needs."""
        known = self._runners.jobs
        return {job_id: self._runners.eta(known[job_id].job) for job_id in job_ids if job_id in known}

    async def status(self) -> ClusterStatus:
        """Describe models, backlog and speed."""
        replicas = await asyncio.to_thread(self._count_replicas)
        return ClusterStatus(
            models=tuple(
                ModelStatus(
                    name=name,
                    ready=replicas.get(name, 0) > 0,
                    scaled_to_zero=name in self._options.scale_to_zero and not replicas.get(name, 0),
                    detail=dispatcher.describe(replicas.get(name, 0)),
                )
                for name, dispatcher in self._runners.dispatchers.items()
            ),
            backlog_audio_s=self._runners.backlog_s,
            speed=self._runners.meter.speed,
            ledger_ok=self._storage_retry.ledger_ok,
            store_ok=self._storage_retry.store_ok,
            draining=self._draining,
        )

    async def capacity(self) -> Capacity:
        """Describe how much there is to do."""
        replicas = await asyncio.to_thread(self._count_replicas)
        forecasts, dispatchers = self._runners.forecasts, self._runners.dispatchers
        slots = {name: replicas.get(name, 0) * self._options.decode_slots.get(name, 1) for name in dispatchers}
        n_busy = sum(min(dispatchers[name].n_leased, n_slots) for name, n_slots in slots.items())
        return Capacity(
            speed=self._runners.meter.speed,
            backlog_audio_s=forecasts.load(time.time()).audio_s,
            n_live_jobs=len(self._runners.jobs),
            n_queued_jobs=sum(group.n_jobs for group in forecasts.queued),
            free_share=1.0 - n_busy / n_slots if (n_slots := sum(slots.values())) else 0.0,
        )

    async def load(self) -> Load:
        """Return what is under way, and how fast it is done."""
        return self._runners.forecasts.load(time.time())

    async def estimate(
        self, *, tenant: str, model: str, audio_s: float, economy: bool, elsewhere: Load = NO_LOAD
    ) -> Estimate:
        """Estimate what a recording would take that is submitted now; ``elsewhere`` is the load of other shards."""
        return self._runners.forecasts.estimate(
            tenant=tenant, model=model, audio_s=audio_s, economy=economy, now_s=time.time(), elsewhere=elsewhere
        )

    async def probe(self, tenant: str, url: str) -> Probe:
        """Look at a source's header; raises `InputError`, `SourceUnreachable`."""
        return await self._segmenter.probe(tenant, url)

    async def story(self, job_id: str) -> tuple[StoryEntry, ...]:
        """Return what happened to a job since this Coordinator started, and why; empty if it remembers nothing."""
        return self._runners.stories.of(job_id)

    async def forget(self, job_id: str) -> None:
        """Forget the story of a job that is erased."""
        self._runners.stories.forget(job_id)

    async def metrics(self) -> bytes:
        """Return what is counted and measured here, in Prometheus' text format; raises `Fenced`."""
        return await self._metrics_snapshot.render(draining=self._draining)

    async def drain(self, *, begin: bool | None = None, refuse: bool = False) -> DrainStatus:
        """Begin no more jobs, or begin them again, or (None) only report; cancellations are handled in any case.

        Durable: a successor goes on with it. Raises `LedgerUnavailable`.
        """
        if begin is not None:
            mode = (DrainMode.REFUSING if refuse else DrainMode.QUEUEING) if begin else DrainMode.OFF
            await asyncio.to_thread(self._ledger.set_drain_mode, mode)
            self._switch(mode)
        return DrainStatus(draining=self._draining, refusing=self._refusing, n_live_jobs=len(self._runners.jobs))

    def _switch(self, mode: DrainMode) -> None:
        draining = mode is not DrainMode.OFF
        if draining != self._draining:
            log.info(
                "draining" if draining else "no longer draining", action="drain", live_jobs=len(self._runners.jobs)
            )
        self._draining, self._refusing = draining, mode is DrainMode.REFUSING
        self._wake.set()

    # Reports of the MinutesWriter

    async def minutes_followed(self, tenant: str, job_id: str, written: WrittenResults) -> None:
        """Enter the results of a job whose minutes were deferred; raises `JobUnknown`, `IllegalTransition`."""
        await self._storage_retry.in_thread(self._job_store.enter_minutes, tenant, job_id, written)
        if written.report is not None:
            self._counters.written(written.report)

    # What Transcribers ask

    async def claim(self, pull_id: str, replica: ModelInfo, max_items: int) -> tuple[WorkItem, ...]:
        """Lease the next batch of the replica's model to a pull; raises `Fenced`."""
        await self._leader.ensure_valid()
        return self._runners.dispatchers[replica.name].claim(pull_id, replica, max_items)

    async def complete(
        self,
        pull_id: str,
        replica: ModelInfo,
        outcomes: tuple[Outcome, ...],
        report: BatchReport | None = None,
        *,
        max_items: int = 0,
        wait_s: float = 0.0,
    ) -> Settled:
        """Take in a batch's outcomes and what it took, and lease the pull its next batch; raises `Fenced`.

        Where none waits, the pull gets what comes within ``wait_s`` seconds.
        """
        dispatcher = self._runners.dispatchers[replica.name]
        if report is not None:
            self._runners.record_report(replica.name, report)
        for outcome in outcomes:
            await self._runners.take_outcome(replica.name, pull_id, outcome)
        if not self._runners.backlog_s:
            self._runners.meter.stop()
        items = await self.claim(pull_id, replica, max_items) if max_items else ()
        until_s = asyncio.get_running_loop().time() + wait_s
        while max_items and not items and await dispatcher.park(pull_id, until_s):
            items = await self.claim(pull_id, replica, max_items)
        economy_s = dispatcher.queue.economy_backlog_s
        backlog_s = dispatcher.queue.backlog_s - economy_s
        return Settled(backlog_s=backlog_s, economy_backlog_s=economy_s, items=items)

    # Loops

    async def _claim_loop(self) -> None:
        clock = asyncio.get_running_loop().time
        looked_s = looked_widely_s = float("-inf")
        while True:
            narrow = looked_s != looked_widely_s  # then a wide look follows soon
            until_s = looked_widely_s + WIDE_LOOKS_S if narrow else clock() + self._options.idle_poll_s
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(until_s):
                    await self._wake.wait()
            # One job is begun at once; those that come right after it are looked for together.
            await asyncio.sleep(max(0.0, looked_s + LOOKS_APART_S - clock()))
            looked_s = clock()
            only_arrivals = self._only_arrivals and self._wake.is_set() and looked_s < looked_widely_s + WIDE_LOOKS_S
            looked_widely_s = looked_widely_s if only_arrivals else looked_s
            self._only_arrivals = True
            self._wake.clear()
            try:
                await self._storage_retry.repeat(self._claim_jobs if only_arrivals else self._look_widely)
            except Fenced:
                self._leader.mark_lost()
                return

    async def _look_widely(self) -> None:
        """Look for everything that others write into the ledger, then claim jobs."""
        self._runners.dispatchers.apply_routes(await asyncio.to_thread(self._ledger.model_routes))
        if not self._shard.is_whole and not self._stopping:  # another shard may have been told alone
            mode = await asyncio.to_thread(self._ledger.drain_mode)
            if (mode is not DrainMode.OFF, mode is DrainMode.REFUSING) != (self._draining, self._refusing):
                self._switch(mode)
        for job in await asyncio.to_thread(self._job_store.cancel_requests):
            await (self._runners.jobs.get(job.id) or self._runners.admit(job)).report(CancelRequested())
        if self._feeder and not self._draining:
            n_made = await asyncio.to_thread(self._feeder.create_jobs)
            self._counters.arrived(n_made)
            if n_made and self._wake_others is not None:
                self._telling = asyncio.create_task(self._tell_others(self._wake_others), name="tell others")
        await self._claim_jobs()

    @staticmethod
    async def _tell_others(wake: Callable[[], Awaitable[None]]) -> None:
        """Have other shards find the jobs that were made for them; those that do not hear of it look before long."""
        try:
            await wake()
        except Exception as error:  # Ray raises many kinds for a replica that is gone
            log.warning("other shards not woken", action="coordinator_silent", error=repr(error))

    async def _claim_jobs(self) -> None:
        self._more_queued = True
        if (room := self._room) > 0 and not self._draining:
            economy_room = max(0, room - self._runners.n_economy)
            claimed = await asyncio.to_thread(self._job_store.claim, room, economy_room, self._runners.jobs)
            self._more_queued = len(claimed) >= economy_room
            if not self._more_queued:
                self._runners.forecasts.queued = ()
            await asyncio.gather(*(self._runners.begin(self._runners.admit(job), Claimed()) for job in claimed))

    @property
    def _room(self) -> int:
        """How many standard jobs more may be transcribed at once, for which economy jobs make room."""
        return self._options.max_live_jobs - (self._runners.n_transcribing - self._runners.n_economy)

    def _job_ended(self) -> None:
        if self._more_queued and self._room >= max(1, self._options.max_live_jobs * ROOM_WORTH_A_LOOK):
            self._wake.set()

    async def _housekeeping_loop(self) -> None:
        while True:
            try:
                gone = await asyncio.to_thread(
                    enforce_retention,
                    self._ledger,
                    self._store,
                    self._options.retention,
                    now_s=time.time(),
                    book=self._batches,
                    signer=self._options.signer,
                )
                for name in gone:  # ids of jobs among them
                    self._runners.stories.forget(name)
            except MeetMemoError as error:
                log.warning("housekeeping put off", action="sweep", error=str(error))
            await asyncio.sleep(self._options.housekeeping_interval_s)

    async def _probe_loop(self) -> None:
        while self._feeder:
            try:
                n_probed = await self._feeder.probe()
            except MeetMemoError as error:
                log.warning("probing put off", action="probe", error=str(error))
                n_probed = 0
            if not n_probed:
                await asyncio.sleep(self._options.idle_poll_s)

    async def _forecast_loop(self) -> None:
        promoted_s, was_idle = float("-inf"), False
        clock = asyncio.get_running_loop().time
        while True:
            now_s, began_s = time.time(), clock()
            try:
                if now_s >= promoted_s + PROMOTIONS_APART_S:
                    promoted_s = now_s
                    self._runners.promote_urgent()
                    await asyncio.to_thread(self._ledger.promote_economy, self._leader.lease, now_s)
                forecasts = self._runners.forecasts
                queued = await asyncio.to_thread(self._ledger.queued_jobs, self._shard) if self._more_queued else ()
                forecasts.queued = queued if self._more_queued else ()  # they may have been claimed meanwhile
                is_idle = not self._runners.jobs and not forecasts.queued
                forecasts.look(now_s, still_idle=is_idle and was_idle)
                was_idle = is_idle
            except Fenced:
                self._leader.mark_lost()
                return
            except MeetMemoError as error:
                log.warning("looking at the queue put off", action="forecast", error=str(error))
            await asyncio.sleep(max(FORECAST_INTERVAL_S, (clock() - began_s) * FORECAST_REST))

    async def _progress_loop(self) -> None:
        clock = asyncio.get_running_loop().time
        took_s = 0.0
        while True:
            await asyncio.sleep(max(self._options.progress_interval_s, took_s * PROGRESS_REST))
            began_s = clock()
            with contextlib.suppress(MeetMemoError):  # progress is no truth: the next round writes it
                await self._job_store.save_progress([run.live for run in self._runners.jobs.values()])
            took_s = clock() - began_s
