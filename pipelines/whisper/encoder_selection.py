"""Which of two encoders to use, found by trying both: the challenger has to be clearly faster and to hear the same."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from pipelines.whisper.log_mel import HOP_SAMPLES, LogMel

CLEARLY = 0.9
"""Of the present encoder's time the challenger may take: below it, noise of a busy machine does not decide."""
TOLERANCE = 0.2
"""Mean difference of the outputs over their mean size. 8-bit arithmetic is 0.02 to 0.04 off the exact one with models
of 4 and 6 layers, whoever does it; an encoder that reads other weights than it should is off by more than 1."""
_ENOUGH_S = 2.0
_MOST_RUNS = 4
_LOUDNESS = 1000

Encode = Callable[[torch.Tensor], torch.Tensor]
"""Features ``[rows, n_mels, n_frames]`` to ``[rows, n_frames / 2, width]``; done when it returns."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Seconds that each takes for one batch, and how far the outputs are apart (see `TOLERANCE`)."""

    present_s: float
    challenger_s: float
    difference: float

    @property
    def challenger_wins(self) -> bool:
        return self.difference <= TOLERANCE and self.challenger_s <= CLEARLY * self.present_s


def compare(
    present: Encode, challenger: Encode, features: torch.Tensor, clock: Callable[[], float] = time.perf_counter
) -> Comparison:
    """Run both in turn, until `_ENOUGH_S` of ``clock`` or `_MOST_RUNS` runs are over; the fastest run of each counts.

    The first runs, which allocate, only tell whether the outputs are the same, unless they take so long already.
    """
    seconds: list[list[float]] = [[], []]
    first: list[torch.Tensor] = []
    began_s = clock()
    for n_runs in range(_MOST_RUNS):
        for number, encode in enumerate((present, challenger)):
            started_s = clock()
            encoded = encode(features)
            seconds[number].append(clock() - started_s)
            if n_runs == 0:
                first.append(encoded.float().cpu())
        if clock() - began_s > _ENOUGH_S:
            break
    apart = float((first[0] - first[1]).abs().mean() / first[0].abs().mean())
    present_s, challenger_s = (min(runs[1:] or runs) for runs in seconds)
    return Comparison(present_s=present_s, challenger_s=challenger_s, difference=apart)


def trial_features(log_mel: LogMel, n_frames: int, n_rows: int) -> torch.Tensor:
    """Noise of ``n_frames``, as loud as speech."""
    noise = torch.randn(n_frames * HOP_SAMPLES, generator=torch.Generator().manual_seed(0)) * _LOUDNESS
    return log_mel([noise.to(torch.int16).numpy()] * n_rows, pad_to=n_frames)
