"""The state machine of a job, driven by random events against what must always hold."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pipelines import codec
from pipelines.core import SAMPLE_RATE, BlobRef, Chunk, SpeechInterval
from pipelines.errors import IllegalTransition, Reason
from pipelines.jobs.events import (
    CancelRequested,
    ChunkFinished,
    Claimed,
    CleanUp,
    EnqueueChunks,
    Failed,
    Recovered,
    ResultsStored,
    Segmented,
    SourceFetched,
    SpanStored,
    StartMinutes,
    StartSegmentation,
    StartStitching,
    TranscriptReused,
    TranscriptStored,
)
from pipelines.jobs.job import Job, JobOptions, JobState
from pipelines.jobs.state_machine import transition
from pipelines.notes import Note, NoteCode

SPAN_S = 60.0
CHUNK_S = 10.0


def new_job():
    return Job(
        id="j1",
        tenant="acme",
        options=JobOptions(model="mini-en"),
        source=BlobRef(key="acme/j1/source", n_bytes=1),
        filename="call.wav",
        created_at_s=0.0,
    )


def chunk(index):
    start = int(index * CHUNK_S * SAMPLE_RATE)
    piece = SpeechInterval(start=start, end=start + int(CHUNK_S * SAMPLE_RATE))
    return Chunk(index=index, channel=0, span=0, pieces=(piece,))


def span(*indices):
    return SpanStored(audio_s=SPAN_S, chunks=tuple(chunk(index) for index in indices))


def finished(index, failed=False):
    return ChunkFinished(index=index, audio_s=CHUNK_S, failed=failed)


def run(job, *events):
    """Apply events one after another; return the job and the last event's actions."""
    actions: tuple[object, ...] = ()
    for event in events:
        job, actions = transition(job, event)
    return job, actions


EVENTS = st.one_of(
    st.just(Claimed()),
    st.sets(st.integers(0, 5), max_size=3).map(lambda indices: span(*sorted(indices))),
    st.integers(0, 6).map(lambda n: Segmented(n_chunks=n)),
    st.builds(finished, st.integers(0, 6), st.booleans()),
    st.just(SourceFetched(source=BlobRef(key="acme/j1/source", n_bytes=2, sha256="ab"))),
    st.just(TranscriptReused(origin="j0", audio_s=SPAN_S, n_chunks=2, content_key="k")),
    st.just(TranscriptStored()),
    st.just(ResultsStored(names=("transcript.json",))),
    st.just(Failed(reason=Reason.CORRUPT_AUDIO, detail="torn")),
    st.just(CancelRequested()),
    st.just(Recovered()),
)

ALLOWED = {
    JobState.QUEUED: {JobState.TRANSCRIBING, JobState.FAILED, JobState.CANCELLED},
    JobState.TRANSCRIBING: {JobState.SUMMARIZING, JobState.FAILED, JobState.CANCELLED},
    JobState.SUMMARIZING: {JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED},
}


@settings(max_examples=300, deadline=None)
@given(st.lists(EVENTS, max_size=30))
def test_any_events_in_any_order(events):
    """Whatever arrives: states change only forwards, ends are final, progress grows."""
    job = new_job()
    for event in events:
        before = job
        try:
            job, actions = transition(before, event)
        except IllegalTransition:
            continue
        assert job.state is before.state or job.state in ALLOWED.get(before.state, ())
        assert len(job.history) == len(before.history) + (job.state is not before.state)
        if before.state.final:
            assert (job, actions) == (before, ())
        if job.state.final and not before.state.final:
            assert actions == (CleanUp(),)
        if not isinstance(event, Recovered):
            assert job.progress.audio_s >= before.progress.audio_s
            assert job.progress.done_s >= before.progress.done_s
            assert job.n_failed_chunks >= before.n_failed_chunks
            assert job.finished >= before.finished
        assert (job.reason is not None) == (job.state is JobState.FAILED)
        assert bool(job.results) == (job.state is JobState.SUCCEEDED)


@settings(deadline=None)
@given(st.sampled_from([state for state in JobState if state.final]), EVENTS)
def test_late_events_after_the_end(state, event):
    """What was in flight when a job ended reports late without harm; nothing can begin it again."""
    job = replace(new_job(), state=state)
    if isinstance(event, Claimed | Recovered):
        with pytest.raises(IllegalTransition):
            transition(job, event)
    else:
        assert transition(job, event) == (job, ())


class Life(RuleBasedStateMachine):
    """A job under a Coordinator that does what the actions say, is killed at any moment, and starts again.

    ``tasks`` is what runs in the Coordinator's memory, ``outcomes`` the chunk results in the blob store.
    """

    @initialize(n_spans=st.integers(0, 4), per_span=st.integers(0, 3))
    def accept(self, n_spans, per_span):
        self.job = new_job()
        self.spans = [range(i * per_span, (i + 1) * per_span) for i in range(n_spans)]
        self.n_chunks = n_spans * per_span
        self.tasks = []
        self.outcomes = {}
        self.n_stitched = 0

    def feed(self, event):
        self.job, actions = transition(self.job, event)
        for action in actions:
            match action:
                case StartSegmentation():
                    self.tasks.append(("segment", 0))
                case EnqueueChunks(chunks=chunks):
                    assert not {piece.index for piece in chunks} & set(self.outcomes)
                    self.tasks += [("chunk", piece.index) for piece in chunks]
                case StartStitching():
                    self.n_stitched += 1
                    self.tasks.append(("stitch", 0))
                case StartMinutes():
                    self.tasks.append(("minutes", 0))
                case CleanUp():
                    self.tasks = []

    @precondition(lambda self: self.job.state is JobState.QUEUED)
    @rule()
    def claim(self):
        self.feed(Claimed())

    @precondition(lambda self: self.tasks)
    @rule(choice=st.randoms(use_true_random=False), failed=st.booleans())
    def do_some_work(self, choice, failed):
        self.perform(choice.randrange(len(self.tasks)), failed)

    def perform(self, position, failed=False):
        name, n = self.tasks.pop(position)
        match name:
            case "segment" if n < len(self.spans):
                self.tasks.append(("segment", n + 1))
                known = frozenset(self.spans[n]) & set(self.outcomes)
                given_up = frozenset(index for index in known if self.outcomes[index])
                self.feed(replace(span(*self.spans[n]), finished=known, failed=given_up))
            case "segment":
                self.feed(Segmented(n_chunks=self.n_chunks))
            case "chunk":
                self.outcomes[n] = failed
                self.feed(finished(n, failed))
            case "stitch":
                assert set(self.outcomes) == set(range(self.n_chunks)), "stitched before all was transcribed"
                self.feed(TranscriptStored())
            case "minutes":
                self.feed(ResultsStored(names=("transcript.json",)))

    @precondition(lambda self: self.outcomes and not self.job.state.final)
    @rule(choice=st.randoms(use_true_random=False))
    def report_a_chunk_twice(self, choice):
        index = choice.choice(sorted(self.outcomes))
        if self.job.state is not JobState.QUEUED and index in self.job.finished:
            before = self.job
            self.feed(finished(index))
            assert self.job == before

    @precondition(lambda self: not self.job.state.final)
    @rule()
    def kill_the_coordinator(self):
        """All that was in memory is gone; the ledger's copy of the job has no set of finished chunks."""
        self.tasks = []
        self.n_stitched = 0
        self.job = codec.decode(Job, codec.encode(replace(self.job, finished=frozenset())))
        self.feed(Recovered())

    @precondition(lambda self: not self.job.state.final)
    @rule(
        event=st.sampled_from([CancelRequested(), Failed(reason=Reason.INTERNAL, detail="x")]), dice=st.integers(0, 9)
    )
    def end_early(self, event, dice):
        if dice == 7:
            self.feed(event)

    @precondition(lambda self: self.job.state.final)
    @rule(event=EVENTS.filter(lambda event: not isinstance(event, Claimed | Recovered)))
    def report_late(self, event):
        before = self.job
        self.feed(event)
        assert self.job == before

    @invariant()
    def live_jobs_have_a_next_step(self):
        """A job that has not ended either waits to be claimed or has something running for it."""
        if self.job.state is not JobState.QUEUED and not self.job.state.final:
            assert self.tasks, f"{self.job.state} and nothing to do"

    @invariant()
    def stitched_once(self):
        """One Coordinator stitches a job at most once."""
        assert self.n_stitched <= 1

    @invariant()
    def failures_are_counted_once(self):
        """The number of chunks given up matches the outcomes that count so far, also after a restart."""
        if self.job.state is JobState.TRANSCRIBING:
            assert self.job.n_failed_chunks == sum(self.outcomes[index] for index in self.job.finished)
        elif self.job.state is JobState.SUMMARIZING:
            assert self.job.n_failed_chunks == sum(self.outcomes.values())

    @invariant()
    def progress_adds_up(self):
        """Never more is done than was found, and all of it when the transcript is stored."""
        assert -1e-6 <= self.job.progress.done_s <= self.job.progress.audio_s + 1e-6
        if self.job.state in (JobState.SUMMARIZING, JobState.SUCCEEDED):
            assert self.job.progress.done_s == self.job.progress.audio_s == SPAN_S * len(self.spans)

    def teardown(self):
        """Left alone, every job comes to its end."""
        if not hasattr(self, "job"):
            return
        if self.job.state is JobState.QUEUED:
            self.feed(Claimed())
        while self.tasks:
            self.perform(0)
        assert self.job.state.final


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_a_plain_life():
    """Claimed, split, transcribed, stitched, summarized: each event brings the action that leads to the next."""
    job, actions = run(new_job(), Claimed())
    assert actions == (StartSegmentation(),)
    job, actions = run(job, span(0, 1))
    assert actions == (EnqueueChunks(chunks=(chunk(0), chunk(1))),)
    assert (job.progress.audio_s, job.progress.done_s) == (SPAN_S, SPAN_S - 2 * CHUNK_S)
    job, actions = run(job, finished(1), Segmented(n_chunks=2))
    assert actions == ()
    job, actions = run(job, finished(0, failed=True))
    assert actions == (StartStitching(),)
    assert job.n_failed_chunks == 1
    job, actions = run(job, TranscriptStored())
    assert actions == (StartMinutes(),)
    job, actions = run(job, ResultsStored(names=("transcript.json",)))
    assert actions == (CleanUp(),)
    assert job.state is JobState.SUCCEEDED
    assert job.history == ("Claimed:transcribing", "TranscriptStored:summarizing", "ResultsStored:succeeded")


def test_nothing_was_said():
    """A recording without speech has no chunks and goes straight to stitching."""
    _, actions = run(new_job(), Claimed(), span(), Segmented(n_chunks=0))
    assert actions == (StartStitching(),)


def test_outcomes_of_another_segmentation():
    """Stored outcomes that do not belong to this segmentation do not make a job complete."""
    stale = replace(span(0, 1), finished=frozenset({5, 6}))
    job, actions = run(new_job(), Claimed(), Recovered(), stale, Segmented(n_chunks=2))
    assert actions == ()
    _, actions = run(job, finished(0), finished(1))
    assert actions == (StartStitching(),)


def test_refusal_tells_the_history():
    """An event that does not belong to the state is refused with how the job came there."""
    job, _ = run(new_job(), Claimed(), Segmented(n_chunks=0), TranscriptStored())
    with pytest.raises(IllegalTransition, match="Claimed:transcribing → TranscriptStored:summarizing"):
        transition(job, Claimed())
    with pytest.raises(IllegalTransition, match="Claimed:transcribing"):  # a chunk is not transcribed yet
        run(new_job(), Claimed(), span(0), Segmented(n_chunks=1), TranscriptStored())
    with pytest.raises(IllegalTransition, match="history: none"):
        transition(new_job(), TranscriptStored())


def test_a_recording_has_one_length():
    """Its channels are work of their own, and one length on its clock; a successor counts them anew."""
    second = replace(span(1), channel=1)
    job, _ = run(new_job(), Claimed(), span(0), second, Segmented(n_chunks=2), finished(0))
    assert (job.progress.audio_s, job.heard.audio_s) == (2 * SPAN_S, SPAN_S)
    assert job.heard.done_s == job.progress.done_s / 2
    assert run(job, Recovered())[0].n_channels == 1
    reused = TranscriptReused(origin="j0", audio_s=2 * SPAN_S, n_chunks=2, content_key="k", n_channels=2)
    assert run(new_job(), Claimed(), reused)[0].heard.audio_s == SPAN_S


def test_notes_of_the_transcript_are_the_jobs():
    """Whether it was made or taken over."""
    note = Note(code=NoteCode.NO_SPEECH)
    stored, _ = run(new_job(), Claimed(), Segmented(n_chunks=0), TranscriptStored(notes=(note,)))
    reused = TranscriptReused(origin="j0", audio_s=1.0, n_chunks=0, content_key="k", notes=(note,))
    for job in (stored, run(new_job(), Claimed(), reused)[0]):
        assert job.notes == (note,)
        assert codec.decode(Job, codec.encode(job)).notes == (note,)
