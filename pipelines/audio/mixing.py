"""Mix the channels of a recording to one so that none of them is lost.

In a plain sum channels of opposite phase cancel (a cable or a microphone wired the wrong way round, a faked stereo),
and a low-frequency channel counts nothing. The sum is therefore compared with its channels, window by window. Where it
lies more than `LOST_DB` below the loudest one, the channels are added with the signs at which they add up, and so it
stays until the plain sum would have done for `RETURN_S`: a mix that changed from word to word would be heard.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import log10, sqrt
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.core import SAMPLE_RATE

LOST_DB = 20.0
"""A mix this far below its loudest channel has lost it."""
FINE_DB = 12.0
"""A plain sum that is no farther below the loudest channel does for all of them."""
RETURN_S = 30.0
"""Seconds with sound for which the plain sum must do before it is taken again."""
WINDOW_S = 0.25
SILENCE_DBFS = -60.0
"""Channels below this are not compared: no speech is that faint, noise of opposite phase is no loss."""
MAX_STRETCHES = 100
"""Stretches that are told apart; what follows belongs to the last one."""

_RAMP_SAMPLES = SAMPLE_RATE // 100  # from one set of weights to the next, so that none clicks
_MIN_SAMPLES = SAMPLE_RATE // 100  # fewer say nothing about a window
_SOUNDING_DB = 30.0  # channels so far below the loudest do not count when the level is set
_FULL_SCALE = 32_767.0
SILENCE_POWER = (_FULL_SCALE * 10 ** (SILENCE_DBFS / 20)) ** 2
"""The same as a mean square of int16 samples."""

# FFmpeg's matrix to mono (libswresample/rematrix.c), before it is scaled; channels that it drops count as surround.
_SURROUND = sqrt(0.5)
_WEIGHTS = {
    **dict.fromkeys(("FL", "FR", "FLC", "FRC", "DL", "DR"), 1.0),
    "FC": sqrt(2.0),
    **dict.fromkeys(("LFE", "LFE2"), 0.0),
    "AMBI0": 1.0,  # ambisonic sound: the first channel holds everything, the others say where it comes from
    **{f"AMBI{i}": 0.0 for i in range(1, 64)},
}

Samples = npt.NDArray[np.float32]
Weights = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Remix:
    """A stretch whose channels were not simply added; the sum would have been ``below_db`` under the loudest one.

    Times are seconds on the recording's clock; ``below_db`` is the most of the stretch, 99 where nothing was left.
    """

    start_s: float
    end_s: float
    below_db: float


class Mixer:
    """Mixes one stream of audio to one channel; its decisions go on from call to call."""

    def __init__(self, clock: Callable[[], int]) -> None:
        """Take a ``clock`` that tells at which sample of the recording the next call's samples begin."""
        self._clock = clock
        self._names: tuple[str, ...] = ()
        self._plain: Weights = np.ones(1, np.float32)
        self._weights = self._plain
        self._n_fine = 0  # samples in which the plain sum would have done
        self._stretches: list[Remix] = []

    @property
    def stretches(self) -> tuple[Remix, ...]:
        """Where the channels were not simply added, in order."""
        return tuple(self._stretches)

    def set_channels(self, names: Sequence[str]) -> None:
        """Mix channels of these positions (FFmpeg's names) from now on; the same ones again change nothing."""
        if tuple(names) != self._names:
            self._names = tuple(names)
            self._plain = self._weights = plain_weights(names)
            self._n_fine = 0

    def mix(self, channels: npt.NDArray[Any]) -> npt.NDArray[np.int16]:
        """Return int16 ``[1, n_samples]`` of int16 ``[n_channels, n_samples]``."""
        samples: Samples = np.ascontiguousarray(channels, np.float32)
        n_samples = samples.shape[1]
        plain: Samples = self._plain @ samples
        mixed = np.empty_like(plain)
        bounds = np.linspace(0, n_samples, max(1, round(n_samples / (WINDOW_S * SAMPLE_RATE))) + 1).astype(int)
        for i, j in pairwise(bounds):
            mixed[i:j] = self._window(samples[:, i:j], plain[i:j], self._clock() + int(i))
        np.clip(np.rint(mixed, out=mixed), -_FULL_SCALE - 1, _FULL_SCALE, out=mixed)
        return mixed.astype(np.int16)[np.newaxis]

    def _window(self, samples: Samples, plain: Samples, start: int) -> Samples:
        before, self._weights = self._weights, self._weights_for(samples, plain, start)
        if self._weights is self._plain and before is self._plain:
            return plain
        if self._weights is not self._plain and self._stretches:
            last = self._stretches[-1]
            self._stretches[-1] = replace(last, end_s=(start + samples.shape[1]) / SAMPLE_RATE)
        mixed: Samples = self._weights @ samples
        if self._weights is not before:
            rising = np.minimum(np.arange(samples.shape[1], dtype=np.float32) / _RAMP_SAMPLES, 1.0)
            mixed = rising * mixed + (1.0 - rising) * (before @ samples)
        return mixed

    def _weights_for(self, samples: Samples, plain: Samples, start: int) -> Weights:
        n_samples = samples.shape[1]
        if n_samples < _MIN_SAMPLES:
            return self._weights
        powers = np.array([_power(channel) for channel in samples])
        loudest = float(powers.max())
        if loudest < SILENCE_POWER:
            return self._weights
        below_db = _below_db(plain, loudest)
        if self._weights is self._plain:
            if below_db <= LOST_DB:
                return self._plain
            self._begin(start / SAMPLE_RATE, below_db)
            return _aligned(samples, powers)
        self._n_fine = self._n_fine + n_samples if below_db <= FINE_DB else 0
        if self._n_fine >= RETURN_S * SAMPLE_RATE:
            self._n_fine = 0
            return self._plain
        last = self._stretches[-1]
        self._stretches[-1] = replace(last, below_db=max(last.below_db, below_db))
        mixed = self._weights @ samples
        is_lost = _below_db(mixed, loudest) > LOST_DB
        return _aligned(samples, powers) if is_lost or np.abs(mixed).max() > _FULL_SCALE else self._weights

    def _begin(self, start_s: float, below_db: float) -> None:
        self._n_fine = 0
        if len(self._stretches) < MAX_STRETCHES:
            self._stretches.append(Remix(start_s=start_s, end_s=start_s, below_db=below_db))


def mix_excerpt(channels: npt.NDArray[np.int16]) -> npt.NDArray[np.int16]:
    """Return int16 ``[1, n_samples]`` of int16 ``[n_channels, n_samples]`` that is all there is, its channels alike."""
    mixer = Mixer(clock=lambda: 0)
    mixer.set_channels(("",) * len(channels))
    return mixer.mix(channels) if len(channels) > 1 else channels


def plain_weights(names: Sequence[str]) -> Weights:
    """Return the share of each channel in a plain sum, by its position: those of FFmpeg's matrix, which add up to 1.

    Channels of unknown position count alike.
    """
    weights = np.array([_WEIGHTS.get(name, _SURROUND) for name in names], np.float32)
    return weights / weights.sum() if weights.any() else np.full(len(names), 1.0 / len(names), np.float32)


def _aligned(samples: Samples, powers: npt.NDArray[np.float64]) -> Weights:
    """Return weights by which the channels of a window add up, the loudest first, each with the sign that fits best.

    The power of what is added never shrinks by the next one, so that nothing cancels out.
    """
    sounding = powers > powers.max() * 10 ** (-_SOUNDING_DB / 10)
    order = np.argsort(-powers, kind="stable")
    signs = np.ones(len(powers), np.float32)
    mixed = samples[order[0]].copy()
    for i in order[1:]:
        if sounding[i]:
            signs[i] = -1.0 if float(mixed @ samples[i]) < 0 else 1.0
            mixed += signs[i] * samples[i]
    return signs / np.float32(sounding.sum())


def _power(samples: Samples) -> float:
    """Return the mean square."""
    return float(samples @ samples) / len(samples)


def _below_db(mixed: Samples, loudest: float) -> float:
    """Return how far a mix lies below the power of its loudest channel."""
    power = _power(mixed)
    return min(99.0, 10 * log10(loudest / power)) if power else 99.0
