"""`JobDriver`: sees each job through. Events go into the state machine, what it asks for is done here.

1. `advance` feeds an event to `pipelines.jobs.state_machine.transition`, writes a changed state and starts the actions.
2. `_segment` reads the Segmenter's stream; every span's chunks go to the model's `TicketOffice`.
3. `take_outcome` turns what Transcribers report into events again.
4. `_stitch` stores the transcript, `_write_minutes` has minutes and documents made, `_end` cleans up.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine, Mapping

import structlog

from deployments.artifacts import job_data, quarantine
from deployments.artifacts.storage_retry import StorageRetry
from deployments.coordinator.dispatcher import TicketOffice
from deployments.coordinator.dispatchers import ModelOffices
from deployments.coordinator.job_store import JobRecords
from deployments.coordinator.lease import Leadership
from deployments.coordinator.live_job import LiveJob
from deployments.coordinator.options import CoordinatorOptions
from deployments.coordinator.segment_stream import spans_of
from deployments.coordinator.transcript_reuse import Reuse
from deployments.ports import (
    MinutesPort,
    MinutesRequest,
    Outcome,
    SegmenterPort,
    SegmentRequest,
    TranscriberPort,
)
from deployments.retention.erasure import erase_blobs
from deployments.telemetry import tracing
from deployments.telemetry.counters import CoordinatorMetrics
from deployments.telemetry.reports import BatchReport, SegmentReport
from pipelines.core import BlobRef, Span
from pipelines.errors import Fenced, JobUnknown, MeetMemoError, Reason, VersionConflict
from pipelines.jobs.events import (
    ChunkFinished,
    CleanUp,
    EnqueueChunks,
    Event,
    Failed,
    Recovered,
    ResultsStored,
    Segmented,
    SourceFetched,
    StartMinutes,
    StartSegmentation,
    StartStitching,
    TranscriptStored,
)
from pipelines.jobs.job import Job, JobState
from pipelines.jobs.state_machine import transition
from pipelines.models.profile import ModelProfile
from pipelines.scheduling.eta import SpeedMeter, eta_s
from pipelines.scheduling.work_item import WorkItem
from pipelines.storage.protocol import BlobStore

log = structlog.get_logger()

Step = Callable[[LiveJob], Coroutine[None, None, None]]
"""Something done for a job, called where it is awaited: a task cancelled before it begins leaves no coroutine."""


class JobDriver:
    """The live jobs, the queues of their models, and the steps between them. Belongs to one event loop."""

    def __init__(
        self,
        *,
        records: JobRecords,
        store: BlobStore,
        segmenter: SegmenterPort,
        transcribers: Mapping[str, TranscriberPort],
        minutes_writer: MinutesPort,
        leadership: Leadership,
        storage_retry: StorageRetry,
        options: CoordinatorOptions,
        measures: CoordinatorMetrics,
        ended: Callable[[], None],
    ) -> None:
        """Wire the parts; ``ended`` is called whenever a job has ended and makes room for another."""
        self.jobs: dict[str, LiveJob] = {}
        self._records = records
        self._store = store
        self._segmenter = segmenter
        self._minutes_writer = minutes_writer
        self._leadership = leadership
        self._storage_retry = storage_retry
        self._options = options
        self._measures = measures
        self._ended = ended
        self._background: set[asyncio.Task[None]] = set()
        self._reuse = Reuse(
            records=records,
            store=store,
            leadership=leadership,
            storage_retry=storage_retry,
            profiles=options.profiles,
            weights=options.weights,
        )
        self.meter = SpeedMeter()
        self.offices = ModelOffices(transcribers, options, measures, give_up=self._give_up)

    async def close(self) -> None:
        """Stop all work; jobs stay as the ledger has them."""
        tasks = [*self._background, *(task for live in self.jobs.values() for task in live.tasks)]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.offices.close()

    def _content_key(self, job: Job) -> str:
        """What makes the transcript another job's; "" while a stand-in decodes some of its chunks."""
        return "" if self.offices.route_of(job.options.model) else self._reuse.key_of(job)

    # Where jobs come in

    def authenticate(self, job: Job) -> LiveJob:
        """Take a job in hand."""
        known = self._profile(job).languages or ()
        given = job.options.language or (known[0] if len(known) == 1 else None)
        live = self.jobs[job.id] = LiveJob(job=job, stored=job, given_language=given)
        return live

    async def recover(self, job: Job) -> None:
        """Go on with a job that an earlier Coordinator had begun."""
        live = self.authenticate(job)
        live.outcomes = await asyncio.to_thread(job_data.stored_outcomes, self._store, live.keys)
        for vote in await asyncio.to_thread(job_data.stored_languages, self._store, live.keys):
            live.votes[vote.channel] = vote
        self._measures.recovered()
        await self._records.record(job, "recovered", f"{len(live.outcomes.done)} chunks were transcribed")
        await self.begin(live, Recovered())

    async def begin(self, live: LiveJob, event: Event) -> None:
        """Start or go on with a job, unless its model is not there any more."""
        model = live.job.options.model
        transcribed = live.job.state is JobState.SUMMARIZING or live.job.minutes_of
        if model not in self.offices and not transcribed:
            event = Failed(reason=Reason.MODEL_UNKNOWN, detail=f"There is no model {model!r} any more.")
        await self.report(live, event)

    def record_report(self, office: TicketOffice, figures: BatchReport) -> None:
        """Count what a Transcriber measured."""
        profile = self._options.profile_of(office.model)
        self._measures.batch(office.model, figures, profile.window_s)

    async def take_outcome(self, office: TicketOffice, ticket: str, outcome: Outcome) -> None:
        """Take in what became of a claimed item; an outcome whose lease was lost meanwhile is ignored."""
        item = outcome.item
        live = self.jobs.get(item.job_id)
        if live is None:
            await self._storage_retry.in_thread(self._discard, item)
        elif not office.settle(ticket, item):
            return
        elif outcome.error and outcome.retry:
            office.postpone(item)
        elif outcome.error:
            office.retry(item, outcome.error)
        elif item.task == "detect_language":
            await self.guard(live, lambda live: self._hear_language(live, outcome))
        else:
            self.meter.done(time.monotonic(), item.audio_s)
            self._measures.chunk_done(live.job, item.audio_s)
            await self.report(live, ChunkFinished(index=item.chunk.index, audio_s=item.audio_s))

    async def report(self, live: LiveJob, event: Event) -> None:
        """Advance a job from outside its own tasks; its troubles stay its own."""
        await self.guard(live, lambda live: self.advance(live, event))

    # The state machine's shell

    async def advance(self, live: LiveJob, event: Event) -> None:
        """Apply an event, make a changed state durable, then start the actions."""
        async with live.lock:
            after, actions = transition(live.job, event)
            if after.state is live.job.state:
                live.job = after
            else:
                stored = await self._storage_retry.repeat(lambda: self._records.write(live, after))
                self._records.accept(live, after, stored)
                if after.state.final:
                    self._measures.ended(live.job, live.job.updated_at_s)
                    took_s = live.job.updated_at_s - live.job.created_at_s
                    tracing.past_span("job", live.job.traceparent, took_s, job_id=after.id, state=after.state.value)
                elif live.job.state is JobState.TRANSCRIBING:
                    self._measures.begun(live.job)
                # Not its detail, which may name the recording: no erasure reaches logs.
                log.info("job", action=after.state, job_id=after.id, reason=after.reason)
        live.announce()
        for action in actions:
            match action:
                case StartSegmentation():
                    self._spawn(live, self._segment, "segment")
                case EnqueueChunks(chunks=chunks):
                    self._enqueue(live, live.items_for(chunks))
                case StartStitching():
                    self._spawn(live, self._stitch, "stitch")
                case StartMinutes():
                    self._spawn(live, self._write_minutes, "minutes")
                case CleanUp():
                    await self._end(live)

    def _enqueue(self, live: LiveJob, items: list[WorkItem]) -> None:
        self.meter.start(time.monotonic())
        self.offices.add(live.job.options.model, items)

    # The steps

    async def _segment(self, live: LiveJob) -> None:
        """Read the Segmenter's stream, or what a replay's origin kept."""
        if live.job.replay_of:
            await self._replay(live)
            return
        if await self._take_earlier(live):
            return
        request = SegmentRequest(
            tenant=live.job.tenant,
            job_id=live.job.id,
            split_channels=live.job.options.channels == "split",
            window_s=self._profile(live.job).window_s,
            source_url=live.job.source_url,
            source=live.job.source,
            request_id=live.job.request_id,
            traceparent=live.job.traceparent,
            keep_audio=live.job.options.keep_audio,
        )
        stream = spans_of(
            self._segmenter,
            request,
            self._storage_retry,
            max_attempts=self._options.max_attempts,
            pause_s=self._options.pause_s,
        )
        async with contextlib.aclosing(stream):
            async for found in stream:
                if isinstance(found, Span):
                    await self.advance(live, live.span_stored(found))
                elif isinstance(found, SegmentReport):
                    self._measures.segmented(found)
                elif isinstance(found, BlobRef):
                    await self.advance(live, SourceFetched(source=found))
                    if await self._take_earlier(live):
                        return
                else:
                    self._enqueue(live, live.close_ballots())
                    await self.advance(live, Segmented(n_chunks=found.n_chunks))

    async def _take_earlier(self, live: LiveJob) -> bool:
        """End a job's transcription with what an earlier one made of the same content, if there is such."""
        reused = await self._reuse.take(live.job)
        if reused is None:
            return False
        self._measures.reused(live.job, reused.audio_s)
        await self.advance(live, reused)
        return True

    async def _replay(self, live: LiveJob) -> None:
        """Lay out the chunks to decode again; everything else has an outcome in the origin."""
        spans, kept = await self._storage_retry.in_thread(quarantine.prepare_replay, self._store, live.job)
        live.votes = {vote.channel: vote for vote in kept.votes}
        live.failed_before = quarantine.failed_in({result.index: result for result in kept.results})
        for span in spans:
            await self.advance(live, live.span_stored(span))
        await self.advance(live, Segmented(n_chunks=kept.summary.n_chunks))

    async def _hear_language(self, live: LiveJob, outcome: Outcome) -> None:
        vote = live.hear(outcome.item.chunk, outcome.languages)
        if vote is not None:
            await self._storage_retry.in_thread(job_data.store_language, self._store, live.keys, vote)
            self._enqueue(live, live.decide(vote))

    async def _stitch(self, live: LiveJob) -> None:
        if live.job.minutes_of:
            await self._storage_retry.repeat(self._leadership.confirm)
            await self._storage_retry.in_thread(job_data.copy_transcript, self._store, live.job, live.job.minutes_of)
            await self.advance(live, TranscriptStored())
            return
        model = self.offices[live.job.options.model].replica
        await self._storage_retry.repeat(self._leadership.confirm)
        usage = await self._storage_retry.in_thread(
            job_data.stitch_job, self._store, live.job, model, live.votes, live.transcriptions
        )
        await self.advance(live, TranscriptStored(usage=usage, content_key=self._content_key(live.job)))

    async def _write_minutes(self, live: LiveJob) -> None:
        request = MinutesRequest.of(live.job)
        await self._storage_retry.repeat(self._leadership.confirm)
        written = await self._storage_retry.repeat(lambda: self._minutes_writer.write(request))
        if written.figures is not None:
            self._measures.written(written.figures)
        await self.advance(
            live,
            ResultsStored(names=written.names, note=written.note, minutes=written.minutes, usage=written.usage),
        )

    async def _end(self, live: LiveJob) -> None:
        """Forget an ended job and delete its working data."""
        self._forget(live)
        # Apart from the job's own end, which need not wait for a store that is away.
        cleaning = asyncio.create_task(self._storage_retry.in_thread(job_data.clean_up, self._store, live.job))
        self._background.add(cleaning)
        cleaning.add_done_callback(self._background.discard)
        self._ended()

    def _forget(self, live: LiveJob) -> None:
        """Stop all work for a job."""
        self.offices.drop(live.job.tenant, live.job.id)
        self.jobs.pop(live.job.id, None)
        live.announce()
        current = asyncio.current_task()
        for task in live.tasks:
            if task is not current:
                task.cancel()

    def _discard(self, item: WorkItem) -> None:
        """Delete a late outcome unless its job lives and is only not recovered yet. Blocks."""
        if self._records.is_over(item.tenant, item.job_id):
            job_data.discard(self._store, item)

    def _give_up(self, model: str, item: WorkItem, why: str) -> None:
        """A chunk failed for the last time: the job goes on without it, unless only a stand-in has tried so far."""
        live = self.jobs.get(item.job_id)
        if live is None:
            return
        if model != live.job.options.model:
            self.offices.hand_back(live.job.options.model, item, stand_in=model, why=why)
            return
        self._measures.quarantined(live.job.options.model)
        log.error("chunk given up", action="give_up", job_id=item.job_id, chunk=item.chunk.index, error=why)
        self._spawn(live, lambda live: self._finish_without(live, item, why), "give up")

    async def _finish_without(self, live: LiveJob, item: WorkItem, why: str) -> None:
        if item.task == "detect_language":
            await self._hear_language(live, Outcome(item=item))
            return
        await self._storage_retry.repeat(self._leadership.confirm)
        await self._storage_retry.in_thread(
            quarantine.keep_chunk,
            self._store,
            item,
            why,
            model=self.offices[live.job.options.model].replica,
            at_s=time.time(),
        )
        await self._storage_retry.in_thread(job_data.store_failure, self._store, item, why)
        await self._records.record(
            live.job, "chunk_given_up", f"chunk {item.chunk.index}: {why.strip().rpartition(chr(10))[2][:200]}"
        )
        await self.advance(live, ChunkFinished(index=item.chunk.index, audio_s=item.audio_s, failed=True))

    # Small parts

    @property
    def n_transcribing(self) -> int:
        """Jobs that hold samples and chunks; those that only wait for their minutes keep nobody out."""
        return sum(live.job.state is not JobState.SUMMARIZING for live in self.jobs.values())

    @property
    def backlog_s(self) -> float:
        """Audio seconds that wait or are being transcribed."""
        return self.offices.backlog_s

    def eta(self, live: LiveJob) -> float | None:
        """Seconds a job still needs, as far as the speed is known."""
        remaining = live.job.progress.audio_s - live.job.progress.done_s
        return eta_s(remaining, self.backlog_s, len(self.jobs), self.meter.speed)

    def _profile(self, job: Job) -> ModelProfile:
        return self._options.profile_of(job.options.model)

    def _spawn(self, live: LiveJob, step: Step, name: str) -> None:
        """Run a step of a job in a task of its own; what it raises ends the job with an enumerated reason."""

        async def traced(live: LiveJob) -> None:
            with tracing.span(name, live.job.traceparent, job_id=live.job.id):
                await step(live)

        task = asyncio.create_task(self.guard(live, traced))
        live.tasks.add(task)
        task.add_done_callback(live.tasks.discard)

    async def guard(self, live: LiveJob, step: Step) -> None:
        """Run a step; an error ends its job, a job that vanished from the ledger is forgotten."""
        try:
            with structlog.contextvars.bound_contextvars(**live.log_fields):
                failure = await self._failure_of(live, step)
                if failure is not None:
                    await self.advance(live, failure)
        except Fenced:
            self._leadership.lose()
        except (JobUnknown, VersionConflict) as error:
            log.warning("job is not ours any more", action="forget", job_id=live.job.id, error=str(error))
            self._forget(live)
            if isinstance(error, JobUnknown):  # deleted meanwhile, results and all
                await self._storage_retry.in_thread(erase_blobs, self._store, live.keys)

    async def _failure_of(self, live: LiveJob, step: Step) -> Failed | None:
        try:
            await step(live)
        except (Fenced, JobUnknown, VersionConflict):
            raise
        except MeetMemoError as error:
            return Failed(reason=error.reason, detail=str(error))
        except Exception as error:  # a fault of ours must end this job visibly, not hang it
            log.exception("step failed", action="step", job_id=live.job.id)
            return Failed(reason=Reason.INTERNAL, detail=f"{type(error).__name__}: {error}")
        return None
