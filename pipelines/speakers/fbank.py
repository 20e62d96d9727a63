"""Log-mel features as Kaldi computes them, which the embedding network was trained on.

25 ms windows every 10 ms, DC removed, pre-emphasis, Povey's window, 80 triangular mel filters from 20 Hz to 8 kHz.
"""

import numpy as np
import numpy.typing as npt

from pipelines.core import SAMPLE_RATE

HOP_SAMPLES = SAMPLE_RATE // 100
N_MELS = 80
_WINDOW_SAMPLES = SAMPLE_RATE // 40
_N_FFT = 512
_LOWEST_HZ = 20.0
_PREEMPHASIS = np.float32(0.97)
_FLOOR = np.finfo(np.float32).eps
_BLOCK_FRAMES = 3000  # computed at a time: bounds the memory of a long span


def log_mel(samples: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return features ``[n_frames, N_MELS]`` of samples in ±1; frame i begins at sample ``i * HOP_SAMPLES``."""
    if len(samples) < _WINDOW_SAMPLES:
        samples = np.pad(samples, (0, _WINDOW_SAMPLES - len(samples)))
    windows = np.lib.stride_tricks.sliding_window_view(samples, _WINDOW_SAMPLES)[::HOP_SAMPLES]
    return np.concatenate([_block(windows[at : at + _BLOCK_FRAMES]) for at in range(0, len(windows), _BLOCK_FRAMES)])


def _block(windows: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    centred = windows - windows.mean(axis=1, keepdims=True)
    emphasised = centred - _PREEMPHASIS * np.concatenate([centred[:, :1], centred[:, :-1]], axis=1)
    spectrum = np.fft.rfft(emphasised * _POVEY, _N_FFT)
    power = np.square(spectrum.real) + np.square(spectrum.imag)
    features: npt.NDArray[np.float32] = np.log(np.maximum(power @ _FILTERS, _FLOOR)).astype(np.float32)
    return features


def _mel(hertz: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    mel: npt.NDArray[np.float64] = 1127.0 * np.log1p(hertz / 700.0)
    return mel


def _filters() -> npt.NDArray[np.float32]:
    """Return the triangular filters ``[n_bins, N_MELS]``; Kaldi leaves out the last bin."""
    lowest, highest = _mel(np.array([_LOWEST_HZ, SAMPLE_RATE / 2]))
    edges = lowest + (highest - lowest) / (N_MELS + 1) * np.arange(N_MELS + 2)
    bins = _mel(SAMPLE_RATE / _N_FFT * np.arange(_N_FFT // 2))[:, None]
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    filters = np.maximum(0.0, np.minimum((bins - left) / (centre - left), (right - bins) / (right - centre)))
    return np.pad(filters, ((0, 1), (0, 0))).astype(np.float32)


_POVEY = np.power(np.hanning(_WINDOW_SAMPLES), 0.85).astype(np.float32)
_FILTERS = _filters()
