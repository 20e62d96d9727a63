"""The two networks as the rest of the room sees them: arrays in, arrays out."""

from typing import Protocol

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

EMBEDDING_SIZE = 192
CONTEXT_FRAMES = 200
"""Frames of 10 ms that an embedding is taken from; half as many reach the masks, whose segments have 100."""


class VoiceModels(Protocol):
    """What `analysis.analyse` asks of the networks."""

    def segment(self, windows: Floats) -> Floats:
        """Map sound ``[n, WINDOW_SAMPLES]`` in ±1 to log probabilities ``[n, WINDOW_FRAMES, len(powerset.SETS)]``."""

    def embed(self, features: Floats) -> Floats:
        """Map log-mel features ``[n, CONTEXT_FRAMES, N_MELS]`` to voice embeddings ``[n, EMBEDDING_SIZE]``."""
