"""The playback copy: as long as the recording, on its clock, with a waveform that fits."""

import base64
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.audio.decode import decode_audio
from pipelines.audio.playback import PEAKS_PER_S, Peaks, PlaybackCopy
from pipelines.core import SAMPLE_RATE


def tone(n_channels: int, seconds: float) -> np.ndarray:
    """Silence, then from half of it a tone of half scale."""
    n = round(seconds * SAMPLE_RATE)
    wave = (16_000 * np.sin(2 * np.pi * 440 * np.arange(n) / SAMPLE_RATE)).astype(np.int16)
    wave[: n // 2] = 0
    return np.tile(wave, (n_channels, 1))


@pytest.mark.parametrize(("n_channels", "n_heard"), [(1, 1), (2, 2), (5, 1)])
def test_a_copy_is_on_the_recordings_clock(tmp_path: Path, n_channels: int, n_heard: int) -> None:
    """Blocks pass through unchanged; the copy lasts as long and begins to sound at the same time."""
    blocks = np.array_split(tone(n_channels, 7.3), 4, axis=1)
    path = tmp_path / "audio"
    with PlaybackCopy(path) as copy:
        passed = list(copy.listen(blocks))
    assert all(np.array_equal(before, after) for before, after in zip(blocks, passed, strict=True))
    heard = np.concatenate(list(decode_audio(path, channels="split", max_duration_s=60.0)), axis=1)
    assert heard.shape[0] == n_heard
    assert heard.shape[1] / SAMPLE_RATE == pytest.approx(7.3, abs=0.05)
    loud = np.flatnonzero(np.abs(heard[0].astype(np.int32)) > 4000)
    assert loud[0] / SAMPLE_RATE == pytest.approx(3.65, abs=0.05)


@given(st.lists(st.integers(0, 5000), max_size=6), st.integers(1, 3))
def test_peaks_do_not_depend_on_blocks(lengths: list[int], n_channels: int) -> None:
    """A peak for every tenth of a second that has begun, however the samples come."""
    samples = (np.arange(n_channels * sum(lengths)) % 30_000 - 15_000).astype(np.int16).reshape(n_channels, -1)
    whole, parts = Peaks(), Peaks()
    whole.add(samples)
    for part in np.split(samples, np.cumsum(lengths)[:-1] if lengths else [], axis=1):
        parts.add(part)
    assert whole.encoded() == parts.encoded()
    channels = [base64.b64decode(channel) for channel in json.loads(whole.encoded())["channels"]]
    assert {len(channel) for channel in channels} == {-(-sum(lengths) * PEAKS_PER_S // SAMPLE_RATE)}


def test_full_scale_is_255() -> None:
    """Also where the lowest sample has no positive twin."""
    peaks = Peaks()
    peaks.add(np.array([[-32_768, 0], [0, 0]], np.int16))
    assert [base64.b64decode(channel) for channel in json.loads(peaks.encoded())["channels"]] == [b"\xff", b"\x00"]


def test_a_recording_without_samples_leaves_a_file(tmp_path: Path) -> None:
    """Nothing came through, and closing is no error."""
    with PlaybackCopy(tmp_path / "audio") as copy:
        assert list(copy.listen([])) == []
    assert json.loads(copy.peaks.encoded())["channels"] == [""]
