"""Log-mel features against faster-whisper's own, and the shapes that CTranslate2 accepts."""

import numpy as np
import pytest
import torch
from faster_whisper.feature_extractor import FeatureExtractor
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core import SAMPLE_RATE
from pipelines.whisper.log_mel import HOP_SAMPLES, WINDOW_FRAMES, LogMel, mel_filters

BANDS = [80, 128]
WINDOW_SAMPLES = WINDOW_FRAMES * HOP_SAMPLES


def sound(seconds: float, seed: int = 0) -> np.ndarray:
    """A sweep under noise that swells and fades, float32."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    signal = 0.3 * np.sin(2 * np.pi * (200 + 100 * t) * t) + rng.normal(0, 0.05, len(t))
    return (signal * (0.2 + np.sin(t) ** 2) / 2).astype(np.float32)


@pytest.mark.parametrize("n_mels", BANDS)
def test_filters_are_whispers(n_mels: int) -> None:
    """The filter bank computed here is the one faster-whisper uses."""
    np.testing.assert_allclose(mel_filters(n_mels), FeatureExtractor(n_mels).mel_filters, atol=1e-7)


@pytest.mark.parametrize("n_mels", BANDS)
@pytest.mark.parametrize("seconds", [30.0, 7.3, 0.2])
def test_features_are_whispers(n_mels: int, seconds: float) -> None:
    """Rows of any length, filled with silence to the window, match faster-whisper's features of the same audio."""
    row = sound(seconds)
    padded = np.pad(row, (0, WINDOW_SAMPLES - len(row)))
    expected = FeatureExtractor(n_mels)(padded)[:, :WINDOW_FRAMES]
    features = LogMel(n_mels)([row])
    assert features.shape == (1, n_mels, WINDOW_FRAMES)
    assert features.dtype == torch.float32
    assert features.is_contiguous()
    np.testing.assert_allclose(features[0].numpy(), expected, atol=1e-3)


def test_rows_do_not_influence_each_other() -> None:
    """A quiet row beside a loud one is normalised on its own; 16-bit and float rows of the same sound agree."""
    loud, quiet = sound(3), sound(3, seed=1) * np.float32(0.01)
    log_mel = LogMel(80)
    together = log_mel([loud, quiet], pad_to=400)
    torch.testing.assert_close(together[1:], log_mel([quiet], pad_to=400), atol=1e-4, rtol=0)
    as_int16 = (loud * 32768).astype(np.int16)
    exact = (as_int16 / 32768).astype(np.float32)
    torch.testing.assert_close(log_mel([as_int16]), log_mel([exact]), atol=1e-4, rtol=0)
    mixed = log_mel([as_int16, quiet])
    torch.testing.assert_close(mixed[:1], log_mel([exact]), atol=1e-4, rtol=0)


def test_unpadded_rows_share_the_longest_length() -> None:
    """Without padding the batch is as long as its longest row, rounded up to an even number of frames."""
    log_mel = LogMel(80)
    features = log_mel([sound(2.0), sound(5.005)], pad_to=None)
    assert features.shape == (2, 80, 502)
    torch.testing.assert_close(features[:1], log_mel([sound(2.0)], pad_to=502), atol=1e-4, rtol=0)


@pytest.mark.parametrize("n_mels", BANDS)
@given(n_samples=st.integers(0, WINDOW_SAMPLES))
def test_lengths_avoid_the_trap(n_mels: int, n_samples: int) -> None:
    """Frames hold all samples, are even, never ``2 * n_mels``, and never three more than needed."""
    n_frames = LogMel(n_mels).n_frames_for(n_samples)
    assert n_frames % 2 == 0
    assert n_frames >= 2
    assert n_frames != 2 * n_mels
    assert 0 <= n_frames * HOP_SAMPLES - n_samples < 4 * HOP_SAMPLES or n_samples == 0


@pytest.mark.parametrize("n_mels", BANDS)
def test_trap_is_refused_and_avoided(n_mels: int) -> None:
    """A row of exactly ``2 * n_mels`` frames gets two more; asking for that length is an error."""
    row = np.zeros(2 * n_mels * HOP_SAMPLES, np.int16)
    assert LogMel(n_mels)([row], pad_to=None).shape[2] == 2 * n_mels + 2
    with pytest.raises(ValueError, match="cannot be"):
        LogMel(n_mels)([row], pad_to=2 * n_mels)


def test_impossible_batches_are_refused() -> None:
    """No rows, an odd length and a row that does not fit are errors, not silently cut audio."""
    log_mel = LogMel(80)
    with pytest.raises(ValueError, match="at least one row"):
        log_mel([])
    with pytest.raises(ValueError, match="cannot be"):
        log_mel([sound(1)], pad_to=301)
    with pytest.raises(ValueError, match="does not fit"):
        log_mel([sound(2)], pad_to=100)


def test_silence_has_finite_features() -> None:
    """Digital silence, and a row without samples, give constant finite features."""
    features = LogMel(80)([np.zeros(SAMPLE_RATE, np.int16), np.zeros(0, np.int16)], pad_to=None)
    assert torch.isfinite(features).all()
    assert features.max() == features.min()
