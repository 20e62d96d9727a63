"""Lives of jobs as playbooks: ``<<`` gives an event, ``>>`` names the commands that it must bring, and no others.

A real `JobRunner` runs over a real dispatcher and ledger in virtual time. Steps that would read, decode or write
only note their command.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Literal

import pytest

from deployments.artifacts.storage_retry import StorageRetry
from deployments.coordinator.item_commands import CountLanguage, HandBack, PostponeItem, QuarantineChunk, RetryItem
from deployments.coordinator.job_runner import JobRunner, Steps
from deployments.coordinator.job_runners import JobRunners
from deployments.coordinator.job_steps import STEPS
from deployments.coordinator.job_store import MIN_AGE_S, JobStore
from deployments.coordinator.lease import LeaderLease
from deployments.coordinator.options import CoordinatorOptions
from deployments.notifications.messages import JobNotifications
from deployments.ports import Outcome, StoryEntry, WrittenResults
from deployments.telemetry.counters import CoordinatorMetrics
from pipelines.core import BlobRef, Chunk, LanguagePassage, ModelInfo, Span, SpeechInterval
from pipelines.errors import Fenced, Reason
from pipelines.jobs.events import (
    CancelRequested,
    ChunkFinished,
    Claimed,
    CleanUp,
    EnqueueChunks,
    Event,
    Failed,
    Recovered,
    ResultsStored,
    Segmented,
    SpanStored,
    StartMinutes,
    StartSegmentation,
    StartStitching,
    TranscriptReused,
    TranscriptStored,
)
from pipelines.jobs.job import Job, JobOptions, JobState, MinutesRecord
from pipelines.models.profile import ModelProfile
from pipelines.scheduling.work_item import WorkItem
from tests.fakes.ledger import MemoryLedger
from tests.fakes.store import MemoryStore
from tests.support.virtual_time import run_in_virtual_time

MODEL, CANARY = "m", "canary"
MAX_ATTEMPTS = 3
PAUSE_S = 1.0


class Silent:
    """A Transcriber whose calls end when a test says so."""

    def __init__(self) -> None:
        self.calls: dict[str, asyncio.Future[int]] = {}

    async def work(self, pull_id: str) -> int:
        self.calls[pull_id] = asyncio.get_running_loop().create_future()
        try:
            return await self.calls[pull_id]
        finally:
            del self.calls[pull_id]


class Stage:
    """One job in hand with all it needs; ``noted`` are the commands since the last event."""

    def __init__(self) -> None:
        self.ledger = MemoryLedger()
        self.noted: list[object] = []
        self.transcriber = Silent()
        self.leader = LeaderLease(self.ledger, "first", 3600.0)
        self.job_store = JobStore(self.ledger, self.leader, JobNotifications())
        self.runners = JobRunners(
            job_store=self.job_store,
            store=MemoryStore(),
            segmenter=None,  # type: ignore[arg-type]  # no step gets there
            transcribers={MODEL: self.transcriber, CANARY: self.transcriber},
            diarizer=None,  # type: ignore[arg-type]
            minutes_writer=None,  # type: ignore[arg-type]
            leader=self.leader,
            storage_retry=StorageRetry(),
            options=CoordinatorOptions(
                owner="first",
                profiles={MODEL: ModelProfile(languages=("en",))},
                max_pulls={MODEL: 1},
                max_attempts=MAX_ATTEMPTS,
                pause_s=PAUSE_S,
            ),
            counters=CoordinatorMetrics([MODEL]),
            ended=lambda: None,
            steps=Steps(by_command={command: self.note(command) for command in STEPS.by_command}, tasks={}),
        )

    def note(self, kind: type) -> Callable[[JobRunner, Any], Awaitable[None]]:
        """Note a command; those that only queue something are run, too."""

        async def step(run: JobRunner, command: Any) -> None:
            self.noted.append(command)
            if kind in (EnqueueChunks, RetryItem, PostponeItem):
                await STEPS.by_command[kind](run, command)

        return step

    async def take_job(self, minutes: Literal["auto", "none"] = "auto") -> JobRunner:
        await self.leader.acquire()
        source = BlobRef(key="t/j/source", n_bytes=1)
        self.ledger.create(
            Job(
                id="j",
                tenant="t",
                options=JobOptions(model=MODEL, minutes=minutes),
                source=source,
                filename="a",
                created_at_s=1.0,
            )
        )
        (job,) = self.job_store.claim(1, 1, ())
        run = self.runners.admit(job)
        run.live.spans.append(SPAN)
        return run


SPAN = Span(index=0, channel=0, start=0, end=16_000, pcm=BlobRef(key="t/j/pcm", n_bytes=32_000), chunks=())
Happening = Callable[[Stage, JobRunner], Awaitable[None]]


class Playbook:
    """Events and the commands they must bring, in order."""

    def __init__(self) -> None:
        self.acts: list[tuple[Event | Happening, list[object]]] = []

    def __lshift__(self, event: Event | Happening) -> "Playbook":
        self.acts.append((event, []))
        return self

    def __rshift__(self, command: object) -> "Playbook":
        self.acts[-1][1].append(command)
        return self

    def play(self, state: JobState) -> tuple[Job, tuple[StoryEntry, ...]]:
        """Play everything; the ledger must have the job in ``state`` then. Returns the job and its story."""

        async def run() -> tuple[Job, tuple[StoryEntry, ...]]:
            stage = Stage()
            runner = await stage.take_job()
            for event, expected in self.acts:
                stage.noted.clear()
                await (event(stage, runner) if callable(event) else runner.report(event))
                assert stage.noted == expected, f"after {event}"
            await stage.runners.close()
            await stage.leader.release()
            job = stage.ledger.get("t", "j")
            assert job.state is state
            return job, stage.runners.stories.of("j")

        return run_in_virtual_time(run())[0]


def chunks(*indices: int) -> tuple[Chunk, ...]:
    return tuple(Chunk(index=i, channel=0, span=0, pieces=(SpeechInterval(start=0, end=16_000),)) for i in indices)


def item(index: int, attempt: int = 0, errors: tuple[str, ...] = (), **changes: Any) -> WorkItem:
    (chunk,) = chunks(index)
    plain = WorkItem(tenant="t", job_id="j", chunk=chunk, samples=SPAN.pcm, language="en")
    return replace(plain, attempt=attempt, errors=errors, alone=attempt + 1 == MAX_ATTEMPTS, **changes)


# Events


def span(*indices: int) -> SpanStored:
    return SpanStored(audio_s=float(len(indices)), chunks=chunks(*indices))


def done(index: int) -> ChunkFinished:
    return ChunkFinished(index=index, audio_s=1.0)


def claims(*expected: WorkItem) -> Happening:
    """A replica takes its batch: these items."""

    async def happen(stage: Stage, runner: JobRunner) -> None:
        await asyncio.sleep(2 * PAUSE_S)
        (pull_id,) = stage.transcriber.calls
        claimed = stage.runners.dispatchers[MODEL].claim(pull_id, ModelInfo(name=MODEL), 4)
        assert claimed == expected

    return happen


def reports(outcome: Outcome) -> Happening:
    """The replica that has the batch reports what became of an item."""

    async def happen(stage: Stage, runner: JobRunner) -> None:
        (pull_id,) = stage.transcriber.calls
        await stage.runners.take_outcome(MODEL, pull_id, outcome)

    return happen


async def transcriber_dies(stage: Stage, runner: JobRunner) -> None:
    """The replica that has the batch is gone."""
    (call,) = stage.transcriber.calls.values()
    call.set_exception(ConnectionError("the replica died"))


async def batch_ends(stage: Stage, runner: JobRunner) -> None:
    """The replica returns from its call."""
    (call,) = stage.transcriber.calls.values()
    call.set_result(0)
    await asyncio.sleep(0)


async def canary_gives_up(stage: Stage, runner: JobRunner) -> None:
    runner.give_up(CANARY, item(0), "unknown language")
    await asyncio.sleep(0)


async def another_coordinator_takes_over(stage: Stage, runner: JobRunner) -> None:
    stage.ledger.release(stage.leader.lease)
    assert stage.ledger.acquire_lease("second", 3600.0)


async def lease_is_lost(stage: Stage, runner: JobRunner) -> None:
    with pytest.raises(Fenced):
        _ = stage.leader.lease


def minutes_follow(names: tuple[str, ...]) -> Happening:
    """The MinutesWriter has written what was parked."""

    async def happen(stage: Stage, runner: JobRunner) -> None:
        written = WrittenResults(names=names, minutes=MinutesRecord(state="written", writer="llm"))
        stage.job_store.enter_minutes("t", "j", written)

    return happen


RESULTS = ResultsStored(names=("transcript.json", "minutes.md"), minutes=MinutesRecord(state="written"))

# The normal life, one act a line: what happens, and what is done then.
NORMAL_LIFE: tuple[tuple[Event, tuple[object, ...]], ...] = (
    (Claimed(), (StartSegmentation(),)),
    (span(0, 1), (EnqueueChunks(chunks=chunks(0, 1)),)),
    (done(0), ()),
    (span(2), (EnqueueChunks(chunks=chunks(2)),)),
    (Segmented(n_chunks=3), ()),
    (done(2), ()),
    (done(1), (StartStitching(),)),
    (TranscriptStored(), (StartMinutes(),)),
    (RESULTS, (CleanUp(),)),
)


def life(n_acts: int = len(NORMAL_LIFE)) -> Playbook:
    """The beginning of the normal life."""
    book = Playbook()
    for event, commands in NORMAL_LIFE[:n_acts]:
        book <<= event
        for command in commands:
            book >>= command
    return book


# Playbooks


def test_the_normal_life() -> None:
    """Segments, decodes, stitches, writes; the story tells each step with its cause."""
    job, story = life().play(JobState.SUCCEEDED)
    assert job.results == RESULTS.names
    assert [entry.what for entry in story][:3] == [
        "Claimed",
        "SpanStored audio_s=2.0 chunks=0,1",
        "ChunkFinished index=0 audio_s=1.0",
    ]
    assert story[0].commands == ("StartSegmentation",)
    assert [entry.state for entry in story] == ["transcribing"] * 7 + ["summarizing", "succeeded"]
    assert len({entry.stimulus_id for entry in story}) == len(story)


def test_a_failing_chunk_is_retried_then_goes_into_quarantine() -> None:
    """Each attempt knows what the ones before met; the last is made alone. The job goes on without the chunk."""
    first, second, third = item(0), item(0, 1, ("boom",)), item(0, 2, ("boom", "boom"))
    given_up = replace(third, errors=("boom",) * 3)
    _, story = (
        life(1)
        << span(0)
        >> EnqueueChunks(chunks=chunks(0))
        << claims(first)
        << reports(Outcome(item=first, error="boom"))
        >> RetryItem(model=MODEL, item=first, why="boom")
        << batch_ends
        << claims(second)
        << reports(Outcome(item=second, error="boom"))
        >> RetryItem(model=MODEL, item=second, why="boom")
        << batch_ends
        << claims(third)
        << reports(Outcome(item=third, error="boom"))
        >> RetryItem(model=MODEL, item=third, why="boom")
        << batch_ends
        >> QuarantineChunk(item=given_up, why="boom")
        << Segmented(n_chunks=1)
        << ChunkFinished(index=0, audio_s=1.0, failed=True)
        >> StartStitching()
        << TranscriptStored()
        >> CleanUp()
    ).play(JobState.FAILED)
    assert "GivenUp by m: chunk 0: boom" in [entry.what for entry in story]


def test_an_outage_costs_no_attempt() -> None:
    """A store that did not answer is not the chunk's fault."""
    (
        life(1)
        << span(0)
        >> EnqueueChunks(chunks=chunks(0))
        << claims(item(0))
        << reports(Outcome(item=item(0), error="the store is away", retry=True))
        >> PostponeItem(model=MODEL, item=item(0))
        << batch_ends
        << claims(item(0))
        << reports(Outcome(item=item(0)))
        << Segmented(n_chunks=1)
        >> StartStitching()
    ).play(JobState.TRANSCRIBING)


def test_a_lost_transcriber_gives_its_items_back() -> None:
    """Another replica gets them, as a second attempt; the story names the call that they were lost with."""
    why = "ConnectionError: the replica died"
    again = (item(1, 1, (why,)), item(0, 1, (why,)))
    _, story = (
        life(2)
        << claims(item(0), item(1))
        << transcriber_dies
        << claims(*again)
        << reports(Outcome(item=again[0]))
        << reports(Outcome(item=again[1]))
        << Segmented(n_chunks=2)
        >> StartStitching()
    ).play(JobState.TRANSCRIBING)
    lost = [entry for entry in story if entry.what.startswith("PullFailed")]
    assert [entry.what for entry in lost] == [f"PullFailed: chunk {index} by m: {why}" for index in (0, 1)]
    assert len({entry.stimulus_id for entry in lost}) == 1


def test_what_a_canary_cannot_decode_comes_back() -> None:
    """A chunk that only the canary model has tried is not given up."""
    (life(2) << canary_gives_up >> HandBack(canary_model=CANARY, item=item(0), why="unknown language")).play(
        JobState.TRANSCRIBING
    )


def test_a_row_that_votes() -> None:
    """Its languages are counted before it is finished; one that is given up is kept for a replay all the same."""
    voter = item(0, language=None)
    english = LanguagePassage(start_s=0, end_s=1, language="en", probability=0.9)

    async def give_up(stage: Stage, runner: JobRunner) -> None:
        runner.give_up(MODEL, voter, "boom")
        await asyncio.sleep(0)

    async def answer(stage: Stage, runner: JobRunner) -> None:
        await runner.take_outcome(MODEL, Outcome(item=voter, passages=(english,)), "pull-1")

    (
        life(1)
        << answer
        >> CountLanguage(item=voter, passages=(english,))
        << give_up
        >> QuarantineChunk(item=voter, why="boom")
    ).play(JobState.TRANSCRIBING)


@pytest.mark.parametrize("n_acts", range(len(NORMAL_LIFE)))
def test_cancelled_at_each_step(n_acts: int) -> None:
    """Cleaning up is all that happens then; what was under way and ends late changes nothing."""
    book = life(n_acts) << CancelRequested() >> CleanUp()
    for event in (span(0, 1), done(0), Segmented(n_chunks=1), TranscriptStored(), RESULTS, CancelRequested()):
        book <<= event
    book.play(JobState.CANCELLED)


@pytest.mark.parametrize("n_acts", range(len(NORMAL_LIFE)))
def test_failed_at_each_step(n_acts: int) -> None:
    """A step that fails ends the job with its reason. The story has the reason, and not the detail."""
    failed = Failed(reason=Reason.CORRUPT_AUDIO, detail="secret name.mp3 is corrupt")
    job, story = (life(n_acts) << failed >> CleanUp()).play(JobState.FAILED)
    assert (job.reason, job.detail) == (failed.reason, failed.detail)
    assert story[-1].what == "Failed reason=corrupt_audio"


def test_parked_minutes_follow_later() -> None:
    """The job ends with its transcript; minutes are entered when the model works again, and bring no message."""
    parked = ResultsStored(names=("transcript.json",), note="later", minutes=MinutesRecord(state="parked"))
    job, _ = (
        life(len(NORMAL_LIFE) - 1) << parked >> CleanUp() << minutes_follow(("transcript.json", "minutes.md"))
    ).play(JobState.SUCCEEDED)
    assert job.minutes is not None
    assert (job.minutes.state, job.detail) == ("written", "")
    assert job.results == ("transcript.json", "minutes.md")


def test_a_fenced_coordinator_changes_nothing() -> None:
    """It may go on in memory, but stores no change of state, starts nothing by one, and knows that it lost."""
    _, story = (
        life(6)
        << another_coordinator_takes_over
        << done(1)
        >> StartStitching()
        << TranscriptStored()
        << lease_is_lost
        << CancelRequested()
    ).play(JobState.TRANSCRIBING)
    assert story[-1].what == "Fenced: another Coordinator holds the lease"


@pytest.mark.parametrize(
    ("minutes", "while_written", "n_writes"), [("auto", JobState.SUMMARIZING, 3), ("none", JobState.TRANSCRIBING, 2)]
)
def test_documents_without_minutes_cost_no_state(
    minutes: Literal["auto", "none"], while_written: JobState, n_writes: int
) -> None:
    """What may cost money begins from a state that the ledger has; what is rendered in a moment needs none."""

    async def run() -> None:
        stage = Stage()
        runner = await stage.take_job(minutes)
        for event, _ in NORMAL_LIFE[:-1]:
            await runner.report(event)
        assert runner.job.state is JobState.SUMMARIZING
        assert stage.ledger.get("t", "j").state is while_written
        await runner.report(RESULTS)
        job = stage.ledger.get("t", "j")
        assert (job.state, job.version, job.results) == (JobState.SUCCEEDED, 1 + n_writes, RESULTS.names)
        await stage.runners.close()
        await stage.leader.release()

    run_in_virtual_time(run())


def test_a_state_that_lasts_is_written_with_progress() -> None:
    """Documents that take long are shown, and a lost answer to that write does not cost the job its end."""

    async def run() -> None:
        stage = Stage()
        runner = await stage.take_job("none")
        for event, _ in NORMAL_LIFE[:-1]:
            await runner.report(event)
        runner.live.stored_at_s -= MIN_AGE_S
        before = runner.live.stored
        await stage.job_store.save_progress([runner.live])
        assert stage.ledger.get("t", "j").state is JobState.SUMMARIZING
        runner.live.stored = before  # as after an answer that was lost
        await runner.report(RESULTS)
        assert stage.ledger.get("t", "j").state is JobState.SUCCEEDED
        await stage.runners.close()
        await stage.leader.release()

    run_in_virtual_time(run())


def test_an_earlier_transcript_is_reused() -> None:
    """Nothing is decoded."""
    reused = TranscriptReused(origin="earlier", audio_s=60.0, n_chunks=2, content_key="k")
    job, _ = (life(1) << reused >> StartMinutes() << RESULTS >> CleanUp()).play(JobState.SUCCEEDED)
    assert job.reused_from == "earlier"


def test_a_successor_begins_the_step_again() -> None:
    """What the dead Coordinator had found in memory is found again."""
    (life(5) << Recovered() >> StartSegmentation() << span(0, 1) >> EnqueueChunks(chunks=chunks(0, 1))).play(
        JobState.TRANSCRIBING
    )
