"""The classes of the segmentation network: every set of up to two of a window's three voices.

Source: Plaquet and Bredin, Powerset multi-class cross entropy loss for neural speaker diarization, Interspeech 2023.
"""

from itertools import combinations

import numpy as np
import numpy.typing as npt

N_VOICES = 3
MAX_AT_ONCE = 2

SETS = tuple(voices for size in range(MAX_AT_ONCE + 1) for voices in combinations(range(N_VOICES), size))
"""The voices of each class in the network's order: nobody, one voice, two voices."""

_MEMBERS = np.array([[voice in voices for voice in range(N_VOICES)] for voices in SETS], np.float32)
_SEVERAL = np.array([len(voices) > 1 for voices in SETS])

USUAL_OVERLAP = 0.1
"""Share of speech in which two voices speak at once that the network expects."""
MIN_WEIGHT, MAX_WEIGHT = 0.5, 4.0


def voice_probabilities(log_probabilities: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Turn log probabilities of classes ``[..., n_frames, len(SETS)]`` into those of voices ``[..., n_frames, 3]``.

    The network hears too little overlap where much is, and some where little is: the classes of two voices are
    weighted by how much overlap the window has, against `USUAL_OVERLAP`. Source: Saerens, Latinne and Decaestecker,
    Adjusting the outputs of a classifier to new a priori probabilities, Neural Computation 2002 (one step).
    """
    probabilities = np.exp(log_probabilities)
    speech = probabilities[..., 1:].sum(axis=(-2, -1))
    overlap = probabilities[..., _SEVERAL].sum(axis=(-2, -1))
    share = overlap / np.maximum(speech, np.finfo(np.float32).tiny)
    weight = np.clip(share / USUAL_OVERLAP, MIN_WEIGHT, MAX_WEIGHT)
    weighted = np.where(_SEVERAL, weight[..., None, None], 1.0) * probabilities
    voices: npt.NDArray[np.float32] = (weighted / weighted.sum(axis=-1, keepdims=True)) @ _MEMBERS
    return voices.astype(np.float32)
