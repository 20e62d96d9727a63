"""The life of a job as a pure state machine: ``transition(job, event) -> (job, actions)``.

    queued ──Claimed──▶ transcribing ──TranscriptStored──▶ summarizing ──ResultsStored──▶ succeeded
       │                     │   (not one chunk: failed)        │
       └─────────────────────┴──── Failed / CancelRequested ────┴──▶ failed / cancelled

No I/O, no clock: the Coordinator feeds events, stores the new job in the ledger and runs the actions.
"""

from collections.abc import Callable
from typing import Any

from pipelines.changed import changed
from pipelines.core import SAMPLE_RATE
from pipelines.errors import IllegalTransition, Reason
from pipelines.jobs.events import (
    Action,
    CancelRequested,
    ChunkFinished,
    Claimed,
    CleanUp,
    EnqueueChunks,
    Event,
    Failed,
    MinutesFollowed,
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
from pipelines.jobs.job import Job, JobState, Progress
from pipelines.jobs.translations import replaced
from pipelines.notes import united

Step = tuple[Job, tuple[Action, ...]]


def transition(job: Job, event: Event) -> Step:
    """Apply one event.

    Raises `IllegalTransition`, with the job's history in its text, when the event does not belong to the state.
    Events that arrive twice (a chunk finished by two replicas) change nothing.
    """
    rule = _RULES.get((job.state, type(event)))
    if rule is None:
        raise _illegal(job, event)
    after, actions = rule(job, event)
    if after.state is not job.state:
        after = changed(after, history=(*job.history, f"{type(event).__name__}:{after.state}"))
    return after, actions


def _illegal(job: Job, event: Event) -> IllegalTransition:
    return IllegalTransition(
        f"{type(event).__name__} does not apply to job {job.id} in state {job.state}; "
        f"history: {' → '.join(job.history) or 'none'}"
    )


def _claimed(job: Job, event: Claimed) -> Step:
    if job.minutes_of:  # transcribed long ago
        return changed(job, state=JobState.TRANSCRIBING, n_chunks=0), (StartStitching(),)
    return changed(job, state=JobState.TRANSCRIBING), (StartSegmentation(),)


def _source_fetched(job: Job, event: SourceFetched) -> Step:
    return changed(job, source=event.source), ()


def _transcript_reused(job: Job, event: TranscriptReused) -> Step:
    if job.progress != Progress() or job.n_chunks is not None:  # what was begun is finished
        raise _illegal(job, event)
    after = changed(
        job,
        state=JobState.SUMMARIZING,
        reused_from=event.origin,
        content_key=event.content_key,
        progress=Progress(audio_s=event.audio_s, done_s=event.audio_s),
        n_chunks=event.n_chunks,
        n_channels=event.n_channels,
        notes=event.notes,
        tracks=event.tracks,
    )
    return after, (StartMinutes(),)


def _span_stored(job: Job, event: SpanStored) -> Step:
    found = event.finished - job.finished
    finished = job.finished | found
    todo = tuple(chunk for chunk in event.chunks if chunk.index not in finished)
    todo_s = sum(chunk.n_samples for chunk in todo) / SAMPLE_RATE
    progress = Progress(
        audio_s=job.progress.audio_s + event.audio_s, done_s=job.progress.done_s + max(0.0, event.audio_s - todo_s)
    )
    after = changed(
        job,
        progress=progress,
        finished=finished,
        n_failed_chunks=job.n_failed_chunks + len(event.failed & found),
        n_channels=max(job.n_channels, event.channel + 1),
    )
    return after, (EnqueueChunks(chunks=todo),) if todo else ()


def _segmented(job: Job, event: Segmented) -> Step:
    return _stitch_when_complete(changed(job, n_chunks=event.n_chunks, tracks=event.tracks))


def _chunk_finished(job: Job, event: ChunkFinished) -> Step:
    if event.index in job.finished:
        return job, ()
    return _stitch_when_complete(
        changed(
            job,
            finished=job.finished | {event.index},
            n_failed_chunks=job.n_failed_chunks + event.failed,
            progress=changed(job.progress, done_s=job.progress.done_s + event.audio_s),
        )
    )


def _stitch_when_complete(job: Job) -> Step:
    return job, (StartStitching(),) if _complete(job) else ()


def _complete(job: Job) -> bool:
    # Outcomes that an earlier, different segmentation left in the store complete nothing.
    n_chunks = job.n_chunks
    return n_chunks is not None and len(job.finished) >= n_chunks and job.finished.issuperset(range(n_chunks))


def _transcript_stored(job: Job, event: TranscriptStored) -> Step:
    if not _complete(job):
        raise _illegal(job, event)
    total_s = max(job.progress.audio_s, job.progress.done_s)
    transcribed = changed(job, progress=Progress(audio_s=total_s, done_s=total_s), usage=event.usage, notes=event.notes)
    if job.is_lost:
        why = f"Not one of {job.n_chunks} chunks could be transcribed. They are in quarantine and can be replayed."
        return _failed(transcribed, Failed(reason=Reason.TRANSCRIPTION_FAILED, detail=why))
    whole = event.content_key if not job.n_failed_chunks else ""
    return changed(transcribed, state=JobState.SUMMARIZING, content_key=whole), (StartMinutes(),)


def _results_stored(job: Job, event: ResultsStored) -> Step:
    ended = changed(job, state=JobState.SUCCEEDED, results=event.names, detail=event.note, minutes=event.minutes)
    ended = changed(ended, usage=job.usage + event.usage, notes=united(job.notes, event.notes))
    return changed(ended, translations=event.translations), (CleanUp(),)


def _minutes_followed(job: Job, event: MinutesFollowed) -> Step:
    after = job
    if event.minutes is not None:
        after = changed(job, results=event.names, detail=event.note, minutes=event.minutes)
    after = changed(after, usage=job.usage + event.usage, notes=united(job.notes, event.notes))
    return changed(after, translations=replaced(job.translations, event.translations)), ()


def _failed(job: Job, event: Failed) -> Step:
    return changed(job, state=JobState.FAILED, reason=event.reason, detail=event.detail), (CleanUp(),)


def _cancelled(job: Job, event: CancelRequested) -> Step:
    return changed(job, state=JobState.CANCELLED), (CleanUp(),)


def _recover_transcribing(job: Job, event: Recovered) -> Step:
    if job.minutes_of:
        return job, (StartStitching(),)
    fresh = changed(job, progress=Progress(), n_chunks=None, finished=frozenset(), n_failed_chunks=0, n_channels=1)
    return fresh, (StartSegmentation(),)


def _recover_summarizing(job: Job, event: Recovered) -> Step:
    return job, (StartMinutes(),)


def _unchanged(job: Job, event: Event) -> Step:
    return job, ()


_LIVE = (JobState.QUEUED, JobState.TRANSCRIBING, JobState.SUMMARIZING)
_FINAL = tuple(state for state in JobState if state.final)
_LATE_EVENTS = (
    SourceFetched,
    TranscriptReused,
    SpanStored,
    Segmented,
    ChunkFinished,
    TranscriptStored,
    ResultsStored,
    Failed,
    CancelRequested,
)

# Each rule takes the event type of its key, which a dict cannot express: hence Any.
_RULES: dict[tuple[JobState, type], Callable[[Job, Any], Step]] = {
    (JobState.QUEUED, Claimed): _claimed,
    (JobState.QUEUED, Recovered): _unchanged,
    (JobState.TRANSCRIBING, SourceFetched): _source_fetched,
    (JobState.TRANSCRIBING, TranscriptReused): _transcript_reused,
    (JobState.TRANSCRIBING, SpanStored): _span_stored,
    (JobState.TRANSCRIBING, Segmented): _segmented,
    (JobState.TRANSCRIBING, ChunkFinished): _chunk_finished,
    (JobState.TRANSCRIBING, TranscriptStored): _transcript_stored,
    (JobState.TRANSCRIBING, Recovered): _recover_transcribing,
    (JobState.SUMMARIZING, ChunkFinished): _unchanged,
    (JobState.SUMMARIZING, ResultsStored): _results_stored,
    (JobState.SUMMARIZING, Recovered): _recover_summarizing,
    (JobState.SUCCEEDED, MinutesFollowed): _minutes_followed,
    (JobState.FAILED, MinutesFollowed): _unchanged,
    (JobState.CANCELLED, MinutesFollowed): _unchanged,
    **{(state, Failed): _failed for state in _LIVE},
    **{(state, CancelRequested): _cancelled for state in _LIVE},
    # Work that was in flight when a job ended reports late; that is no error and changes nothing.
    **{(state, event): _unchanged for state in _FINAL for event in _LATE_EVENTS},
}
