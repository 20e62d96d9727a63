"""`WorkItem`: one row of work for a Transcriber, and the group whose rows may share a batch."""

import hashlib
from dataclasses import dataclass
from typing import Literal

from pipelines.core import SAMPLE_RATE, Chunk

Group = tuple[str, bool, int, str]


@dataclass(frozen=True, kw_only=True)
class WorkItem:
    """One row for a Transcriber: transcribe a chunk, or detect its language.

    ``attempt`` counts from 0, ``errors`` says what the attempts before met. A row that is ``alone`` shares its batch
    with no other. ``language`` is None only where a language is to be detected. ``translate`` writes English,
    ``prompt`` primes the decoder, ``temperature`` is the first it tries. ``deadline_s`` (Unix seconds) and
    ``traceparent`` are the job's.
    """

    task: Literal["transcribe", "detect_language"]
    tenant: str
    job_id: str
    chunk: Chunk
    language: str | None = None
    word_timestamps: bool = False
    beam_size: int = 1
    translate: bool = False
    prompt: str = ""
    temperature: float = 0.0
    priority: int = 0
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
        return hashlib.sha256(f"{self.language}/{self.chunk.channel}/{pieces}".encode()).hexdigest()[:16]

    @property
    def audio_s(self) -> float:
        """Seconds of speech in the row."""
        return self.chunk.n_samples / SAMPLE_RATE

    @property
    def group(self) -> Group:
        """Rows of one decoding batch must agree in this: it is what CTranslate2 takes per call, not per row."""
        only = f"{self.job_id}/{self.chunk.index}" if self.alone else ""
        return (self.task, self.word_timestamps, self.beam_size, only)
