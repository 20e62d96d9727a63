"""`JobRunner`: runs one job. Events go in, the commands they bring are run by steps.

1. `handle` gives an event to `pipelines.jobs.state_machine.transition`, makes a changed state durable, runs commands.
2. `take_outcome` turns what Transcribers report into events and commands (`item_commands`).
3. `guard` ends the job when a step fails, and forgets it when it is no longer this Coordinator's.
"""

import asyncio
import functools
import itertools
import re
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import structlog

from deployments.artifacts.storage_retry import StorageRetry
from deployments.coordinator.dispatchers import Dispatchers
from deployments.coordinator.forecasts import Forecasts
from deployments.coordinator.item_commands import ItemCommand, on_given_up, on_outcome
from deployments.coordinator.job_slots import JobSlots
from deployments.coordinator.job_store import JobStore
from deployments.coordinator.lease import LeaderLease
from deployments.coordinator.live_job import LiveJob
from deployments.coordinator.options import CoordinatorOptions
from deployments.coordinator.speaker_turns import SpeakerTurns
from deployments.coordinator.story import JobStories
from deployments.coordinator.transcript_reuse import TranscriptReuse
from deployments.ports import MinutesPort, MinutesRequest, Outcome, SegmenterPort
from deployments.retention.erasure import erase_blobs
from deployments.telemetry import tracing
from deployments.telemetry.counters import CoordinatorMetrics
from pipelines.errors import Fenced, JobUnknown, MeetMemoError, Reason, VersionConflict
from pipelines.jobs.events import Action, ChunkFinished, Event, Failed
from pipelines.jobs.job import Job, JobState
from pipelines.jobs.state_machine import transition
from pipelines.scheduling.eta import SpeedMeter
from pipelines.scheduling.work_item import WorkItem
from pipelines.storage.protocol import BlobStore

log = structlog.get_logger()

Command = Action | ItemCommand
Step = Callable[["JobRunner", Any], Awaitable[None]]
"""Runs a command; takes the type of its key in `Steps`, which a dict cannot express: hence Any."""

MAX_ERROR_CHARS = 200  # of an error in a story or a job's history


@dataclass(frozen=True, kw_only=True)
class JobServices:
    """Everything that the steps of a job use; shared by all jobs of a Coordinator.

    ``jobs`` are the live ones by id, ``background`` tasks that outlive their job. ``ended`` is called whenever a job
    has ended and makes room for another.
    """

    job_store: JobStore
    store: BlobStore
    segmenter: SegmenterPort
    speaker_turns: SpeakerTurns
    minutes_writer: MinutesPort
    leader: LeaderLease
    storage_retry: StorageRetry
    options: CoordinatorOptions
    counters: CoordinatorMetrics
    dispatchers: Dispatchers
    reuse: TranscriptReuse
    meter: SpeedMeter
    stories: JobStories
    slots: JobSlots
    forecasts: Forecasts
    ended: Callable[[], None]
    jobs: "dict[str, JobRunner]" = field(default_factory=dict)
    background: set[asyncio.Task[None]] = field(default_factory=set)


@dataclass(frozen=True, kw_only=True)
class Steps:
    """The step of each command. Those with a name in ``tasks`` run in a task of their own, traced under that name."""

    by_command: Mapping[type, Step]
    tasks: Mapping[type, str]


class JobRunner:
    """Runs one live job: applies its events, starts and ends the tasks of its actions. Belongs to one event loop."""

    _stimuli = itertools.count(1)

    def __init__(self, live: LiveJob, services: JobServices, steps: Steps) -> None:
        self.live = live
        self.services = services
        self._steps = steps

    @property
    def job(self) -> Job:
        """The job as this Coordinator knows it."""
        return self.live.job

    async def report(self, event: Event, stimulus_id: str = "") -> None:
        """Handle an event from outside the job's own tasks; its failures stay the job's own."""
        await self.guard(lambda: self.handle(event, stimulus_id))

    async def handle(self, event: Event, stimulus_id: str = "") -> None:
        """Apply an event, make a changed state durable unless it `is_written_later`, then run the commands.

        ``stimulus_id`` names the cause in the job's story; "" makes one up from the event.
        """
        live = self.live
        async with live.lock:
            after, commands = transition(live.job, event)
            if after.state is live.job.state:
                live.job = after
            elif is_written_later(after):
                live.job = after
                log.info("job", action=after.state, job_id=after.id, reason=after.reason)
            else:
                stored = await self.services.storage_retry.repeat(lambda: self.services.job_store.write(live, after))
                self._enter(after, stored)
            self.tell(event, commands, stimulus_id)
        if after.state is JobState.SUMMARIZING:
            self.services.slots.release(live)
        live.announce()
        for command in commands:
            await self.run(command)

    def _enter(self, after: Job, stored: Job) -> None:
        """Take over a state that the ledger has stored, and count the change."""
        live, counters = self.live, self.services.counters
        self.services.job_store.accept(live, after, stored)
        if after.state.final:
            counters.ended(live.job, live.job.updated_at_s)
            self.services.forecasts.ended(live.job)
            took_s = live.job.updated_at_s - live.job.created_at_s
            tracing.past_span("job", live.job.traceparent, took_s, job_id=after.id, state=after.state.value)
        elif live.job.state is JobState.TRANSCRIBING:
            counters.begun(live.job)
        # Not its detail, which may name the recording: no erasure reaches logs.
        log.info("job", action=after.state, job_id=after.id, reason=after.reason)

    async def take_outcome(self, model: str, outcome: Outcome, stimulus_id: str) -> None:
        """Take in what became of an item whose lease has just ended."""
        found = on_outcome(model, outcome)
        if isinstance(found, ChunkFinished):
            await self.finish_chunk(found, stimulus_id)
        else:
            self.tell(outcome, (found,), stimulus_id)
            await self.guard(lambda: self.run(found))

    async def finish_chunk(self, finished: ChunkFinished, stimulus_id: str = "") -> None:
        """Count a chunk that was transcribed, and go on with the job."""
        self.services.meter.done(time.monotonic(), finished.audio_s)
        self.services.counters.chunk_done(self.job, finished.audio_s)
        if not self._take_in(finished, stimulus_id):
            await self.report(finished, stimulus_id)

    def _take_in(self, event: Event, stimulus_id: str) -> bool:
        """Apply an event that changes no state and brings no command, as nearly all ends of chunks are.

        Nothing can fail then, and nothing is logged or waited for. False, and nothing done, for every other.
        """
        live = self.live
        if live.lock.locked():
            return False
        try:
            after, commands = transition(live.job, event)
        except MeetMemoError:  # raised again where it ends the job
            return False
        if commands or after.state is not live.job.state:
            return False
        live.job = after
        self.tell(event, stimulus_id=stimulus_id)
        live.announce()
        return True

    def give_up(self, model: str, item: WorkItem, why: str) -> None:
        """Go on without an item whose attempts by a model are used up, unless another model may try it."""
        command = on_given_up(self.job, model, item, why)
        self.tell(f"GivenUp by {model}: {describe(item)}: {last_line(why)}", (command,))
        self._spawn(command, "give up")

    async def run(self, command: Command) -> None:
        """Run a command's step, or begin it in a task of its own."""
        name = self._steps.tasks.get(type(command))
        if name:
            self._spawn(command, name)
        else:
            await self._steps.by_command[type(command)](self, command)

    def tell(self, what: object, commands: tuple[Command, ...] = (), stimulus_id: str = "") -> None:
        """Enter something in the job's story."""
        if not stimulus_id:
            kind = what.partition(" ")[0] if isinstance(what, str) else type(what).__name__
            stimulus_id = f"{_stimulus_of(kind)}-{next(self._stimuli)}"
        self.services.stories.add(
            self.job.id,
            describe(what),
            stimulus_id=stimulus_id,
            state=self.job.state,
            commands=tuple(describe(command) for command in commands),
        )

    def forget(self) -> None:
        """Stop all work for the job."""
        self.services.dispatchers.drop(self.job.tenant, self.job.id)
        self.services.jobs.pop(self.job.id, None)
        self.services.slots.release(self.live)
        self.live.announce()
        current = asyncio.current_task()
        for task in self.live.tasks:
            if task is not current:
                task.cancel()

    def _spawn(self, command: Command, name: str) -> None:
        """Run a step in a task of its own; an error of it ends the job with an enumerated reason."""

        async def traced() -> None:
            with tracing.span(name, self.job.traceparent, job_id=self.job.id):
                await self._steps.by_command[type(command)](self, command)

        task = asyncio.create_task(self.guard(traced))
        self.live.tasks.add(task)
        task.add_done_callback(self.live.tasks.discard)

    async def guard(self, work: Callable[[], Coroutine[None, None, None]]) -> None:
        """Do work for the job; an error ends the job, one that vanished from the ledger is forgotten.

        ``work`` is called where it is awaited: a task that is cancelled before it begins leaves no coroutine.
        """
        try:
            with structlog.contextvars.bound_contextvars(**self.live.log_fields):
                failure = await self._failure_of(work)
                if failure is not None:
                    await self.handle(failure)
        except Fenced:
            self.tell("Fenced: another Coordinator holds the lease")
            self.services.leader.mark_lost()
        except (JobUnknown, VersionConflict) as error:
            log.warning("job is not ours any more", action="forget", job_id=self.job.id, error=str(error))
            self.tell(f"{type(error).__name__}: the job is not ours any more")
            self.forget()
            if isinstance(error, JobUnknown):  # deleted meanwhile, results and all
                self.services.stories.forget(self.job.id)
                await self.services.storage_retry.in_thread(erase_blobs, self.services.store, self.live.keys)

    async def _failure_of(self, work: Callable[[], Coroutine[None, None, None]]) -> Failed | None:
        try:
            await work()
        except (Fenced, JobUnknown, VersionConflict):
            raise
        except MeetMemoError as error:
            return Failed(reason=error.reason, detail=str(error))
        except Exception as error:  # a fault of ours must end this job visibly, not hang it
            log.exception("step failed", action="step", job_id=self.job.id)
            return Failed(reason=Reason.INTERNAL, detail=f"{type(error).__name__}: {error}")
        return None


def is_written_later(job: Job) -> bool:
    """Return whether a job's new state is written with its progress, if it lasts so long: that of one without minutes.

    Its documents are rendered in a moment. A Coordinator that is killed meanwhile stitches the same results again.
    Where minutes or translations are wanted, what may cost money begins from a state that the ledger has.
    """
    return job.state is JobState.SUMMARIZING and MinutesRequest.of(job).renders_only


_SHOWN = ("index", "failed", "reason", "audio_s", "n_chunks", "origin", "model", "canary_model")
"""Fields of events and commands that a story shows: none of them may name or quote a recording."""


def describe(what: object) -> str:
    """Describe an event, a command or an item in a few words that name no recording."""
    if isinstance(what, str):
        return what
    if isinstance(what, WorkItem):
        return f"chunk {what.chunk.index}" + (" (votes)" if what.is_voting else "")
    if isinstance(what, Outcome):
        return f"Outcome of {describe(what.item)}" + (f": {last_line(what.error)}" if what.error else "")
    parts = [type(what).__name__]
    for name in _names_shown(type(what)):  # type: ignore[arg-type]  # types can be hashed
        value = getattr(what, name)
        if name == "chunks":
            if value:
                parts.append(f"chunks={','.join([str(chunk.index) for chunk in value])}")
        elif name == "item":
            parts.append(describe(value))
        elif (value or name == "index") and isinstance(value, (str, int, float)):
            parts.append(f"{name}={value}")
    return " ".join(parts)


@functools.cache
def _names_shown(kind: type) -> tuple[str, ...]:
    """Return which fields of a dataclass a story shows, what it is about at last."""
    own = {entry.name for entry in fields(kind)}
    return tuple(name for name in (*_SHOWN, "chunks", "item") if name in own)


@functools.cache
def _stimulus_of(kind: str) -> str:
    """Return the beginning of a stimulus' name: ChunkFinished is chunk-finished."""
    return re.sub("(?<=[a-z])(?=[A-Z])", "-", kind).lower().rstrip(":")


def last_line(error: str) -> str:
    """Return the last line of an error, shortened: in a traceback it says the most."""
    return error.strip().rpartition("\n")[2][:MAX_ERROR_CHARS]
