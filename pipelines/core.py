"""The nouns that every part of MeetMemo shares, as frozen dataclasses.

Clocks: ``start_s``/``end_s`` are seconds on the recording's clock unless a docstring says
"window": the clock of one packed chunk, which starts at 0 where its first piece starts.
Sample positions are counted at `SAMPLE_RATE` from the start of the recording.
"""

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Literal

from pipelines.notes import Note

SAMPLE_RATE = 16_000  # Hz: Whisper's input
SAMPLE_BYTES = 2  # of a sample as it is stored and sent: int16
MIB = 1 << 20


@dataclass(frozen=True, kw_only=True)
class BlobRef:
    """A stored blob: its key, size in bytes and SHA-256 (hex, "" where unknown)."""

    key: str
    n_bytes: int
    sha256: str = ""


@dataclass(frozen=True, kw_only=True)
class SpeechInterval:
    """A stretch of speech: half-open sample range ``[start, end)`` on the recording's clock."""

    start: int
    end: int

    @property
    def n_samples(self) -> int:
        return self.end - self.start


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """One row of a decoding batch: pieces of speech joined end to end, at most one window long.

    ``index`` numbers the job's chunks over all channels in the order they were cut; ``span`` says
    which stored PCM blob holds the samples. Pieces are ascending and do not overlap.
    """

    index: int
    channel: int
    span: int
    pieces: tuple[SpeechInterval, ...]

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
    """A word with its leading space as decoded, on the clock of its container.

    ``probability`` is its confidence: how probable it is that the word is right, as far as that was calibrated
    (`pipelines.whisper.confidence`).
    """

    text: str
    start_s: float
    end_s: float
    probability: float


DOUBTFUL_WORD_BELOW = 0.5
"""Confidence of a word under which it is more likely wrong than right: readers see it shaded."""


class CoverageStatus(StrEnum):
    """The status of an interval of a recording's channel."""

    TRANSCRIBED = "transcribed"
    SILENCE = "silence"
    SUSPECT = "suspect"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class DecodedSegment:
    """A segment as the model gave it, on the window's clock; ``language`` "" is that of its window."""

    start_s: float
    end_s: float
    text: str
    words: tuple[Word, ...] = ()
    language: str = ""


DOUBTFUL_BELOW = 0.5
"""Probability of a language under which what is written in it is suspect, where nothing else is set."""


@dataclass(frozen=True, kw_only=True)
class LanguagePassage:
    """A stretch in one language, on the window's clock, with the probability of that language and of the next best.

    The probabilities count what was known before: of the channel, the job and the tenant.
    """

    start_s: float
    end_s: float
    language: str
    probability: float
    runner_up: str = ""
    runner_up_probability: float = 0.0

    @property
    def duration_s(self) -> float:
        return self.end_s - self.start_s


@dataclass(frozen=True, kw_only=True)
class UnheardSpeech:
    """A stretch in which somebody speaks and nothing was understood, on the window's clock."""

    start_s: float
    end_s: float


@dataclass(frozen=True, kw_only=True)
class ModelInfo:
    """The model that decoded, with enough to explain why two runs may differ.

    ``encoder`` names what computed the encoder, and how many of its steps were averaged to one; "" where it was not
    recorded.
    """

    name: str
    sha256: str = ""
    compute_type: str = ""
    device: str = ""
    encoder: str = ""


@dataclass(frozen=True, kw_only=True)
class ChunkResult:
    """Outcome of decoding one chunk; ``error`` is empty on success.

    ``avg_logprob`` is nats per token, ``compression_ratio`` that of the text under zlib, both as in Whisper's paper.
    ``suspect`` lists the quality rules that still fail after every fallback, ``unheard`` the speech that no word covers
    although it was decoded again. ``model`` is what decoded it, if known;
    ``device_s`` and ``cpu_s`` are its share of what its batch took, by the length of its speech. ``n_attempts`` is how
    often it was decoded, until an outcome was sound or every way was tried. ``passages`` tile the window, and are empty
    where the language was given; ``language`` is that of the longest.
    """

    index: int
    language: str
    segments: tuple[DecodedSegment, ...]
    avg_logprob: float
    no_speech_prob: float
    compression_ratio: float
    temperature: float
    suspect: tuple[str, ...] = ()
    unheard: tuple[UnheardSpeech, ...] = ()
    error: str = ""
    model: ModelInfo | None = None
    device_s: float = 0.0
    cpu_s: float = 0.0
    n_attempts: int = 1
    passages: tuple[LanguagePassage, ...] = ()


@dataclass(frozen=True, kw_only=True)
class TermMatch:
    """A term of the vocabulary that was written in place of what was ``heard``, for they sound alike.

    It stands in the segment's text from the character ``at`` on; times are those of the words it replaced.
    """

    term: str
    heard: str
    at: int
    start_s: float
    end_s: float


@dataclass(frozen=True, kw_only=True)
class Segment:
    """A sentence-sized piece of a transcript on the recording's clock; ``id`` counts from 0.

    ``overlap``: another voice speaks during most of it, where voices were told apart. ``matches`` are the terms that
    were written for what was heard, in order.
    """

    id: int
    channel: int
    speaker: str
    start_s: float
    end_s: float
    text: str
    health: CoverageStatus = CoverageStatus.TRANSCRIBED
    avg_logprob: float = 0.0
    no_speech_prob: float = 0.0
    compression_ratio: float = 0.0
    temperature: float = 0.0
    words: tuple[Word, ...] = ()
    language: str = ""
    overlap: bool = False
    matches: tuple[TermMatch, ...] = ()

    @property
    def heard_text(self) -> str:
        """The text with what was heard in place of the terms."""
        text = self.text
        for match in reversed(self.matches):
            text = text[: match.at] + match.heard + text[match.at + len(match.term) :]
        return text


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """One interval of the coverage ledger; a channel's intervals tile ``[0, duration_s]``."""

    channel: int
    start_s: float
    end_s: float
    health: CoverageStatus
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class LanguageVote:
    """Language that the first windows of a channel voted for, with its share of their probability mass.

    ``shares`` are those of all languages that got any, largest first. ``standing`` are the chunks that voted, and stay
    as they were decoded before the vote was known.
    """

    channel: int
    language: str
    probability: float
    shares: tuple[tuple[str, float], ...] = ()
    standing: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class SpokenLanguage:
    """A language of a channel: seconds of speech in it, and how probable it is, weighted by those seconds."""

    channel: int
    language: str
    probability: float
    seconds: float = 0.0


class TrackState(StrEnum):
    """What became of a sound track: it was heard, another one was, or it could not be."""

    HEARD = "heard"
    LEFT_OUT = "left_out"
    SILENT = "silent"
    UNDECODABLE = "undecodable"


@dataclass(frozen=True, kw_only=True)
class SoundTrack:
    """A sound track of a recording; ``number`` counts from 1 in the order of the file.

    ``codec`` is FFmpeg's name ("" where it is unknown), ``language`` the tag in the file and ``title`` the name there,
    "" without. ``is_default``: players begin with it. ``channels`` are those of the transcript that the track became.
    ``silent`` tracks were passed over because they hold no sound.
    """

    number: int
    codec: str
    n_channels: int
    language: str = ""
    title: str = ""
    duration_s: float | None = None
    is_default: bool = False
    state: TrackState = TrackState.LEFT_OUT
    channels: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Proof of a statement: ids of transcript segments and a literal quote from them."""

    segment_ids: tuple[int, ...]
    quote: str


class NameSource(StrEnum):
    """How the name of a speaker is known: inferred from what is said, told by somebody, or not at all."""

    UNNAMED = "unnamed"
    INFERRED = "inferred"
    PROFILE = "profile"
    REFERENCE = "reference"
    CORRECTED = "corrected"
    CHANNEL = "channel"


@dataclass(frozen=True, kw_only=True)
class Speaker:
    """A voice of a transcript: its ``label`` as it was told apart, and the ``name`` that its segments carry.

    An inferred name has ``evidence``: the sentences that tie it to the voice. A name by a voice profile or a reference
    has the ``similarity`` of the voices (cosine), and one by a profile that profile's id.
    """

    label: str
    name: str
    source: NameSource
    evidence: tuple[Evidence, ...] = ()
    profile: str = ""
    similarity: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Transcript:
    """The stitched transcript of one recording, segments ordered by start time over all channels.

    ``notes`` hold what its owner should know of the recording and its text, ``tracks`` the recording's sound tracks,
    empty where they were not listed. ``speakers`` tells how their names are known, where voices were told apart.
    """

    duration_s: float
    language: str
    languages: tuple[SpokenLanguage, ...]
    segments: tuple[Segment, ...]
    coverage: tuple[Coverage, ...]
    model: ModelInfo
    n_channels: int = 1
    notes: tuple[Note, ...] = ()
    tracks: tuple[SoundTrack, ...] = ()
    speakers: tuple[Speaker, ...] = ()

    @property
    def text(self) -> str:
        return "\n".join(segment.text.strip() for segment in self.segments)


@dataclass(frozen=True, kw_only=True)
class Fact:
    """A name or place that was spoken, and where."""

    text: str
    evidence: Evidence


@dataclass(frozen=True, kw_only=True)
class Topic:
    """A subject of the meeting and the time it was talked about."""

    title: str
    summary: str
    start_s: float
    end_s: float
    evidence: Evidence
    verified: bool = True


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Something that was decided; who sees to it and by when stay ``None`` unless they were spoken with it.

    ``by`` is the speaker who said so, None where nobody knows whose voice it was. ``due`` and ``due_date`` are as in
    `ActionItem`.
    """

    text: str
    evidence: Evidence
    verified: bool = True
    by: str | None = None
    owner: str | None = None
    due: str | None = None
    due_date: str | None = None


@dataclass(frozen=True, kw_only=True)
class ActionItem:
    """A task; owner and due date stay ``None`` unless they were spoken, or the owner's voice took the task.

    ``due`` is as spoken ("by Friday"); ``due_date`` is the day that means (ISO 8601), where that is beyond doubt.
    """

    task: str
    owner: str | None
    due: str | None
    evidence: Evidence
    verified: bool = True
    due_date: str | None = None


@dataclass(frozen=True, kw_only=True)
class OpenQuestion:
    """A question nobody answered."""

    text: str
    evidence: Evidence
    verified: bool = True


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Tokens of calls to a language model as its provider counted them, and their cost.

    ``n_prompt = n_cache_hit + n_cache_miss``; ``n_completion`` holds reasoning. ``models`` are the names that answered.
    """

    n_calls: int = 0
    n_prompt: int = 0
    n_cache_hit: int = 0
    n_completion: int = 0
    cost_usd: float = 0.0
    models: tuple[str, ...] = ()

    @property
    def n_cache_miss(self) -> int:
        return self.n_prompt - self.n_cache_hit

    @property
    def n_tokens(self) -> int:
        return self.n_prompt + self.n_completion

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            n_calls=self.n_calls + other.n_calls,
            n_prompt=self.n_prompt + other.n_prompt,
            n_cache_hit=self.n_cache_hit + other.n_cache_hit,
            n_completion=self.n_completion + other.n_completion,
            cost_usd=self.cost_usd + other.cost_usd,
            models=tuple(dict.fromkeys((*self.models, *other.models))),
        )

    def share(self, part: float) -> "Usage":
        """Return a part (0 to 1) of the usage of a call that served several; each was served by one call."""
        return replace(
            self,
            n_prompt=round(self.n_prompt * part),
            n_cache_hit=round(self.n_cache_hit * part),
            n_completion=round(self.n_completion * part),
            cost_usd=self.cost_usd * part,
        )


@dataclass(frozen=True, kw_only=True)
class Minutes:
    """Minutes of a meeting; ``writer`` names what wrote them (rules or a language model).

    Nobody (``none``) writes those of a recording without words: they hold nothing, and their ``language`` is "" unless
    one was asked for.

    ``chair``, ``place`` and ``distribution`` (who is to get the minutes) stay empty unless they were spoken;
    ``held_on`` is the recording's date (ISO 8601) where the submitter gave it.
    ``usage`` is what this job paid a language model: nothing where equal minutes had been paid for before, None where
    no language model was asked.
    """

    title: str
    language: str
    writer: Literal["extractive", "llm", "none"]
    model: str
    summary: str
    participants: tuple[str, ...] = ()
    topics: tuple[Topic, ...] = ()
    decisions: tuple[Decision, ...] = ()
    action_items: tuple[ActionItem, ...] = ()
    open_questions: tuple[OpenQuestion, ...] = ()
    chair: Fact | None = None
    place: Fact | None = None
    distribution: tuple[Fact, ...] = ()
    held_on: str = ""
    usage: Usage | None = None


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
class Damage:
    """Sound that was lost before anybody could listen: half-open sample range on the recording's clock.

    ``channels`` are those of the transcript that lost it, all where it names none.
    """

    start: int
    end: int
    channels: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class SourceSummary:
    """The summary of a decoded source: its length on the recording's clock, its channels, spans and chunks.

    ``damaged`` are the stretches that were lost, by start; one behind the last span was never in the file. ``cpu_s``
    is the processor time it took; ``notes`` hold what its owner should know of the recording, ``tracks`` its
    sound tracks.
    """

    duration_s: float
    n_channels: int
    n_spans: int
    n_chunks: int
    damaged: tuple[Damage, ...] = ()
    cpu_s: float = 0.0
    notes: tuple[Note, ...] = ()
    tracks: tuple[SoundTrack, ...] = ()
