"""`JobRunners`: the live jobs of a Coordinator, and the dispatchers that they share."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from deployments.artifacts import job_data
from deployments.artifacts.storage_retry import StorageRetry
from deployments.coordinator.dispatchers import Dispatchers
from deployments.coordinator.forecasts import Forecasts
from deployments.coordinator.job_runner import JobRunner, JobServices, Steps, describe, last_line
from deployments.coordinator.job_slots import JobSlots
from deployments.coordinator.job_steps import STEPS
from deployments.coordinator.job_store import JobStore
from deployments.coordinator.lease import LeaderLease
from deployments.coordinator.live_job import LiveJob, Slot
from deployments.coordinator.options import CoordinatorOptions
from deployments.coordinator.speaker_turns import SpeakerTurns
from deployments.coordinator.story import JobStories
from deployments.coordinator.transcript_reuse import TranscriptReuse
from deployments.ports import DiarizerPort, MinutesPort, Outcome, SegmenterPort, TranscriberPort
from deployments.telemetry.counters import CoordinatorMetrics
from deployments.telemetry.reports import BatchReport
from pipelines.errors import Reason
from pipelines.jobs.economy import is_economy
from pipelines.jobs.events import CancelRequested, Event, Failed, Recovered
from pipelines.jobs.job import Job, JobState
from pipelines.scheduling.eta import SpeedMeter, eta_s
from pipelines.scheduling.work_item import WorkItem
from pipelines.storage.protocol import BlobStore


class JobRunners:
    """Keeps a `JobRunner` for each job that was begun and has not ended. Belongs to one event loop."""

    def __init__(
        self,
        *,
        job_store: JobStore,
        store: BlobStore,
        segmenter: SegmenterPort,
        transcribers: Mapping[str, TranscriberPort],
        diarizer: DiarizerPort,
        minutes_writer: MinutesPort,
        leader: LeaderLease,
        storage_retry: StorageRetry,
        options: CoordinatorOptions,
        counters: CoordinatorMetrics,
        ended: Callable[[], None],
        steps: Steps = STEPS,
        n_slots: Callable[[], int] | None = None,
    ) -> None:
        """Wire the parts; ``ended`` is called whenever a job has ended, or waits, and makes room for another.

        ``n_slots`` says how many jobs may be transcribed at once; None: as many as ``options`` say.
        """
        self._steps = steps
        self.dispatchers = Dispatchers(
            transcribers,
            options,
            counters,
            give_up=self._give_up,
            lost=self._lost,
            expects_more=lambda: any(run.live.summary is None for run in self.jobs.values()),
        )
        self.meter = SpeedMeter()
        self.stories = JobStories()
        self._slots = JobSlots(
            n_slots=n_slots or (lambda: options.max_live_jobs),
            freed=ended,
        )
        live: dict[str, JobRunner] = {}
        self.forecasts = Forecasts(jobs=live, speed=lambda: self.meter.speed, counters=counters)
        self._services = JobServices(
            jobs=live,
            forecasts=self.forecasts,
            job_store=job_store,
            store=store,
            segmenter=segmenter,
            speaker_turns=SpeakerTurns(
                diarizer,
                storage_retry=storage_retry,
                counters=counters,
                timeout_s=options.voices_timeout_s,
                max_attempts=options.max_attempts,
                pause_s=options.pause_s,
            ),
            minutes_writer=minutes_writer,
            leader=leader,
            storage_retry=storage_retry,
            options=options,
            counters=counters,
            dispatchers=self.dispatchers,
            reuse=TranscriptReuse(
                job_store=job_store,
                store=store,
                leader=leader,
                storage_retry=storage_retry,
                profiles=options.profiles,
                weights=options.weights,
            ),
            meter=self.meter,
            stories=self.stories,
            slots=self._slots,
            ended=ended,
        )
        self.jobs = self._services.jobs
        self._economy_ids: set[str] = set()  # asked for at every job's end, when thousands of others may be live

    async def close(self) -> None:
        """Stop all work; jobs stay as the ledger has them."""
        tasks = [*self._services.background, *(task for run in self.jobs.values() for task in run.live.tasks)]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.dispatchers.close()

    # Where jobs come in

    def admit(self, job: Job) -> JobRunner:
        """Add a live job."""
        known = self._services.options.profile_of(job.options.model).languages or ()
        policy = self._services.options.language_policy(job.tenant)
        allowed = job.options.languages or policy.allowed
        only = next((codes[0] for codes in (allowed, known) if len(codes) == 1), None)
        begun = job.state is not JobState.QUEUED
        live = LiveJob(
            job=job,
            stored=job,
            given_language=job.options.language or only,
            language_policy=replace(policy, allowed=allowed),
            first_time=not begun,
        )
        run = self.jobs[job.id] = JobRunner(live, self._services, self._steps)
        if job.options.priority_class == "economy":
            self._economy_ids.add(job.id)
        if job.state is not JobState.SUMMARIZING:
            self._slots.take(live)
        self.forecasts.admitted(job)
        return run

    async def recover(self, job: Job) -> None:
        """Go on with a job that an earlier Coordinator had begun, or end one whose owner asked for that."""
        run, store = self.admit(job), self._services.store
        if job.cancel_requested:
            await run.report(CancelRequested())
            return
        run.live.outcomes = await asyncio.to_thread(job_data.stored_outcomes, store, run.live.keys)
        for vote in await asyncio.to_thread(job_data.stored_languages, store, run.live.keys):
            run.live.votes[vote.channel] = vote
        self._services.counters.recovered()
        n_done = len(run.live.outcomes.done)
        await self._services.job_store.record(job, "recovered", f"{n_done} chunks were transcribed")
        await self.begin(run, Recovered())

    async def begin(self, run: JobRunner, event: Event) -> None:
        """Start or go on with a job, unless its model is not there any more."""
        model = run.job.options.model
        transcribed = run.job.state is JobState.SUMMARIZING or not run.job.decodes
        if model not in self.dispatchers and not transcribed:
            event = Failed(reason=Reason.MODEL_UNKNOWN, detail=f"There is no model {model!r} any more.")
        await run.report(event)

    # What Transcribers report

    def record_report(self, model: str, report: BatchReport) -> None:
        """Count what a Transcriber measured."""
        self._services.counters.batch(model, report, self._services.options.profile_of(model).window_s)

    async def take_outcome(self, model: str, pull_id: str, outcome: Outcome) -> None:
        """Take in what became of a claimed item; an outcome whose lease was lost meanwhile is ignored."""
        run = self.jobs.get(outcome.item.job_id)
        if run is None:
            await self._services.storage_retry.in_thread(self._discard, outcome.item)
        elif self.dispatchers[model].settle(pull_id, outcome.item):
            await run.take_outcome(model, outcome, f"pull-{pull_id[:8]}")

    def _discard(self, item: WorkItem) -> None:
        """Delete a late outcome unless its job lives and is only not recovered yet. Blocks."""
        if self._services.job_store.is_over(item.tenant, item.job_id):
            job_data.discard(self._services.store, item)

    def _give_up(self, model: str, item: WorkItem, why: str) -> None:
        if run := self.jobs.get(item.job_id):
            run.give_up(model, item, why)

    def _lost(self, model: str, pull_id: str, item: WorkItem, why: str) -> None:
        if run := self.jobs.get(item.job_id):
            run.tell(f"PullFailed: {describe(item)} by {model}: {last_line(why)}", stimulus_id=f"pull-{pull_id[:8]}")

    # How far they are

    @property
    def n_transcribing(self) -> int:
        """Jobs that count towards the limit, see `JobSlots`."""
        return self._slots.n_taken

    @property
    def n_economy(self) -> int:
        """How many of those are economy jobs, which keep no standard one from being begun."""
        self._economy_ids &= self.jobs.keys()
        now_s = time.time()
        runs = [self.jobs[job_id] for job_id in self._economy_ids]
        return sum(run.live.slot is Slot.HELD and is_economy(run.job, now_s) for run in runs)

    def promote_urgent(self) -> None:
        """Queue the chunks of economy jobs that are due soon as standard ones."""
        now_s = time.time()
        for run in self.jobs.values():
            if run.job.options.priority_class == "economy" and not is_economy(run.job, now_s):
                self.dispatchers.promote(run.job.tenant, run.job.id)

    @property
    def backlog_s(self) -> float:
        """Audio seconds that wait or are being transcribed."""
        return self.dispatchers.backlog_s

    def eta(self, job: Job) -> float | None:
        """Return seconds a job still needs, as far as the speed is known."""
        remaining = job.progress.audio_s - job.progress.done_s
        return eta_s(remaining, self.backlog_s, len(self.jobs), self.meter.speed)
