"""Plain PCM: floats are rounded as FFmpeg rounds them, and arrays of any length become blocks of one."""

from fractions import Fraction

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.audio.mixing import Mixer
from pipelines.audio.pcm import Blocks, Resampler
from pipelines.core import SAMPLE_RATE
from pipelines.errors import TooLong


def frame_of(samples: np.ndarray) -> av.AudioFrame:
    layout = {1: "mono", 2: "stereo"}[len(samples)]
    frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout=layout)
    frame.sample_rate, frame.time_base = SAMPLE_RATE, Fraction(1, SAMPLE_RATE)
    return frame


def by_ffmpeg(frame: av.AudioFrame) -> np.ndarray:
    resampler = av.AudioResampler(format="s16p", layout=frame.layout.name, rate=SAMPLE_RATE)
    return np.concatenate(
        [each.to_ndarray() for each in [*resampler.resample(frame), *resampler.resample(None)]], axis=1
    )


@pytest.mark.parametrize("n_channels", [1, 2])
def test_floats_are_rounded_as_ffmpeg_does(n_channels: int) -> None:
    """Halves, values beyond the scale and what is no number: the same bits, without its graph of filters."""
    random = np.random.default_rng(7)
    edges = [0.0, -0.0, 1.0, -1.0, 1.00001, -1.00001, 0.99999, 3.5, -3.5, np.nan, -np.inf]
    halves = (random.integers(-33_000, 33_000, 40_000) + 0.5) / 32_768
    one = np.concatenate([edges, halves, random.normal(0, 0.3, 40_000)]).astype(np.float32)
    samples = np.stack([np.roll(one, channel) for channel in range(n_channels)])
    resampler = Resampler(frame_of(samples), n_channels, Mixer(lambda: 0))
    got = np.concatenate([*resampler.feed(frame_of(samples)), *resampler.drain()], axis=1)
    np.testing.assert_array_equal(got, by_ffmpeg(frame_of(samples)))


@given(
    shapes=st.lists(st.tuples(st.integers(1, 3), st.integers(0, 25)), max_size=12),
    n_samples=st.integers(1, 10),
)
def test_blocks_hold_all_samples_in_order(shapes: list[tuple[int, int]], n_samples: int) -> None:
    """Joined they are what was pushed, later channels silent before they came; all but the last are of one length."""
    blocks = Blocks(n_samples=n_samples, limit=1_000)
    total = sum(length for _, length in shapes)
    expected = np.zeros((3, total), np.int16)
    found: list[np.ndarray] = []
    at = 0
    for n_channels, length in shapes:
        array = np.arange(1, n_channels * length + 1, dtype=np.int16).reshape(n_channels, length)
        expected[:n_channels, at : at + length] = array
        at += length
        found += blocks.push([array])
    found += blocks.finish()
    assert all(block.shape[1] == n_samples for block in found[:-1])
    assert all(block.flags.c_contiguous and block.dtype == np.int16 for block in found)
    widths = [len(block) for block in found]
    assert widths == sorted(widths)
    joined = np.zeros((3, total), np.int16)
    at = 0
    for block in found:
        joined[: len(block), at : at + block.shape[1]] = block
        at += block.shape[1]
    assert at == total == blocks.n_pushed
    np.testing.assert_array_equal(joined, expected)


def test_blocks_end_at_the_limit() -> None:
    """One sample beyond is too long."""
    blocks = Blocks(n_samples=4, limit=8)
    assert len(list(blocks.push([np.ones((1, 8), np.int16)]))) == 2
    with pytest.raises(TooLong):
        list(blocks.push([np.ones((1, 1), np.int16)]))
