"""Muting: nothing of what was there is in the samples, nor in the copy that is encoded from them."""

from pathlib import Path

import numpy as np
import pytest

from pipelines.audio.playback import TONE_HZ, TONE_PEAK, PlaybackCopy, muted, samples_between
from pipelines.core import SAMPLE_RATE

SECONDS = 3
SPOKEN_HZ = 440.0


def speech(n_channels: int = 2) -> np.ndarray:
    """Every channel has a loud tone throughout, each of its own level."""
    at = np.arange(SECONDS * SAMPLE_RATE) / SAMPLE_RATE
    return np.stack([(10_000 - 2_000 * i) * np.sin(2 * np.pi * SPOKEN_HZ * at) for i in range(n_channels)]).astype(
        np.int16
    )


def blocks(samples: np.ndarray, n: int = 1_000):
    for start in range(0, samples.shape[1], n):
        yield samples[:, start : start + n]


def level(samples: np.ndarray, hz: float) -> float:
    """How loud a frequency is, as a share of full scale."""
    at = np.arange(samples.shape[-1]) / SAMPLE_RATE
    return float(np.abs(np.mean(samples / 32_768 * np.exp(-2j * np.pi * hz * at))) * 2)


def test_samples_are_replaced_and_no_others():
    """A stretch is silent on every channel, to the sample; blocks that others hold are left alone."""
    said = speech()
    before = said.copy()
    heard = np.concatenate(list(muted(blocks(said), ((0.5, 1.0), (2.95, 9.0)), "mute")), axis=1)
    assert heard.shape == said.shape
    assert not heard[:, 8_000:16_000].any()
    assert not heard[:, 47_200:].any()
    assert (heard[:, :8_000] == said[:, :8_000]).all()
    assert (heard[:, 16_000:47_200] == said[:, 16_000:47_200]).all()
    assert (said == before).all()


def test_a_tone_hides_as_well():
    """A beep is a kilohertz without a break between blocks, and nothing of what was said."""
    heard = np.concatenate(list(muted(blocks(speech(), 777), ((1.0, 2.0),), "beep")), axis=1)[:, 16_000:32_000]
    assert np.abs(np.diff(heard.astype(int), axis=1)).max() <= TONE_PEAK * 2 * np.pi * TONE_HZ / SAMPLE_RATE + 2
    assert level(heard[0], TONE_HZ) == pytest.approx(TONE_PEAK / 32_768, rel=0.01)
    assert level(heard[0], SPOKEN_HZ) < 1e-4


@pytest.mark.parametrize("sound", ["mute", "beep"])
def test_nothing_is_left_once_encoded(tmp_path: Path, sound):
    """What plays back has none of the speech's energy where it was hidden, and all of it elsewhere; nor have peaks."""
    with PlaybackCopy(tmp_path / "copy.webm") as copy:
        list(copy.listen(muted(blocks(speech()), ((1.0, 2.0),), sound)))
    with (tmp_path / "copy.webm").open("rb") as file:
        heard = samples_between(file, 0.0, SECONDS)
    hidden, kept = heard[:, 17_000:31_000], heard[:, 2_000:14_000]
    assert level(kept[0], SPOKEN_HZ) > 0.2
    assert level(hidden[0], SPOKEN_HZ) < 2e-3
    assert level(hidden[1], SPOKEN_HZ) < 2e-3
    if sound == "mute":
        assert np.abs(hidden.astype(int)).max() < 200


def test_no_stretches():
    """Without anything to hide blocks pass as they are."""
    said = list(blocks(speech()))
    assert all(one is other for one, other in zip(said, muted(said, (), "mute"), strict=True))
