"""The mean voice of each speaker of a recording."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from pipelines.core import SAMPLE_RATE
from pipelines.speakers.frames import sample_of
from pipelines.speakers.protocol import EMBEDDING_SIZE
from pipelines.speakers.voices import SpanVoices, SpeakerTurn, unit

Floats = npt.NDArray[np.float32]

MIN_VOICE_S = 2.0
"""Of a speaker alone; who is heard for less is compared with nobody."""


def speaker_vectors(heard: Iterable[SpanVoices], turns: Sequence[SpeakerTurn]) -> Mapping[int, Floats]:
    """Return each speaker's voice, ``[EMBEDDING_SIZE]`` of length 1, from pieces in which nobody else talks.

    A piece is a speaker's where their turns hold its middle, and no other's do. Speakers who are alone for less than
    `MIN_VOICE_S` are left out.
    """
    sums: dict[int, Floats] = {}
    seconds: dict[int, float] = {}
    for span in heard:
        vectors = span.vectors()
        for piece, vector in zip(span.pieces, vectors, strict=True):
            if not piece.alone or piece.between:
                continue
            length_s = (sample_of(piece.end) - sample_of(piece.start)) / SAMPLE_RATE
            middle_s = (span.start + (sample_of(piece.start) + sample_of(piece.end)) / 2) / SAMPLE_RATE
            talking = {turn.speaker for turn in turns if turn.start_s <= middle_s < turn.end_s}
            if len(talking) == 1:
                (speaker,) = talking
                sums[speaker] = sums.get(speaker, np.zeros(EMBEDDING_SIZE, np.float32)) + length_s * vector
                seconds[speaker] = seconds.get(speaker, 0.0) + length_s
    return {speaker: unit(total) for speaker, total in sums.items() if seconds[speaker] >= MIN_VOICE_S}
