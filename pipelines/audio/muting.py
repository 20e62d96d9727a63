"""Replace stretches of sound by silence or a tone: what was there is not in the samples any more."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from pipelines.audio.formats import MaskSound
from pipelines.audio.pcm import Pcm
from pipelines.core import SAMPLE_RATE

TONE_HZ = 1000
TONE_PEAK = 4096  # of 32,767: -18 dB of full scale, as loud as speech


def muted(blocks: Iterable[Pcm], stretches: Sequence[tuple[float, float]], sound: MaskSound) -> Iterator[Pcm]:
    """Yield blocks of shape ``[n_channels, n_samples]`` with other samples in the stretches, on every channel.

    ``stretches`` are seconds from the first sample, ascending and apart.
    """
    bounds = [(round(start_s * SAMPLE_RATE), round(end_s * SAMPLE_RATE)) for start_s, end_s in stretches]
    position = next_bound = 0
    for block in blocks:
        end = position + block.shape[1]
        while next_bound < len(bounds) and bounds[next_bound][1] <= position:
            next_bound += 1
        samples, at = block, next_bound
        while at < len(bounds) and bounds[at][0] < end:
            samples = block.copy() if samples is block else samples
            _replace(samples, position, max(bounds[at][0], position), min(bounds[at][1], end), sound)
            at += 1
        yield samples
        position = end


def _replace(block: Pcm, position: int, start: int, end: int, sound: MaskSound) -> None:
    """Overwrite the samples from ``start`` to ``end`` of a block that begins at ``position``."""
    if sound == "mute":
        block[:, start - position : end - position] = 0
        return
    at = np.arange(start, end) * (2 * np.pi * TONE_HZ / SAMPLE_RATE)
    block[:, start - position : end - position] = np.round(TONE_PEAK * np.sin(at)).astype(block.dtype)
