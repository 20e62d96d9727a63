"""Augment clean speech: rooms, telephone lines, noise and tones.

All filters work in the frequency domain, one transform forth and one back per window.
"""

from dataclasses import dataclass
from random import Random

import numpy as np
from numpy.typing import NDArray

from mini_model.model import SAMPLE_RATE

Samples = NDArray[np.float32]

_REVERB_SAMPLES = SAMPLE_RATE // 2
_MU = 255


@dataclass(frozen=True, kw_only=True)
class Mix:
    """Shares of the windows that get each kind of harm; ``clean`` ones get none at all."""

    clean: float = 0.35
    telephone: float = 0.2
    room: float = 0.2
    noise: float = 0.8
    spectrum_gaps: float = 0.5


def harm(speech: Samples, mix: Mix, rng: Random, dice: np.random.Generator) -> Samples:
    """Add room and telephone line, each with the probability that ``mix`` gives it."""
    telephone, room = rng.random() < mix.telephone, rng.random() < mix.room
    if not telephone and not room:
        return speech
    size = _fast_size(len(speech) + _REVERB_SAMPLES)
    spectrum = np.fft.rfft(speech, size)
    if room:
        spectrum *= np.fft.rfft(_room(rng, dice), size)
    if telephone:
        frequency = np.fft.rfftfreq(size, 1 / SAMPLE_RATE)
        low, high = rng.choice((0, 0, 200, 300)), rng.choice((3400, 3400, 3700, 3950))
        spectrum *= 1 / (1 + (low / np.maximum(frequency, 1)) ** 8) / (1 + (frequency / high) ** 24)
    heard = np.fft.irfft(spectrum, size)[: len(speech)].astype(np.float32)
    return mu_law(heard) if telephone and rng.random() < 0.8 else heard


def mu_law(samples: Samples) -> Samples:
    """Encode to the 8 bits of G.711 µ-law, and decode again."""
    peak = max(1.0, float(np.abs(samples).max()) * 1.01)
    code = np.sign(samples) * np.log1p(_MU * np.abs(samples / peak)) / np.log1p(_MU)
    code = np.round(code * 127) / 127
    heard: Samples = (peak * np.sign(code) * np.expm1(np.abs(code) * np.log1p(_MU)) / _MU).astype(np.float32)
    return heard


def noise(n_samples: int, rng: Random, dice: np.random.Generator) -> Samples:
    """Generate white or coloured noise, or a few tones that may pulse, with unit power."""
    white = dice.standard_normal(n_samples, dtype=np.float32)
    kind = rng.random()
    if kind < 0.5:
        return white
    if kind < 0.75:
        size = _fast_size(n_samples)
        colour = 1 / np.maximum(np.fft.rfftfreq(size, 1 / SAMPLE_RATE), 40) ** rng.uniform(0.3, 1.0)
        return _unit_power(np.fft.irfft(np.fft.rfft(white, size) * colour, size)[:n_samples])
    time = np.arange(n_samples, dtype=np.float32) / SAMPLE_RATE
    tones = np.zeros(n_samples, np.float32)
    for _ in range(rng.randint(1, 4)):
        tones += np.sin(np.float32(2 * np.pi * rng.uniform(60, 2500)) * time + np.float32(rng.uniform(0, 6)))
    if rng.random() < 0.5:
        tones *= np.sin(np.float32(2 * np.pi * rng.uniform(0.3, 4)) * time) > 0
    return _unit_power(tones) + np.float32(0.1) * white


def _room(rng: Random, dice: np.random.Generator) -> Samples:
    """Generate an impulse response: the direct sound, then noise that decays by 60 dB in 0.1 to 0.45 s."""
    time = np.arange(_REVERB_SAMPLES) / SAMPLE_RATE
    tail = dice.standard_normal(_REVERB_SAMPLES) * np.exp(-6.9 * time / rng.uniform(0.1, 0.45))
    tail[: round(rng.uniform(0.005, 0.04) * SAMPLE_RATE)] = 0
    tail *= 10 ** rng.uniform(-1.2, -0.1) / np.sqrt((tail**2).sum() + 1e-9)
    tail[0] = 1
    return tail.astype(np.float32)


def _unit_power(samples: NDArray[np.floating]) -> Samples:
    unit: Samples = (samples / (samples.std() + 1e-9)).astype(np.float32)
    return unit


def _fast_size(n_samples: int) -> int:
    """Round up to a size with small prime factors, fast for the FFT."""
    return (n_samples + 4095) // 4096 * 4096
