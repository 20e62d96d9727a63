"""The nouns of this room: runs, pieces and voices of a span, turns of speakers."""

import base64
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipelines.speakers.protocol import EMBEDDING_SIZE

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class VoiceRun:
    """A run ``[start, end)`` of frames in which a track is active; tracks are numbered within the span."""

    track: int
    start: int
    end: int


@dataclass(frozen=True, kw_only=True)
class VoicePiece:
    """Frames ``[start, end)`` of run number ``run`` that an embedding was taken from.

    ``alone``: nobody else spoke. ``between``: it straddles two pieces that differ, to tell where the voice changes.
    """

    run: int
    start: int
    end: int
    alone: bool
    between: bool = False


@dataclass(frozen=True, kw_only=True)
class SpanVoices:
    """All that is kept of a span: samples ``[start, start + n_samples)`` on the recording's clock.

    Frames count from the span's start. ``embeddings`` are those of ``pieces``: float16 ``[n_pieces, EMBEDDING_SIZE]``
    of length 1, little-endian, base64. About 1 MB for an hour of speech.
    """

    start: int
    n_samples: int
    runs: tuple[VoiceRun, ...] = ()
    pieces: tuple[VoicePiece, ...] = ()
    embeddings: str = ""

    def vectors(self) -> Floats:
        """Return the embeddings as float32 ``[n_pieces, EMBEDDING_SIZE]``."""
        stored = np.frombuffer(base64.b64decode(self.embeddings), "<f2")
        return stored.astype(np.float32).reshape(-1, EMBEDDING_SIZE)


@dataclass(frozen=True, kw_only=True)
class SpeakerTurn:
    """A speaker talks from ``start_s`` to ``end_s`` on the recording's clock; turns of different speakers may overlap.

    Speakers count from 0 in the order in which they are first heard.
    """

    speaker: int
    start_s: float
    end_s: float


@dataclass(frozen=True, kw_only=True)
class ChannelTurns:
    """Who spoke when on one channel of a recording, by start."""

    channel: int
    turns: tuple[SpeakerTurn, ...]


@dataclass(frozen=True, kw_only=True)
class RecognisedVoice:
    """A speaker of a channel whose voice is known by a profile, or by a reference, which has no ``profile``.

    ``similarity`` is the cosine of the two voices.
    """

    channel: int
    speaker: int
    name: str
    profile: str = ""
    similarity: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Diarization:
    """Who spoke when on the channels of a recording whose voices were to be told apart, and who of them is known.

    ``missing`` says why that could not be done; then there are no ``channels``. ``n_known`` is how many known voices
    the speakers were compared with.
    """

    channels: tuple[ChannelTurns, ...] = ()
    missing: str = ""
    recognised: tuple[RecognisedVoice, ...] = ()
    n_known: int = 0


def unit(vectors: Floats) -> Floats:
    """Return vectors ``[..., n]`` of the same directions and length 1; one of zeros stays so."""
    scaled: Floats = vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), np.finfo(np.float32).tiny)
    return scaled
