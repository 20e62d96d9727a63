"""The Coordinator: one actor that takes jobs from the ledger and sees each of them through.

The life of a job here:
 1. `_claim_jobs` takes queued jobs under the lease; `_advance` feeds events to the state machine,
    writes the new job to the ledger and starts the actions it asks for.
 2. `_segment` reads the Segmenter's stream; every span's chunks go to the model's `TicketOffice`.
 3. `claim` and `complete` are called by Transcribers; a finished chunk is an event again.
 4. `_stitch` stores the transcript, `_write_minutes` has minutes and documents made, `clean_up` ends it.

The ledger is the truth: everything in memory is rebuilt from it and the blob store at the next start.
"""

import asyncio
import contextlib
import functools
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import TypeVar

import structlog

from deployments import quarantine, stages
from deployments.housekeeping import Retention, keep_house
from deployments.leadership import Leadership
from deployments.live_job import LiveJob
from deployments.patience import Patience
from deployments.ports import (
    ClusterStatus,
    DrainStatus,
    JobView,
    MinutesPort,
    MinutesRequest,
    ModelStatus,
    Outcome,
    SegmenterPort,
    SegmentRequest,
    TranscriberPort,
    WrittenResults,
)
from deployments.segment_stream import spans_of
from deployments.ticket_office import TicketOffice
from pipelines.catalogue import ModelProfile
from pipelines.core import ModelInfo, Span
from pipelines.errors import (
    Fenced,
    JobUnknown,
    LedgerUnavailable,
    MeetMemoError,
    Reason,
    VersionConflict,
)
from pipelines.jobs import (
    CancelRequested,
    ChunkFinished,
    Claimed,
    CleanUp,
    EnqueueChunks,
    Event,
    Failed,
    Job,
    JobState,
    MinutesFollowed,
    Recovered,
    ResultsStored,
    Segmented,
    StartMinutes,
    StartSegmentation,
    StartStitching,
    TranscriptStored,
    transition,
)
from pipelines.ledger import Ledger
from pipelines.scheduling import WorkItem
from pipelines.storage import BlobStore
from pipelines.throughput import SpeedMeter, eta_s

log = structlog.get_logger()
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class CoordinatorOptions:
    """Bounds and intervals, in seconds where named so.

    ``profiles`` tells, by model, the length of its rows and the only languages it knows, if it knows few: a model
    with one needs no detection. A Segmenter's or a batch's time is limited; see `segment_stream` and `TicketOffice`.
    """

    owner: str
    profiles: Mapping[str, ModelProfile]
    max_live_jobs: int = 32
    max_tickets: int = 16
    batch_size: int = 16
    max_attempts: int = 5
    pause_s: float = 1.0
    batch_patience_s: float = 120.0
    lease_s: float = 15.0
    idle_poll_s: float = 5.0
    progress_interval_s: float = 0.5
    housekeeping_interval_s: float = 3600.0
    retention: Retention = field(default=Retention())


class Coordinator:
    """Claims jobs, drives their state machines, hands out batches. Exactly one holds the lease."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        store: BlobStore,
        segmenter: SegmenterPort,
        transcribers: Mapping[str, TranscriberPort],
        minutes_writer: MinutesPort,
        count_replicas: Callable[[], Mapping[str, int]],
        options: CoordinatorOptions,
    ) -> None:
        """Wire the parts; ``count_replicas`` says, blocking, how many ready replicas each model has."""
        self._ledger = ledger
        self._store = store
        self._segmenter = segmenter
        self._minutes_writer = minutes_writer
        self._count_replicas = count_replicas
        self._options = options
        self._jobs: dict[str, LiveJob] = {}
        self._offices = {
            model: TicketOffice(
                model,
                transcriber,
                give_up=self._give_up,
                max_tickets=options.max_tickets,
                batch_size=options.batch_size,
                max_attempts=options.max_attempts,
                pause_s=options.pause_s,
                patience_s=options.batch_patience_s,
            )
            for model, transcriber in transcribers.items()
        }
        self._meter = SpeedMeter()
        self._leadership = Leadership(ledger, options.owner, options.lease_s)
        self._wake = asyncio.Event()
        self._loops: list[asyncio.Task[None]] = []
        self._background: set[asyncio.Task[None]] = set()
        self._patience = Patience()
        self._draining = self._refusing = False
        self._claim_uncertain = False

    # Start and stop

    async def start(self) -> None:
        """Take the lease (waiting for a dead predecessor's to run out), recover live jobs, begin to claim.

        Waits for a ledger or a store that is away.
        """
        await self._patience.in_thread(self._ledger.migrate)
        await self._leadership.win()
        for job in await self._patience.in_thread(self._live_jobs):
            await self._patience.repeat(functools.partial(self._recover, job))
        self._loops = [
            asyncio.create_task(self._housekeeping_loop(), name="housekeeping"),
            asyncio.create_task(self._claim_loop(), name="claim"),
            asyncio.create_task(self._progress_loop(), name="progress"),
        ]
        log.info("coordinator ready", action="start", recovered=len(self._jobs))

    async def stop(self, drain_s: float = 0.0) -> None:
        """Stop all work and give the lease back; unfinished jobs go on at the next start.

        What is in hand gets ``drain_s`` seconds to end by itself first.
        """
        if drain_s > 0:
            await self.drain(begin=True)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(drain_s):
                    while self._jobs:
                        await next(iter(self._jobs.values())).changed.wait()
        tasks = [*self._loops, *self._background, *(task for live in self._jobs.values() for task in live.tasks)]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for office in self._offices.values():
            await office.close()
        with contextlib.suppress(MeetMemoError):
            await self._save_progress()
        await self._leadership.resign()

    def check(self) -> None:
        """Raise `Fenced` once another Coordinator holds the lease: this one must be replaced."""
        _ = self._leadership.lease

    # What Ingestion asks

    async def wake(self) -> None:
        """Look into the ledger now."""
        self._wake.set()

    async def watch(self, tenant: str, job_id: str, seen_version: int, timeout_s: float) -> JobView:
        """Return the job once it changed after ``seen_version``, or when the time is up; raises `JobUnknown`."""
        live = self._jobs.get(job_id)
        if live is not None and live.job.tenant == tenant and live.job.version <= seen_version:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await live.changed.wait()
        elif live is None:
            job = await asyncio.to_thread(self._ledger.get, tenant, job_id)
            if job.state is JobState.QUEUED and job.version <= seen_version:
                await asyncio.sleep(min(timeout_s, self._options.idle_poll_s))
        live = self._jobs.get(job_id)
        if live is not None and live.job.tenant == tenant:
            return JobView(job=live.job, eta_s=self._eta(live))
        return JobView(job=await asyncio.to_thread(self._ledger.get, tenant, job_id), eta_s=None)

    async def eta(self, job_ids: tuple[str, ...]) -> dict[str, float | None]:
        """Estimate the seconds each live job still needs."""
        return {job_id: self._eta(self._jobs[job_id]) for job_id in job_ids if job_id in self._jobs}

    async def status(self) -> ClusterStatus:
        """Describe models, backlog and speed."""
        replicas = await asyncio.to_thread(self._count_replicas)
        return ClusterStatus(
            models=tuple(
                ModelStatus(name=name, ready=replicas.get(name, 0) > 0, detail=office.describe(replicas.get(name, 0)))
                for name, office in self._offices.items()
            ),
            backlog_audio_s=self._backlog_s,
            speed=self._meter.speed,
            ledger_ok=self._patience.ledger_ok,
            store_ok=self._patience.store_ok,
            draining=self._draining,
        )

    async def drain(self, *, begin: bool | None = None, refuse: bool = False) -> DrainStatus:
        """Begin no more jobs, or begin them again, or (None) only tell; cancels are heard in any case."""
        if begin is not None:
            if begin != self._draining:
                log.info("draining" if begin else "no longer draining", action="drain", live_jobs=len(self._jobs))
            self._draining, self._refusing = begin, begin and refuse
            self._wake.set()
        return DrainStatus(draining=self._draining, refusing=self._refusing, n_live_jobs=len(self._jobs))

    # What the MinutesWriter tells

    async def minutes_followed(self, tenant: str, job_id: str, written: WrittenResults) -> None:
        """Enter what was written for a job whose minutes were parked; raises `JobUnknown`, `IllegalTransition`."""
        await self._patience.in_thread(self._enter_minutes, tenant, job_id, written)

    def _enter_minutes(self, tenant: str, job_id: str, written: WrittenResults) -> None:
        job = self._ledger.get(tenant, job_id)
        after, _ = transition(job, MinutesFollowed(names=written.names, note=written.note))
        if after != job:
            self._ledger.apply(self._leadership.lease, after, job.version)
            self._ledger.record(self._leadership.lease, after, "minutes_followed", written.note)

    # What Transcribers ask

    async def claim(self, ticket: str, replica: ModelInfo, max_items: int) -> tuple[WorkItem, ...]:
        """Lease the next batch of the replica's model to a ticket; raises `Fenced`."""
        await self._leadership.be_sure()
        return self._offices[replica.name].claim(ticket, replica, max_items)

    async def complete(self, ticket: str, replica: ModelInfo, outcomes: tuple[Outcome, ...]) -> None:
        """Take in a batch's outcomes; those whose lease was lost meanwhile are ignored."""
        office = self._offices[replica.name]
        for outcome in outcomes:
            item = outcome.item
            live = self._jobs.get(item.job_id)
            if live is None:
                await self._patience.in_thread(self._discard, item)
            elif not office.settle(ticket, item):
                continue
            elif outcome.error and outcome.retry:
                office.postpone(item)
            elif outcome.error:
                office.retry(item, outcome.error)
            elif item.task == "detect_language":
                await self._guard(live, self._hear_language(live, outcome))
            else:
                self._meter.done(time.monotonic(), item.audio_s)
                await self._report(live, ChunkFinished(index=item.chunk.index, audio_s=item.audio_s))
        if not self._backlog_s:
            self._meter.stop()

    # The state machine's shell

    async def _advance(self, live: LiveJob, event: Event) -> None:
        """Apply an event, make a changed state durable, then start the actions."""
        async with live.lock:
            after, actions = transition(live.job, event)
            if after.state is live.job.state:
                live.job = after
            else:
                self._accept(live, after, await self._patience.in_thread(self._write, live, after))
                log.info("job", action=after.state, job_id=after.id, reason=after.reason, detail=after.detail)
        live.announce()
        for action in actions:
            match action:
                case StartSegmentation():
                    self._spawn(live, self._segment(live))
                case EnqueueChunks(chunks=chunks):
                    self._enqueue(live, live.items_for(chunks))
                case StartStitching():
                    self._spawn(live, self._stitch(live))
                case StartMinutes():
                    self._spawn(live, self._write_minutes(live))
                case CleanUp():
                    await self._end(live)

    def _write(self, live: LiveJob, after: Job) -> Job:
        """Write the job to the ledger under the lease; returns what it stored. Blocks."""
        try:
            return self._ledger.apply(self._leadership.lease, after, live.stored.version)
        except VersionConflict:
            # Only the holder of the lease writes versions: it was progress of ours whose answer was lost.
            held = self._ledger.get(after.tenant, after.id)
            if held.state is not live.stored.state:
                raise
            return self._ledger.apply(self._leadership.lease, after, held.version)

    @staticmethod
    def _accept(live: LiveJob, after: Job, stored: Job) -> None:
        """Take over version and time that the ledger gave; what it does not store stays as it is in memory."""
        live.stored = stored
        live.job = replace(after, version=stored.version, updated_at_s=stored.updated_at_s)

    def _enqueue(self, live: LiveJob, items: list[WorkItem]) -> None:
        self._meter.start(time.monotonic())
        self._offices[live.job.options.model].add(items)

    # The steps

    async def _segment(self, live: LiveJob) -> None:
        """Read the Segmenter's stream, or what a replay's origin kept."""
        if live.job.replay_of:
            await self._replay(live)
            return
        request = SegmentRequest(
            tenant=live.job.tenant,
            job_id=live.job.id,
            split_channels=live.job.options.channels == "split",
            window_s=self._profile(live.job).window_s,
            source_url=live.job.source_url,
        )
        stream = spans_of(
            self._segmenter,
            request,
            self._patience,
            max_attempts=self._options.max_attempts,
            pause_s=self._options.pause_s,
        )
        async for found in stream:
            if isinstance(found, Span):
                await self._advance(live, live.span_stored(found))
            else:
                self._enqueue(live, live.close_ballots())
                await self._advance(live, Segmented(n_chunks=found.n_chunks))

    async def _replay(self, live: LiveJob) -> None:
        """Lay out the chunks to decode again; everything else has an outcome in the origin."""
        spans, kept = await self._patience.in_thread(quarantine.prepare_replay, self._store, live.job)
        live.votes = {vote.channel: vote for vote in kept.votes}
        live.failed_before = quarantine.failed_in({result.index: result for result in kept.results})
        for span in spans:
            await self._advance(live, live.span_stored(span))
        await self._advance(live, Segmented(n_chunks=kept.summary.n_chunks))

    async def _hear_language(self, live: LiveJob, outcome: Outcome) -> None:
        vote = live.hear(outcome.item.chunk, outcome.languages)
        if vote is not None:
            await self._patience.in_thread(stages.store_language, self._store, live.keys, vote)
            self._enqueue(live, live.decide(vote))

    async def _stitch(self, live: LiveJob) -> None:
        model = self._offices[live.job.options.model].replica
        await self._patience.repeat(self._leadership.confirm)
        await self._patience.in_thread(stages.stitch_job, self._store, live.job, model, live.votes, live.transcriptions)
        await self._advance(live, TranscriptStored())

    async def _write_minutes(self, live: LiveJob) -> None:
        request = MinutesRequest(
            tenant=live.job.tenant,
            job_id=live.job.id,
            title=PurePath(live.job.filename).stem,
            minutes=live.job.options.minutes,
            language=live.job.options.minutes_language,
        )
        await self._patience.repeat(self._leadership.confirm)
        written = await self._patience.repeat(lambda: self._minutes_writer.write(request))
        await self._advance(live, ResultsStored(names=written.names, note=written.note))

    async def _end(self, live: LiveJob) -> None:
        """Forget an ended job and delete its working data."""
        self._forget(live)
        # Apart from the job's own end, which need not wait for a store that is away.
        cleaning = asyncio.create_task(self._patience.in_thread(stages.clean_up, self._store, live.job))
        self._background.add(cleaning)
        cleaning.add_done_callback(self._background.discard)
        self._wake.set()

    def _forget(self, live: LiveJob) -> None:
        """Stop all work for a job."""
        if office := self._offices.get(live.job.options.model):
            office.drop(live.job.tenant, live.job.id)
        self._jobs.pop(live.job.id, None)
        live.announce()
        current = asyncio.current_task()
        for task in live.tasks:
            if task is not current:
                task.cancel()

    def _discard(self, item: WorkItem) -> None:
        """Delete a late outcome unless its job lives and is only not recovered yet. Blocks."""
        try:
            if not self._ledger.get(item.tenant, item.job_id).state.final:
                return
        except JobUnknown:
            pass
        stages.discard(self._store, item)

    def _give_up(self, item: WorkItem, why: str) -> None:
        """A chunk failed for the last time: the job goes on without it."""
        live = self._jobs.get(item.job_id)
        if live is None:
            return
        log.error("chunk given up", action="give_up", job_id=item.job_id, chunk=item.chunk.index, error=why)
        self._spawn(live, self._finish_without(live, item, why))

    async def _finish_without(self, live: LiveJob, item: WorkItem, why: str) -> None:
        if item.task == "detect_language":
            await self._hear_language(live, Outcome(item=item))
            return
        await self._patience.repeat(self._leadership.confirm)
        await self._patience.in_thread(
            quarantine.keep_chunk,
            self._store,
            item,
            why,
            model=self._offices[live.job.options.model].replica,
            at_s=time.time(),
        )
        await self._patience.in_thread(stages.store_failure, self._store, item, why)
        await self._record(
            live.job, "chunk_given_up", f"chunk {item.chunk.index}: {why.strip().rpartition(chr(10))[2][:200]}"
        )
        await self._advance(live, ChunkFinished(index=item.chunk.index, audio_s=item.audio_s, failed=True))

    # Loops

    async def _claim_loop(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._options.idle_poll_s):
                    await self._wake.wait()
            self._wake.clear()
            try:
                await self._patience.repeat(self._claim_jobs)
            except Fenced:
                self._leadership.lose()
                return

    async def _claim_jobs(self) -> None:
        for job in await asyncio.to_thread(self._ledger.cancel_requests, self._leadership.lease):
            await self._report(self._jobs.get(job.id) or self._admit(job), CancelRequested())
        room = self._options.max_live_jobs - len(self._jobs)
        if room > 0 and not self._draining:
            for job in await asyncio.to_thread(self._claim, room):
                await self._begin(self._admit(job), Claimed())

    def _claim(self, room: int) -> Sequence[Job]:
        """Claim queued jobs, those first whose claim's answer was lost: the ledger hands each out once. Blocks."""
        lost: list[Job] = []
        if self._claim_uncertain:
            live = self._ledger.live(self._leadership.lease)
            lost = [job for job in live if job.state is JobState.QUEUED and job.id not in self._jobs]
        self._claim_uncertain = True
        claimed = self._ledger.claim(self._leadership.lease, room)
        self._claim_uncertain = False
        return [*lost, *claimed]

    async def _housekeeping_loop(self) -> None:
        while True:
            try:
                await asyncio.to_thread(
                    keep_house, self._ledger, self._store, self._options.retention, now_s=time.time()
                )
            except MeetMemoError as error:
                log.warning("housekeeping put off", action="sweep", error=str(error))
            await asyncio.sleep(self._options.housekeeping_interval_s)

    async def _progress_loop(self) -> None:
        while True:
            await asyncio.sleep(self._options.progress_interval_s)
            with contextlib.suppress(MeetMemoError):  # progress is no truth: the next round writes it
                await self._save_progress()

    async def _save_progress(self) -> None:
        """Write the progress of all live jobs in one transaction; a job that is just changing state is left out."""
        stale = [
            live
            for live in self._jobs.values()
            if live.job.progress != live.stored.progress and not live.job.state.final and not live.lock.locked()
        ]
        for live in stale:
            await live.lock.acquire()
        try:
            updates = [(live.job, live.stored.version) for live in stale]
            if updates:
                stored = await asyncio.to_thread(self._ledger.apply_many, self._leadership.lease, updates)
                for live, job in zip(stale, stored, strict=True):
                    if isinstance(job, VersionConflict):  # an earlier round came through, but its answer did not
                        job = await asyncio.to_thread(self._ledger.get, live.job.tenant, live.job.id)
                        live.stored = replace(live.stored, version=job.version)
                    elif isinstance(job, Job):
                        self._accept(live, live.job, job)
        finally:
            for live in stale:
                live.lock.release()
                live.announce()

    # Small parts

    def _profile(self, job: Job) -> ModelProfile:
        return self._options.profiles.get(job.options.model, ModelProfile())

    def _admit(self, job: Job) -> LiveJob:
        known = self._profile(job).languages or ()
        given = job.options.language or (known[0] if len(known) == 1 else None)
        live = self._jobs[job.id] = LiveJob(job=job, stored=job, given_language=given)
        return live

    def _live_jobs(self) -> Sequence[Job]:
        return self._ledger.live(self._leadership.lease)

    async def _recover(self, job: Job) -> None:
        live = self._admit(job)
        live.outcomes = await asyncio.to_thread(stages.stored_outcomes, self._store, live.keys)
        for vote in await asyncio.to_thread(stages.stored_languages, self._store, live.keys):
            live.votes[vote.channel] = vote
        await self._record(job, "recovered", f"{len(live.outcomes.done)} chunks were transcribed")
        await self._begin(live, Recovered())

    async def _begin(self, live: LiveJob, event: Event) -> None:
        """Start or go on with a job, unless its model is not there any more."""
        model = live.job.options.model
        if model not in self._offices and live.job.state is not JobState.SUMMARIZING:
            event = Failed(reason=Reason.MODEL_UNKNOWN, detail=f"There is no model {model!r} any more.")
        await self._report(live, event)

    async def _record(self, job: Job, name: str, detail: str) -> None:
        """Enter something in a job's history; that alone is no reason to stop."""
        with contextlib.suppress(LedgerUnavailable, JobUnknown):
            await asyncio.to_thread(self._ledger.record, self._leadership.lease, job, name, detail)

    def _spawn(self, live: LiveJob, step: Coroutine[None, None, None]) -> None:
        """Run a step of a job in a task of its own; what it raises ends the job with an enumerated reason."""
        task = asyncio.create_task(self._guard(live, step))
        live.tasks.add(task)
        task.add_done_callback(live.tasks.discard)

    async def _report(self, live: LiveJob, event: Event) -> None:
        """Advance a job from outside its own tasks; its troubles stay its own."""
        await self._guard(live, self._advance(live, event))

    async def _guard(self, live: LiveJob, step: Coroutine[None, None, None]) -> None:
        """Await a step; an error ends its job, a job that vanished from the ledger is forgotten."""
        try:
            failure = await self._failure_of(live, step)
            if failure is not None:
                await self._advance(live, failure)
        except Fenced:
            self._leadership.lose()
        except (JobUnknown, VersionConflict) as error:
            log.warning("job is not ours any more", action="forget", job_id=live.job.id, error=str(error))
            self._forget(live)
            if isinstance(error, JobUnknown):  # deleted meanwhile, results and all
                await self._patience.in_thread(self._store.delete_prefix, live.keys.root)

    async def _failure_of(self, live: LiveJob, step: Coroutine[None, None, None]) -> Failed | None:
        try:
            await step
        except (Fenced, JobUnknown, VersionConflict):
            raise
        except MeetMemoError as error:
            return Failed(reason=error.reason, detail=str(error))
        except Exception as error:  # a fault of ours must end this job visibly, not hang it
            log.exception("step failed", action="step", job_id=live.job.id)
            return Failed(reason=Reason.INTERNAL, detail=f"{type(error).__name__}: {error}")
        return None

    @property
    def _backlog_s(self) -> float:
        return sum(office.queue.backlog_s + office.leased_s for office in self._offices.values())

    def _eta(self, live: LiveJob) -> float | None:
        remaining = live.job.progress.audio_s - live.job.progress.done_s
        return eta_s(remaining, self._backlog_s, len(self._jobs), self._meter.speed)
