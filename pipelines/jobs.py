"""The life of a job as a pure state machine: ``transition(job, event) -> (job, actions)``.

    queued ──Claimed──▶ transcribing ──TranscriptStored──▶ summarizing ──ResultsStored──▶ succeeded
       │                     │   (not one chunk: failed)        │
       └─────────────────────┴──── Failed / CancelRequested ────┴──▶ failed / cancelled

No I/O, no clock: the Coordinator feeds events, stores the new job in the ledger and runs the actions.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Literal

from pipelines.core import SAMPLE_RATE, BlobRef, Chunk, Usage
from pipelines.errors import IllegalTransition, Reason
from pipelines.job_usage import JobUsage
from pipelines.masking import MaskKind
from pipelines.references import NO_REFERENCE, Reference


class JobState(StrEnum):
    """Where a job stands; the last three are final."""

    QUEUED = "queued"
    TRANSCRIBING = "transcribing"
    SUMMARIZING = "summarizing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        return self in (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)


RESULT_FORMATS = (
    "transcript.json",
    "transcript.txt",
    "transcript.srt",
    "transcript.vtt",
    "minutes.json",
    "minutes.md",
    "minutes.docx",
    "minutes.pdf",
)


@dataclass(frozen=True, kw_only=True)
class JobOptions:
    """What the submitter chose.

    ``language`` None means: vote. ``channels`` "split" transcribes each on its own. ``task`` "translate" writes English
    whatever is spoken. ``prompt`` and ``vocabulary`` prime the decoder (`pipelines.priming`). ``temperature`` is where
    the decoder's ladder of second tries begins.

    ``minutes_template`` is a template's name or its text, ``minutes_title`` replaces the writer's; "" takes the
    tenant's usual one. ``glossary`` is how names and terms are spelled; ``recording_date`` is what "by Friday" counts
    from. ``keep_audio`` keeps a compressed copy of the recording for a while, to listen to and for clips of what was
    decided. ``webhook_url`` None means: that of the tenant, if any; ``recipients`` are e-mail addresses that get the
    minutes. ``reuse`` takes the transcript of an earlier job of the tenant that had the same content
    (`pipelines.content_key`). ``deadline`` is when the transcript is wanted.
    """

    model: str
    language: str | None = None
    channels: Literal["mix", "split"] = "mix"
    word_timestamps: bool = False
    beam_size: int = 1
    minutes: Literal["auto", "extractive", "llm", "none"] = "auto"
    minutes_language: str | None = None
    priority: int = 0
    speakers: tuple[str, ...] = ()
    task: Literal["transcribe", "translate"] = "transcribe"
    prompt: str = ""
    vocabulary: tuple[str, ...] = ()
    temperature: float = 0.0
    zh_script: Literal["simplified", "traditional"] | None = None
    mask: tuple[MaskKind, ...] = ()
    minutes_template: str = ""
    minutes_title: str = ""
    glossary: tuple[str, ...] = ()
    recording_date: date | None = None
    keep_audio: bool = False
    webhook_url: str | None = None
    recipients: tuple[str, ...] = ()
    reuse: bool = True
    deadline: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class MinutesRecord:
    """What became of a job's minutes: who wrote them, what that took, or in ``note`` why there are none (yet)."""

    state: Literal["written", "parked", "failed"]
    note: str = ""
    writer: str = ""
    model: str = ""
    language: str = ""
    usage: Usage | None = None


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Seconds of audio found so far, and how many of them are transcribed, silent or given up.

    Split channels count once each. ``audio_s`` grows until segmentation ends; ``done_s`` never shrinks. Both are
    counted anew after `Recovered`.
    """

    audio_s: float = 0.0
    done_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Job:
    """One recording's way through the system; what the ledger stores.

    ``finished`` holds the indices of chunks that have a stored outcome. It is kept in memory only: after a
    restart it is rebuilt span by span from the chunk results in the blob store. ``version`` is the ledger's:
    it grows with every write of the job; ``cancel_requested`` is its owner's wish, which the Coordinator turns into
    `CancelRequested`. Times are Unix seconds. A job with a ``source_url`` was submitted by
    reference: its bytes are pulled into ``source.key`` before segmentation, and until then ``n_bytes`` is 0. A job
    with ``replay_of`` has no source: it decodes the ``replay_chunks`` that its tenant's job of that id gave up, and
    takes everything else from what that job kept. A job with ``minutes_of`` has none either: it writes the minutes of
    its tenant's job of that id anew, with options of its own; ``corrected`` names the version of the transcript that it
    takes (`pipelines.corrections.blob_name`), "" for the machine's. ``minutes`` is None until documents are there, and
    where no minutes were wanted. ``reference`` is what its submitter calls the recording; a later job may get its
    external id when this one failed or was cancelled. ``request_id`` names the request that brought the job,
    ``traceparent`` its place in a trace.
    ``content_key`` says what the transcript was made of, "" where no other job may take it; ``reused_from`` is the
    tenant's job whose transcript this one took.
    """

    id: str
    tenant: str
    options: JobOptions
    source: BlobRef
    filename: str
    source_url: str = ""
    replay_of: str = ""
    replay_chunks: tuple[int, ...] = ()
    minutes_of: str = ""
    corrected: str = ""
    reference: Reference = field(default=NO_REFERENCE)
    created_at_s: float
    updated_at_s: float = 0.0
    version: int = 0
    cancel_requested: bool = False
    state: JobState = JobState.QUEUED
    progress: Progress = field(default=Progress())
    n_chunks: int | None = None
    n_failed_chunks: int = 0
    finished: frozenset[int] = frozenset()
    reason: Reason | None = None
    detail: str = ""
    results: tuple[str, ...] = ()
    minutes: MinutesRecord | None = None
    history: tuple[str, ...] = ()
    usage: JobUsage = field(default=JobUsage())
    request_id: str = ""
    traceparent: str = ""
    content_key: str = ""
    reused_from: str = ""


# Events: what happened.


@dataclass(frozen=True, kw_only=True)
class Claimed:
    """The Coordinator took the job from the ledger."""


@dataclass(frozen=True, kw_only=True)
class SourceFetched:
    """A source that was given by reference is in the blob store."""

    source: BlobRef


@dataclass(frozen=True, kw_only=True)
class TranscriptReused:
    """The transcript that the job ``origin`` made of the same content is in the blob store; ``audio_s`` as there."""

    origin: str
    audio_s: float
    n_chunks: int
    content_key: str


@dataclass(frozen=True, kw_only=True)
class SpanStored:
    """The Segmenter stored a span of one channel: ``audio_s`` seconds, of which its chunks need decoding.

    Those among them that are ``finished`` have a stored outcome from before a restart and do not; those among these
    that are ``failed`` were given up.
    """

    audio_s: float
    chunks: tuple[Chunk, ...]
    finished: frozenset[int] = frozenset()
    failed: frozenset[int] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Segmented:
    """The Segmenter reached the end; ``n_chunks`` were cut over all channels."""

    n_chunks: int


@dataclass(frozen=True, kw_only=True)
class ChunkFinished:
    """A chunk's outcome is stored; ``failed`` when it was given up after the last attempt."""

    index: int
    audio_s: float
    failed: bool = False


@dataclass(frozen=True, kw_only=True)
class TranscriptStored:
    """The stitched transcript is in the blob store; ``usage`` is what it took, ``content_key`` what it was made of."""

    usage: JobUsage = field(default=JobUsage())
    content_key: str = ""


@dataclass(frozen=True, kw_only=True)
class ResultsStored:
    """Documents are in the blob store under these names; ``note`` tells the owner what is not, and why."""

    names: tuple[str, ...]
    note: str = ""
    minutes: MinutesRecord | None = None
    usage: JobUsage = field(default=JobUsage())


@dataclass(frozen=True, kw_only=True)
class MinutesFollowed:
    """Minutes that were parked when the job ended are written, or ``note`` says why there will be none."""

    names: tuple[str, ...]
    note: str = ""
    minutes: MinutesRecord | None = None
    usage: JobUsage = field(default=JobUsage())


@dataclass(frozen=True, kw_only=True)
class Failed:
    """The job cannot succeed."""

    reason: Reason
    detail: str


@dataclass(frozen=True, kw_only=True)
class CancelRequested:
    """Its owner does not want it any more."""


@dataclass(frozen=True, kw_only=True)
class Recovered:
    """Work that lived in a dead process starts again."""


Event = (
    Claimed
    | SourceFetched
    | TranscriptReused
    | SpanStored
    | Segmented
    | ChunkFinished
    | TranscriptStored
    | ResultsStored
    | MinutesFollowed
    | Failed
    | CancelRequested
    | Recovered
)


# Actions: what to do next.


@dataclass(frozen=True, kw_only=True)
class StartSegmentation:
    """Ask the Segmenter to split the source."""


@dataclass(frozen=True, kw_only=True)
class EnqueueChunks:
    """Put these chunks into the fair queue."""

    chunks: tuple[Chunk, ...]


@dataclass(frozen=True, kw_only=True)
class StartStitching:
    """Stitch the chunk results and store the transcript."""


@dataclass(frozen=True, kw_only=True)
class StartMinutes:
    """Write minutes, render documents, store them."""


@dataclass(frozen=True, kw_only=True)
class CleanUp:
    """Drop queued chunks and delete the working data; results stay."""


Action = StartSegmentation | EnqueueChunks | StartStitching | StartMinutes | CleanUp
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
        after = replace(after, history=(*job.history, f"{type(event).__name__}:{after.state}"))
    return after, actions


def _illegal(job: Job, event: Event) -> IllegalTransition:
    return IllegalTransition(
        f"{type(event).__name__} does not apply to job {job.id} in state {job.state}; "
        f"history: {' → '.join(job.history) or 'none'}"
    )


def _claimed(job: Job, event: Claimed) -> Step:
    if job.minutes_of:  # transcribed long ago
        return replace(job, state=JobState.TRANSCRIBING, n_chunks=0), (StartStitching(),)
    return replace(job, state=JobState.TRANSCRIBING), (StartSegmentation(),)


def _source_fetched(job: Job, event: SourceFetched) -> Step:
    return replace(job, source=event.source), ()


def _transcript_reused(job: Job, event: TranscriptReused) -> Step:
    if job.progress != Progress() or job.n_chunks is not None:  # what was begun is finished
        raise _illegal(job, event)
    after = replace(
        job,
        state=JobState.SUMMARIZING,
        reused_from=event.origin,
        content_key=event.content_key,
        progress=Progress(audio_s=event.audio_s, done_s=event.audio_s),
        n_chunks=event.n_chunks,
    )
    return after, (StartMinutes(),)


def _span_stored(job: Job, event: SpanStored) -> Step:
    found = event.finished - job.finished
    finished = job.finished | found
    todo = tuple(chunk for chunk in event.chunks if chunk.index not in finished)
    todo_s = sum(chunk.n_samples for chunk in todo) / SAMPLE_RATE
    progress = Progress(
        audio_s=job.progress.audio_s + event.audio_s,
        done_s=job.progress.done_s + max(0.0, event.audio_s - todo_s),
    )
    after = replace(
        job, progress=progress, finished=finished, n_failed_chunks=job.n_failed_chunks + len(event.failed & found)
    )
    return after, (EnqueueChunks(chunks=todo),) if todo else ()


def _segmented(job: Job, event: Segmented) -> Step:
    return _stitch_when_complete(replace(job, n_chunks=event.n_chunks))


def _chunk_finished(job: Job, event: ChunkFinished) -> Step:
    if event.index in job.finished:
        return job, ()
    return _stitch_when_complete(
        replace(
            job,
            finished=job.finished | {event.index},
            n_failed_chunks=job.n_failed_chunks + event.failed,
            progress=replace(job.progress, done_s=job.progress.done_s + event.audio_s),
        )
    )


def _stitch_when_complete(job: Job) -> Step:
    return job, (StartStitching(),) if _complete(job) else ()


def _complete(job: Job) -> bool:
    # Outcomes that an earlier, different segmentation left in the store complete nothing.
    return job.n_chunks is not None and job.finished.issuperset(range(job.n_chunks))


def _transcript_stored(job: Job, event: TranscriptStored) -> Step:
    if not _complete(job):
        raise _illegal(job, event)
    total_s = max(job.progress.audio_s, job.progress.done_s)
    transcribed = replace(job, progress=Progress(audio_s=total_s, done_s=total_s), usage=event.usage)
    if job.n_chunks and job.n_failed_chunks == job.n_chunks:
        why = f"Not one of {job.n_chunks} chunks could be transcribed. They are in quarantine and can be replayed."
        return _failed(transcribed, Failed(reason=Reason.TRANSCRIPTION_FAILED, detail=why))
    whole = event.content_key if not job.n_failed_chunks else ""
    return replace(transcribed, state=JobState.SUMMARIZING, content_key=whole), (StartMinutes(),)


def _results_stored(job: Job, event: ResultsStored) -> Step:
    ended = replace(job, state=JobState.SUCCEEDED, results=event.names, detail=event.note, minutes=event.minutes)
    return replace(ended, usage=job.usage + event.usage), (CleanUp(),)


def _minutes_followed(job: Job, event: MinutesFollowed) -> Step:
    after = replace(job, results=event.names, detail=event.note, minutes=event.minutes)
    return replace(after, usage=job.usage + event.usage), ()


def _failed(job: Job, event: Failed) -> Step:
    return replace(job, state=JobState.FAILED, reason=event.reason, detail=event.detail), (CleanUp(),)


def _cancelled(job: Job, event: CancelRequested) -> Step:
    return replace(job, state=JobState.CANCELLED), (CleanUp(),)


def _recover_transcribing(job: Job, event: Recovered) -> Step:
    if job.minutes_of:
        return job, (StartStitching(),)
    fresh = replace(job, progress=Progress(), n_chunks=None, finished=frozenset(), n_failed_chunks=0)
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
