"""The calibration set: complete, and the same samples every time."""

from collections import Counter

import numpy as np
import pytest

from pipelines.core import SAMPLE_RATE
from pipelines.text.languages import LANGUAGES
from pipelines.whisper.encoding.calibration import (
    FOLDER,
    SNR_DB,
    CalibrationRecording,
    calibration_rows,
    read_catalogue,
    read_recording,
    with_noise,
)
from pipelines.whisper.options import WINDOW_SAMPLES

CATALOGUE = read_catalogue()
SPOKEN = frozenset(recording.language for recording in CATALOGUE)
MAX_BYTES = 400_000


def test_set_is_complete() -> None:
    """Eight languages or more that Whisper knows, two texts in each, no file too many, small enough to ship."""
    assert len(SPOKEN) >= 8
    assert SPOKEN <= LANGUAGES
    assert set(Counter(recording.language for recording in CATALOGUE).values()) == {2}
    assert len({recording.text for recording in CATALOGUE}) == len(CATALOGUE)
    files = {path.name: path.stat().st_size for path in FOLDER.iterdir()}
    assert set(files) == {recording.file for recording in CATALOGUE} | {"calibration.json"}
    assert sum(files.values()) <= MAX_BYTES


@pytest.mark.parametrize("recording", CATALOGUE, ids=lambda recording: recording.file)
def test_recording_decodes(recording: CalibrationRecording) -> None:
    """Each is as long as stated, fits into a window, can be heard, and has a text."""
    pcm = read_recording(recording)
    assert pcm.dtype == np.int16
    assert len(pcm) / SAMPLE_RATE == pytest.approx(recording.duration_s, abs=0.1)
    assert 8 * SAMPLE_RATE < len(pcm) <= WINDOW_SAMPLES
    assert np.abs(pcm.astype(int)).max() > 10_000
    assert len(recording.text.split(". ")) + len(recording.text.split("。")) >= 4


def test_default_rows_are_one_clean_and_one_noisy() -> None:
    """Each language asked for gives a clean and a noisy row with different texts; others give none."""
    rows = calibration_rows(["en", "es", "tlh"])
    assert [(row.language, row.noisy) for row in rows] == [("en", False), ("en", True), ("es", False), ("es", True)]
    assert len({row.text for row in rows}) == 4
    assert len(calibration_rows(SPOKEN)) == 2 * len(SPOKEN)


def test_thorough_rows_are_each_recording_both_ways() -> None:
    """Nothing is left out, and the noisy copy has the length and the text of the clean one."""
    rows = calibration_rows(SPOKEN, thorough=True)
    assert len(rows) == 2 * len(CATALOGUE)
    for clean, noisy in zip(rows[::2], rows[1::2], strict=True):
        assert (clean.noisy, noisy.noisy) == (False, True)
        assert (clean.text, clean.language, len(clean.pcm)) == (noisy.text, noisy.language, len(noisy.pcm))
        assert not np.array_equal(clean.pcm, noisy.pcm)


def test_rows_are_the_same_every_time() -> None:
    """A choice made by them can be made again."""
    for one, other in zip(calibration_rows(["es"]), calibration_rows(["es"]), strict=True):
        assert np.array_equal(one.pcm, other.pcm)


def test_noise_is_as_loud_as_stated() -> None:
    """What is left of a noisy row without its speech lies `SNR_DB` below it."""
    clean = np.random.default_rng(7).normal(0, 3_000, 5 * SAMPLE_RATE).astype(np.int16)
    speech, noisy = clean.astype(np.float64), with_noise(clean).astype(np.float64)
    share = speech * (noisy @ speech) / (speech @ speech)
    noise = noisy - share
    assert 10 * np.log10((share @ share) / (noise @ noise)) == pytest.approx(SNR_DB, abs=0.3)
