"""`WorkItem`: one row of work for a Transcriber, and the group whose rows may share a batch."""

import hashlib
from dataclasses import dataclass

from pipelines.core import DOUBTFUL_BELOW, SAMPLE_RATE, BlobRef, Chunk

Group = tuple[bool, int, str]


@dataclass(frozen=True, kw_only=True)
class WorkItem:
    """One row for a Transcriber: a chunk to transcribe.

    ``samples`` holds those of the chunk's span, which begins at ``samples_from``: int16, one channel, at `SAMPLE_RATE`.
    ``attempt`` counts from 0, ``errors`` says what the attempts before met. A row that is ``alone`` shares its batch
    with no other. ``language`` None: it is detected, among ``languages`` (all where empty), where ``expected`` has the
    shares that its channel voted for, largest first, and is doubtful below ``min_language_probability``. ``translate``
    writes English,
    ``prompt`` primes the decoder, ``temperature`` is the first it tries. An ``economy`` row waits for all others.
    ``deadline_s`` (Unix seconds) and ``traceparent`` are the job's.
    """

    tenant: str
    job_id: str
    chunk: Chunk
    samples: BlobRef | None = None
    samples_from: int = 0
    language: str | None = None
    languages: tuple[str, ...] = ()
    expected: tuple[tuple[str, float], ...] = ()
    min_language_probability: float = DOUBTFUL_BELOW
    word_timestamps: bool = False
    beam_size: int = 1
    translate: bool = False
    prompt: str = ""
    temperature: float = 0.0
    priority: int = 0
    economy: bool = False
    deadline_s: float | None = None
    attempt: int = 0
    errors: tuple[str, ...] = ()
    alone: bool = False
    traceparent: str = ""

    @property
    def input_digest(self) -> str:
        """16 hex digits of all that a chunk's text depends on besides its job's options: samples and language.

        Results are stored under it, so that those of another segmentation or another vote are never mistaken.
        """
        pieces = ",".join(f"{piece.start}-{piece.end}" for piece in self.chunk.pieces)
        return hashlib.sha256(f"{self._main_language}/{self.chunk.channel}/{pieces}".encode()).hexdigest()[:16]

    @property
    def is_voting(self) -> bool:
        """Whether the row's languages are a vote of its channel's."""
        return self.language is None and not self.expected

    @property
    def _main_language(self) -> str | None:
        return self.expected[0][0] if self.expected else self.language

    @property
    def audio_s(self) -> float:
        """Seconds of speech in the row."""
        return self.chunk.n_samples / SAMPLE_RATE

    @property
    def group(self) -> Group:
        """Rows of one decoding batch must agree in this: it is what CTranslate2 takes per call, not per row."""
        only = f"{self.job_id}/{self.chunk.index}" if self.alone else ""
        return (self.word_timestamps, self.beam_size, only)
