"""The nouns that every part of MeetMemo shares, as frozen dataclasses.

Clocks: ``start_s``/``end_s`` are seconds on the recording's clock unless a docstring says
"window": the clock of one packed chunk, which starts at 0 where its first piece starts.
Sample positions are counted at `SAMPLE_RATE` from the start of the recording.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

SAMPLE_RATE = 16_000  # Hz: what Whisper hears


@dataclass(frozen=True, kw_only=True)
class BlobRef:
    """A stored blob: its key, size in bytes and SHA-256 (hex, "" where unknown)."""

    key: str
    n_bytes: int
    sha256: str = ""


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A stretch of speech: half-open sample range ``[start, end)`` on the recording's clock."""

    start: int
    end: int

    @property
    def n_samples(self) -> int:
        return self.end - self.start


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """What one row of a decoding batch hears: pieces of speech joined end to end, at most one window long.

    ``index`` numbers the job's chunks over all channels in the order they were cut; ``span`` says
    which stored PCM blob holds the samples. Pieces are ascending and do not overlap.
    """

    index: int
    channel: int
    span: int
    pieces: tuple[Piece, ...]

    @property
    def n_samples(self) -> int:
        return sum(piece.n_samples for piece in self.pieces)

    @property
    def start(self) -> int:
        return self.pieces[0].start

    @property
    def end(self) -> int:
        return self.pieces[-1].end


@dataclass(frozen=True, kw_only=True)
class Word:
    """A word with its leading space as decoded, on the clock of its container."""

    text: str
    start_s: float
    end_s: float
    probability: float


class Health(StrEnum):
    """What is known about an interval of a recording's channel."""

    TRANSCRIBED = "transcribed"
    SILENCE = "silence"
    SUSPECT = "suspect"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class DecodedSegment:
    """A segment as the model gave it, on the window's clock."""

    start_s: float
    end_s: float
    text: str
    words: tuple[Word, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ModelInfo:
    """What decoded: enough to explain why two runs may differ."""

    name: str
    sha256: str = ""
    compute_type: str = ""
    device: str = ""


@dataclass(frozen=True, kw_only=True)
class ChunkResult:
    """Outcome of decoding one chunk; ``error`` is empty on success.

    ``avg_logprob`` is nats per token, ``compression_ratio`` that of the text under zlib, both as in Whisper's paper.
    ``suspect`` lists the quality rules that still fail after every fallback. ``model`` is what decoded it, if known;
    ``device_s`` and ``cpu_s`` are its share of what its batch took, by the length of its speech.
    """

    index: int
    language: str
    segments: tuple[DecodedSegment, ...]
    avg_logprob: float
    no_speech_prob: float
    compression_ratio: float
    temperature: float
    suspect: tuple[str, ...] = ()
    error: str = ""
    model: ModelInfo | None = None
    device_s: float = 0.0
    cpu_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Segment:
    """A sentence-sized piece of a transcript on the recording's clock; ``id`` counts from 0."""

    id: int
    channel: int
    speaker: str
    start_s: float
    end_s: float
    text: str
    health: Health = Health.TRANSCRIBED
    avg_logprob: float = 0.0
    no_speech_prob: float = 0.0
    compression_ratio: float = 0.0
    temperature: float = 0.0
    words: tuple[Word, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """One interval of the coverage ledger; a channel's intervals tile ``[0, duration_s]``."""

    channel: int
    start_s: float
    end_s: float
    health: Health
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class LanguageVote:
    """Language of a channel, with the share of the probability mass its speech windows gave it."""

    channel: int
    language: str
    probability: float


@dataclass(frozen=True, kw_only=True)
class Transcript:
    """The stitched transcript of one recording, segments ordered by start time over all channels."""

    duration_s: float
    language: str
    languages: tuple[LanguageVote, ...]
    segments: tuple[Segment, ...]
    coverage: tuple[Coverage, ...]
    model: ModelInfo
    n_channels: int = 1

    @property
    def text(self) -> str:
        return "\n".join(segment.text.strip() for segment in self.segments)


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Where something was said: ids of transcript segments and a literal quote from them."""

    segment_ids: tuple[int, ...]
    quote: str


@dataclass(frozen=True, kw_only=True)
class Topic:
    """A subject of the meeting and the time it was talked about."""

    title: str
    summary: str
    start_s: float
    end_s: float
    evidence: Evidence


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Something that was decided."""

    text: str
    evidence: Evidence
    verified: bool = True


@dataclass(frozen=True, kw_only=True)
class ActionItem:
    """A task; owner and due date stay ``None`` unless they were spoken."""

    task: str
    owner: str | None
    due: str | None
    evidence: Evidence
    verified: bool = True


@dataclass(frozen=True, kw_only=True)
class OpenQuestion:
    """A question nobody answered."""

    text: str
    evidence: Evidence


@dataclass(frozen=True, kw_only=True)
class Minutes:
    """Minutes of a meeting; ``writer`` names what wrote them (``extractive`` or a language model)."""

    title: str
    language: str
    writer: Literal["extractive", "llm"]
    model: str
    summary: str
    participants: tuple[str, ...] = ()
    topics: tuple[Topic, ...] = ()
    decisions: tuple[Decision, ...] = ()
    action_items: tuple[ActionItem, ...] = ()
    open_questions: tuple[OpenQuestion, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Span:
    """Some minutes of one channel that end in silence, as the Segmenter stores them.

    ``start``/``end`` are samples on the recording's clock; ``pcm`` is int16 mono little-endian;
    ``chunks`` is its chunk table (empty for pure silence, and then ``pcm`` may be empty too).
    """

    index: int
    channel: int
    start: int
    end: int
    pcm: BlobRef
    chunks: tuple[Chunk, ...] = field(default=())


@dataclass(frozen=True, kw_only=True)
class SourceSummary:
    """What decoding a whole source found: its length on the recording's clock, its channels, spans and chunks.

    ``cpu_s`` is the processor time it took.
    """

    duration_s: float
    n_channels: int
    n_spans: int
    n_chunks: int
    cpu_s: float = 0.0
