"""Log-mel spectrograms as Whisper expects them, a batch at a time on a torch device.

Constants and normalisation follow "Robust Speech Recognition via Large-Scale Weak Supervision" (Radford et al., 2022);
the mel scale is Slaney's (Auditory Toolbox, 1998): linear below 1 kHz, logarithmic above, triangles of equal area.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch

from pipelines.core import SAMPLE_RATE

N_FFT = 400
HOP_SAMPLES = 160
N_BINS = N_FFT // 2 + 1
FRAMES_PER_S = SAMPLE_RATE // HOP_SAMPLES
WINDOW_FRAMES = 30 * FRAMES_PER_S
"""Frames of Whisper's 30 s window."""

DYNAMIC_RANGE = 8.0  # decades below the loudest point that are kept
FLOOR = 1e-10
INT16_SCALE = 32768.0

Row = npt.NDArray[np.int16] | npt.NDArray[np.float32]


class LogMel:
    """Turns rows of PCM into log-mel features; holds no state between calls and may be shared by threads."""

    def __init__(self, n_mels: int, device: torch.device | str = "cpu") -> None:
        """Prepare for models with ``n_mels`` bands (80, or 128 for large-v3) on ``device``."""
        self.n_mels = n_mels
        self.device = torch.device(device)
        self._filters = torch.from_numpy(mel_filters(n_mels)).to(self.device)
        self._window = torch.hann_window(N_FFT, device=self.device)

    def __call__(self, rows: Sequence[Row], *, pad_to: int | None = WINDOW_FRAMES) -> torch.Tensor:
        """Return contiguous float32 ``[len(rows), n_mels, n_frames]`` on the device.

        ``rows`` are 1-D at 16 kHz, int16 or float32 in [-1, 1], filled with silence to a common length: ``pad_to``
        frames of 10 ms, or with ``None`` the longest row's (see `n_frames_for`). Each row is normalised on its own.
        Raises ValueError for no rows, a row longer than ``pad_to``, or a ``pad_to`` that is odd or a trap.
        """
        if not rows:
            raise ValueError("a batch needs at least one row")
        longest = max(len(row) for row in rows)
        n_frames = self.n_frames_for(longest) if pad_to is None else pad_to
        if n_frames != self.n_frames_for(n_frames * HOP_SAMPLES):
            raise ValueError(f"features of {self.n_mels} bands cannot be {n_frames} frames long")
        if longest > n_frames * HOP_SAMPLES:
            raise ValueError(f"a row of {longest} samples does not fit into {n_frames} frames")
        with torch.inference_mode():
            return self._features(self._batch(rows, n_frames), n_frames)

    def n_frames_for(self, n_samples: int) -> int:
        """Return the frames that ``n_samples`` need: even, because the encoder halves them, and never ``2 * n_mels``.

        CTranslate2 tells encoder output from features by the time dimension alone; half of ``2 * n_mels`` frames
        would be taken for the other.
        """
        n_frames = max(2, 2 * -(-n_samples // (2 * HOP_SAMPLES)))
        return n_frames + 2 if n_frames == 2 * self.n_mels else n_frames

    def _batch(self, rows: Sequence[Row], n_frames: int) -> torch.Tensor:
        """Stack the rows as float32; 16-bit rows go to the device as such, which halves the transfer."""
        all_int16 = all(row.dtype == np.int16 for row in rows)
        batch = np.zeros((len(rows), n_frames * HOP_SAMPLES), np.int16 if all_int16 else np.float32)
        for i, row in enumerate(rows):
            batch[i, : len(row)] = row if all_int16 or row.dtype != np.int16 else row / np.float32(INT16_SCALE)
        samples = torch.from_numpy(batch).to(self.device)
        return samples.to(torch.float32) / INT16_SCALE if all_int16 else samples

    def _features(self, samples: torch.Tensor, n_frames: int) -> torch.Tensor:
        """Compute ``[n_rows, n_mels, n_frames]``; the beginning is mirrored, after the end there is silence."""
        mirrored = samples[:, 1 : N_FFT // 2 + 1].flip(1)
        silence = samples.new_zeros(len(samples), N_FFT // 2 - HOP_SAMPLES)
        padded = torch.cat([mirrored, samples, silence], dim=1)
        spectrum = torch.stft(padded, N_FFT, HOP_SAMPLES, window=self._window, center=False, return_complex=True)
        assert spectrum.shape[2] == n_frames
        # A sum over the pairs of real and imaginary parts takes seven times as long.
        power = spectrum.real.square().add_(spectrum.imag.square())
        log_mel = (self._filters @ power).clamp_(min=FLOOR).log10_()
        loudest = log_mel.amax(dim=(1, 2), keepdim=True)
        return torch.maximum(log_mel, loudest - DYNAMIC_RANGE).add_(4.0).div_(4.0).contiguous()


@lru_cache
def mel_filters(n_mels: int) -> npt.NDArray[np.float32]:
    """Return the filter bank ``[n_mels, N_BINS]`` from 0 Hz to the Nyquist frequency."""
    edges_hz = _mel_to_hz(np.linspace(0.0, _hz_to_mel(SAMPLE_RATE / 2), n_mels + 2))
    low, center, high = (edges_hz[i : i + n_mels, None] for i in range(3))
    bins_hz = np.linspace(0.0, SAMPLE_RATE / 2, N_BINS)
    triangles = np.minimum((bins_hz - low) / (center - low), (high - bins_hz) / (high - center)).clip(min=0.0)
    filters: npt.NDArray[np.float32] = (triangles * 2.0 / (high - low)).astype(np.float32)
    return filters


BREAK_HZ = 1000.0  # where Slaney's scale turns from linear to logarithmic
MELS_PER_HZ = 3.0 / 200.0
BREAK_MEL = BREAK_HZ * MELS_PER_HZ
MELS_PER_E = 27.0 / np.log(6.4)


def _hz_to_mel(hz: float) -> float:
    return float(hz * MELS_PER_HZ if hz < BREAK_HZ else BREAK_MEL + MELS_PER_E * np.log(hz / BREAK_HZ))


def _mel_to_hz(mel: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    logarithmic = BREAK_HZ * np.exp(np.maximum(mel - BREAK_MEL, 0.0) / MELS_PER_E)
    return np.where(mel < BREAK_MEL, mel / MELS_PER_HZ, logarithmic)
