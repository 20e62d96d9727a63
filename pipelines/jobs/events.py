"""Events that happen to a job, and actions that follow from them by `pipelines.jobs.state_machine`."""

from dataclasses import dataclass, field

from pipelines.core import BlobRef, Chunk, SoundTrack
from pipelines.errors import Reason
from pipelines.jobs.job import MinutesRecord
from pipelines.jobs.translations import TranslationRecord
from pipelines.jobs.usage import JobUsage
from pipelines.notes import Note


@dataclass(frozen=True, kw_only=True)
class Claimed:
    """The Coordinator took the job from the ledger."""


@dataclass(frozen=True, kw_only=True)
class SourceFetched:
    """A source that was given by reference is in the blob store."""

    source: BlobRef


@dataclass(frozen=True, kw_only=True)
class TranscriptReused:
    """The transcript that the job ``origin`` made of the same content is in the blob store.

    ``audio_s``, ``n_channels`` and ``tracks`` are that job's.
    """

    origin: str
    audio_s: float
    n_chunks: int
    content_key: str
    n_channels: int = 1
    notes: tuple[Note, ...] = ()
    tracks: tuple[SoundTrack, ...] = ()


@dataclass(frozen=True, kw_only=True)
class SpanStored:
    """The Segmenter stored a span of one channel: ``audio_s`` seconds, of which its chunks need decoding.

    Those among them that are ``finished`` have a stored outcome from before a restart and do not; those among these
    that are ``failed`` were given up.
    """

    audio_s: float
    chunks: tuple[Chunk, ...]
    channel: int = 0
    finished: frozenset[int] = frozenset()
    failed: frozenset[int] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Segmented:
    """The Segmenter reached the end; ``n_chunks`` were cut over all channels, ``tracks`` are the recording's."""

    n_chunks: int
    tracks: tuple[SoundTrack, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ChunkFinished:
    """A chunk's outcome is stored; ``failed`` when it was given up after the last attempt."""

    index: int
    audio_s: float
    failed: bool = False


@dataclass(frozen=True, kw_only=True)
class TranscriptStored:
    """The stitched transcript is in the blob store; ``usage`` is what it took, ``content_key`` what it was made of.

    ``notes`` are the transcript's.
    """

    usage: JobUsage = field(default=JobUsage())
    content_key: str = ""
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ResultsStored:
    """Documents are in the blob store under these names; ``note`` tells the owner what is not, and why.

    ``notes`` say what is to be known of the documents.
    """

    names: tuple[str, ...]
    note: str = ""
    minutes: MinutesRecord | None = None
    usage: JobUsage = field(default=JobUsage())
    notes: tuple[Note, ...] = ()
    translations: tuple[TranslationRecord, ...] = ()


@dataclass(frozen=True, kw_only=True)
class MinutesFollowed:
    """Minutes that were deferred when the job ended are written, or ``note`` says why there will be none.

    ``notes`` say what is to be known of the documents.
    The same for ``translations``; without ``minutes`` only those followed.
    """

    names: tuple[str, ...]
    note: str = ""
    minutes: MinutesRecord | None = None
    usage: JobUsage = field(default=JobUsage())
    notes: tuple[Note, ...] = ()
    translations: tuple[TranslationRecord, ...] = ()


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
    """Work of a process that ended starts again."""


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
