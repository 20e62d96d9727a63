"""Networks of voices without weights: they hear one voice wherever there is sound, loud or quiet."""

import numpy as np
import numpy.typing as npt

from pipelines.core import SAMPLE_RATE
from pipelines.speakers.fbank import log_mel
from pipelines.speakers.frames import FRAME_SAMPLES, WINDOW_FRAMES
from pipelines.speakers.powerset import SETS
from pipelines.speakers.protocol import EMBEDDING_SIZE

Floats = npt.NDArray[np.float32]

LOUD = 0.04  # amplitude between a loud and a quiet voice


class LoudnessModels:
    """`pipelines.speakers.protocol.VoiceModels` whose embeddings tell loud from quiet.

    One voice is followed however its loudness changes. ``n_windows`` counts what was heard.
    """

    def __init__(self) -> None:
        self.n_windows = 0

    def segment(self, windows: Floats) -> Floats:
        """Hear the first voice where there is sound, nobody elsewhere."""
        self.n_windows += len(windows)
        frames = windows[:, : WINDOW_FRAMES * FRAME_SAMPLES].reshape(len(windows), WINDOW_FRAMES, FRAME_SAMPLES)
        classes = (np.abs(frames).max(axis=2) > 0).astype(int)
        heard: Floats = np.log(np.eye(len(SETS), dtype=np.float32)[classes] + np.float32(1e-9))
        return heard

    def embed(self, features: Floats) -> Floats:
        """Point in one direction for loud sound, in another for quiet."""
        loud = (features.mean(axis=2) > log_mel(noise(1, LOUD, 0)).mean()).mean(axis=1)
        vectors = np.zeros((len(features), EMBEDDING_SIZE), np.float32)
        vectors[:, 0], vectors[:, 1] = loud, 1 - loud
        return vectors


def noise(seconds: float, amplitude: float, seed: int) -> Floats:
    """Return white noise, float32 in ±``amplitude``."""
    return np.random.default_rng(seed).uniform(-amplitude, amplitude, round(seconds * SAMPLE_RATE)).astype(np.float32)
