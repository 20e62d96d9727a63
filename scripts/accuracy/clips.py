"""Clips in which nobody speaks: planned from a seed, rendered as WAV files, and recordings of such by their names."""

import wave
from collections.abc import Iterator
from dataclasses import dataclass
from math import log
from pathlib import Path

import av
import numpy as np

from scripts.accuracy.noises import KINDS
from scripts.speech.sounds import telephone_band
from scripts.speech.voices import PCM, SAMPLE_RATE

SHORTEST_S, LONGEST_S = 5.0, 60.0
QUIETEST_DBFS, LOUDEST_DBFS = -60.0, -6.0
TELEPHONE_SHARE = 0.3
RECORDED = "recorded"
"""The kind of recordings from a folder."""
RECORDED_GLOB = "none_*"
_FULL_SCALE = 32767


@dataclass(frozen=True, kw_only=True)
class Clip:
    """A clip without speech: the kind of its sound, its length, the level of its peak, whether a telephone carried it.

    ``path`` is that of a recording; "" for what `render` makes.
    """

    kind: str
    seconds: float
    level_dbfs: float = 0.0
    telephone: bool = False
    seed: int = 0
    path: str = ""


def plan(n_clips: int, seed: int) -> list[Clip]:
    """Plan clips of all kinds in turn; lengths are spread evenly over their logarithm, levels over decibels."""
    rng = np.random.default_rng(seed)
    kinds = list(KINDS)
    return [
        Clip(
            kind=kinds[number % len(kinds)],
            seconds=round(float(np.exp(rng.uniform(log(SHORTEST_S), log(LONGEST_S)))), 2),
            level_dbfs=round(float(rng.uniform(QUIETEST_DBFS, LOUDEST_DBFS)), 1),
            telephone=bool(rng.random() < TELEPHONE_SHARE),
            seed=int(rng.integers(1 << 31)),
        )
        for number in range(n_clips)
    ]


def render(clip: Clip) -> PCM:
    """Return int16 ``[n_samples]`` at 16 kHz; the same for the same clip."""
    n_samples = round(clip.seconds * SAMPLE_RATE)
    rng = np.random.default_rng(clip.seed)
    sound = KINDS[clip.kind](n_samples, rng)
    peak = 10 ** (clip.level_dbfs / 20) * _FULL_SCALE
    loud = sound * (peak / max(1e-9, float(np.abs(sound).max())))
    pcm = np.clip(np.rint(loud + rng.triangular(-1, 0, 1, n_samples)), -_FULL_SCALE, _FULL_SCALE).astype(np.int16)
    return telephone_band(pcm[None])[0] if clip.telephone else pcm


def recorded(folder: Path) -> Iterator[Clip]:
    """Yield a folder's recordings without speech: those whose names begin like `RECORDED_GLOB`."""
    for path in sorted(folder.glob(RECORDED_GLOB)):
        with av.open(str(path)) as container:
            seconds = (container.duration or 0) / av.time_base
        yield Clip(kind=RECORDED, seconds=seconds, path=str(path.resolve()))


def write_wav(path: Path, pcm: PCM) -> None:
    """Write int16 mono samples at 16 kHz."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(pcm.astype("<i2").tobytes())
