"""Sounds that are not speech, and what a telephone does to speech; int16 samples of shape ``(1, n)`` at 16 kHz."""

from random import Random

import numpy as np

from scripts.speech.stage import room_noise
from scripts.speech.voices import PCM, SAMPLE_RATE

_CHORDS_HZ = ((220.0, 277.2, 329.6), (196.0, 246.9, 293.7), (174.6, 220.0, 261.6), (164.8, 207.7, 246.9))


def silence(seconds: float) -> PCM:
    """Generate digital silence."""
    return np.zeros((1, round(seconds * SAMPLE_RATE)), np.int16)


def noise(seconds: float, rng: Random, *, rms: float = 300.0) -> PCM:
    """Generate a ventilator's noise: steady, ``rms`` int16 steps loud, some 40 dB below full scale."""
    steady: PCM = np.rint(room_noise(1, round(seconds * SAMPLE_RATE), rms, rng)).astype(np.int16)
    return steady


def music(seconds: float) -> PCM:
    """Generate music on hold: plucked chords with overtones, one every 1.5 s."""
    t = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    beat, since = np.divmod(t, 1.5)
    mix = np.zeros_like(t)
    for number, chord in enumerate(_CHORDS_HZ):
        playing = beat % len(_CHORDS_HZ) == number
        for tone_hz in chord:
            for overtone in (1, 2, 3):
                mix += playing * np.sin(2 * np.pi * tone_hz * overtone * t) / overtone**2
    pluck = np.exp(-1.5 * since) * np.minimum(1, since / 0.01)
    chords: PCM = np.rint(mix * pluck * 4000).astype(np.int16)[None]
    return chords


def telephone_band(pcm: PCM) -> PCM:
    """Keep only 300 to 3400 Hz, the band of an analogue telephone line."""
    n = pcm.shape[1]
    spectrum = np.fft.rfft(pcm, axis=1)
    hertz = np.fft.rfftfreq(n, 1 / SAMPLE_RATE)
    spectrum[:, (hertz < 300) | (hertz > 3400)] = 0
    band: PCM = np.clip(np.rint(np.fft.irfft(spectrum, n, axis=1)), -32768, 32767).astype(np.int16)
    return band
