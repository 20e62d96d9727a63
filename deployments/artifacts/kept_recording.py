"""The recording that a job kept, as a later job takes it: where it is, and what the earlier transcript tells of it."""

from dataclasses import dataclass, replace

from pipelines.audio.formats import PLAYBACK_CHANNELS
from pipelines.codec import decode
from pipelines.core import SAMPLE_RATE, CoverageStatus, Damage, SourceSummary, Transcript
from pipelines.errors import AudioGone
from pipelines.jobs.job import Job
from pipelines.notes import Note, NoteCode, united
from pipelines.storage.layout import JobKeys
from pipelines.storage.protocol import BlobStore
from pipelines.transcript.coverage import DAMAGED_AUDIO

_OF_RECORDING = frozenset(
    {
        NoteCode.SHORTER_THAN_DECLARED,
        NoteCode.DAMAGED_AUDIO,
        NoteCode.CHANNELS_REMIXED,
        NoteCode.TRACKS_LEFT_OUT,
        NoteCode.TRACK_SILENT,
        NoteCode.TRACK_UNDECODABLE,
        NoteCode.HIDDEN_WORDS_SILENT,
    }
)
"""Notes that were found in the recording itself, and cannot be found in a copy of it."""


def recorded_by(store: BlobStore, job: Job) -> str:
    """Return the id of the job that keeps a job's recording; "" where none does, or not any more. Blocks."""
    kept = (each for each in job.recordings if store.exists(JobKeys(tenant=job.tenant, job_id=each).playback))
    return next(kept, "")


def check_channels(job: Job) -> None:
    """Raise `AudioGone` for a recording whose copy has fewer channels than were transcribed."""
    if job.n_channels > PLAYBACK_CHANNELS:
        raise AudioGone(f"The {job.n_channels} channels of job {job.id} were kept as one.")


@dataclass(frozen=True, kw_only=True)
class KeptRecording:
    """What the transcript of the job whose stage is done again says of the recording."""

    transcript: Transcript
    silent_words: bool

    @property
    def split_channels(self) -> bool:
        """Whether the channels of the copy are transcribed each on its own."""
        return self.transcript.n_channels > 1

    def summary(self, found: SourceSummary) -> SourceSummary:
        """Return what was found of the copy with what was known of the recording: damage is silent in the copy."""
        known = [note for note in self.transcript.notes if note.code in _OF_RECORDING]
        if self.silent_words:
            known.append(Note(code=NoteCode.HIDDEN_WORDS_SILENT))
        return replace(
            found,
            duration_s=max(found.duration_s, self.transcript.duration_s),
            damaged=tuple(sorted(_damage(self.transcript), key=lambda damage: (damage.start, damage.channels))),
            notes=united(known, found.notes),
            tracks=self.transcript.tracks or found.tracks,
        )


def kept_recording(store: BlobStore, job: Job) -> KeptRecording:
    """Read what is known of the recording that a job takes again; raises `BlobMissing`. Blocks."""
    stored = store.get(JobKeys(tenant=job.tenant, job_id=job.redo_of).transcript)
    return KeptRecording(transcript=decode(Transcript, stored), silent_words=job.options.hides_audio)


def _damage(transcript: Transcript) -> list[Damage]:
    return [
        Damage(
            start=round(entry.start_s * SAMPLE_RATE),
            end=round(entry.end_s * SAMPLE_RATE),
            channels=(entry.channel,),
        )
        for entry in transcript.coverage
        if entry.health is CoverageStatus.FAILED and entry.note == DAMAGED_AUDIO
    ]
