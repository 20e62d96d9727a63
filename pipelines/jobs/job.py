"""A job: its state, progress and results. Its transitions: `pipelines.jobs.state_machine`."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from pipelines.core import BlobRef, SoundTrack, Usage
from pipelines.errors import Reason
from pipelines.jobs.dialect import OWN_DIALECT, Dialect
from pipelines.jobs.options import JobOptions as JobOptions
from pipelines.jobs.reference import NO_REFERENCE, Reference
from pipelines.jobs.stages import STAGES, Stage, Work
from pipelines.jobs.translations import TranslationRecord, notes_of
from pipelines.jobs.usage import JobUsage
from pipelines.notes import Note, united


class JobState(StrEnum):
    """The state of a job; the last three are final."""

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
class MinutesRecord:
    """The outcome of a job's minutes: their writer and its usage, or in ``note`` why there are none (yet).

    ``empty``: the recording has no words, and its documents say so; nobody wrote them.
    """

    state: Literal["written", "parked", "failed", "empty"]
    note: str = ""
    writer: str = ""
    model: str = ""
    language: str = ""
    usage: Usage | None = None


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Seconds of audio found so far, and how many of them are transcribed, silent or given up.

    Of a job's work, split channels count once each; `Job.heard` is on the recording's clock. ``audio_s`` grows until
    segmentation ends; ``done_s`` never shrinks. Both are counted anew after `Recovered`.
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
    takes (`pipelines.transcript.corrections.blob_name`), "" for the machine's. ``minutes`` is None until documents are
    there, and where no minutes were wanted. ``reference`` is what its submitter calls the recording; a later job may
    get its external id when this one failed or was cancelled. ``request_id`` names the request that brought the job,
    ``traceparent`` its place in a trace. ``content_key`` says what the transcript was made of, "" where no other job
    may take it; ``reused_from`` is the tenant's job whose transcript this one took. ``notes`` are its transcript's
    and its documents', ``n_channels`` is how many channels were found so far, ``tracks`` are the recording's sound
    tracks, empty until it is cut. ``translations`` are those of the transcript, one for each language that was
    wanted. ``dialect`` is that of the request that brought the job.

    ``stage`` is the stage of an earlier job that this one does again (None: all of them; minutes, where there is a
    ``minutes_of``), ``redo_of`` the job whose results it takes, ``recording_of`` the job that keeps the recording where
    another one does.
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
    stage: Stage | None = None
    redo_of: str = ""
    recording_of: str = ""
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
    notes: tuple[Note, ...] = ()
    n_channels: int = 1
    tracks: tuple[SoundTrack, ...] = ()
    translations: tuple[TranslationRecord, ...] = ()
    dialect: Dialect = field(default=OWN_DIALECT)

    @property
    def told(self) -> tuple[Note, ...]:
        """The transcript's notes, and those about its translations."""
        return united(self.notes, tuple(notes_of(self.translations)))

    @property
    def is_lost(self) -> bool:
        """Whether there are chunks, and not one of them could be transcribed."""
        return bool(self.n_chunks) and self.n_failed_chunks == self.n_chunks

    @property
    def hears_again(self) -> bool:
        """Whether the job takes the recording that an earlier one kept."""
        return self.stage is not None and STAGES[self.stage].work is not Work.NONE

    @property
    def decodes(self) -> bool:
        """Whether the job may decode speech of its own recording."""
        return not self.minutes_of and self.stage is not Stage.SPEAKERS

    @property
    def recordings(self) -> tuple[str, ...]:
        """The ids of the jobs that may keep the recording, the job itself first."""
        return _each_once(self.id, self.replay_of, self.minutes_of, self.recording_of)

    @property
    def kin(self) -> tuple[str, ...]:
        """The ids of the job and of those that it was made of: a hold on one of them takes the job."""
        return _each_once(*self.recordings, self.redo_of)

    @property
    def tokens(self) -> Usage:
        """What a language model took for the job's minutes and translations."""
        used = [record.usage for record in (self.minutes, *self.translations) if record and record.usage]
        return sum(used, Usage())

    @property
    def heard(self) -> Progress:
        """The progress on the recording's clock: a recording has one length, however many channels are transcribed."""
        return Progress(audio_s=self.progress.audio_s / self.n_channels, done_s=self.progress.done_s / self.n_channels)


def _each_once(*job_ids: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(job_id for job_id in job_ids if job_id))
