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


def voice_probabilities(log_probabilities: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Turn log probabilities of classes ``[..., len(SETS)]`` into the probability ``[..., N_VOICES]`` of each voice."""
    probabilities: npt.NDArray[np.float32] = np.exp(log_probabilities) @ _MEMBERS
    return probabilities
