"""The calibration set: synthetic speech in several languages, by which ways of computing are compared by errors heard.

The recordings (``scripts/make-calibration``) are stored clean. Noisy rows are made of them here, the same ones each
time, by noise with the spectrum of the speech itself, `SNR_DB` below it. At 10 dB, or cut to a telephone's band,
synthetic voices are lost on a small model, which then loops or invents: such rows tell nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from pipelines.audio.decode import decode_audio
from pipelines.audio.pcm import Pcm
from pipelines.codec import decode
from pipelines.models.catalogue import BUNDLED_DIR
from pipelines.whisper.options import WINDOW_S

FOLDER = BUNDLED_DIR / "calibration"
CATALOGUE = "calibration.json"

SNR_DB = 15.0
_SEED = 20_240
_PEAK = 20_000  # of a noisy row: noise may not push it out of int16


@dataclass(frozen=True, kw_only=True)
class CalibrationRecording:
    """A stored recording: file name in `FOLDER`, language (Whisper's code), what is said, seconds."""

    file: str
    language: str
    text: str
    duration_s: float


@dataclass(frozen=True, kw_only=True)
class CalibrationRow:
    """A row to decode: ``pcm`` is 1-D int16 at 16 kHz, of one window at most; ``text`` is what is said in it."""

    pcm: Pcm
    language: str
    text: str
    noisy: bool


def read_catalogue() -> tuple[CalibrationRecording, ...]:
    """Read which recordings there are, two in each language."""
    return decode(tuple[CalibrationRecording, ...], (FOLDER / CATALOGUE).read_bytes())


def calibration_rows(languages: Iterable[str], *, thorough: bool = False) -> tuple[CalibrationRow, ...]:
    """Return a clean and a noisy row for each of ``languages`` that the set has, with different texts.

    ``thorough``: each recording both clean and noisy, twice as many rows. The same samples on every call.
    """
    wanted = frozenset(languages)
    rows: list[CalibrationRow] = []
    seen: set[str] = set()
    for recording in read_catalogue():
        if recording.language in wanted:
            again = recording.language in seen
            seen.add(recording.language)
            pcm = read_recording(recording)
            rows += (_row(recording, pcm, noisy) for noisy in ((False, True) if thorough else (again,)))
    return tuple(rows)


def read_recording(recording: CalibrationRecording) -> Pcm:
    """Decode a recording of the set: 1-D int16 at 16 kHz."""
    blocks = decode_audio(FOLDER / recording.file, max_duration_s=WINDOW_S)
    return np.concatenate([block[0] for block in blocks])


def with_noise(pcm: Pcm) -> Pcm:
    """Add steady noise to a row: same length, same result for the same samples."""
    speech = pcm.astype(np.float64)
    spectrum = np.fft.rfft(speech)
    phases = np.exp(2j * np.pi * np.random.default_rng(_SEED).random(len(spectrum)))
    noise = np.fft.irfft(spectrum * phases, len(pcm))
    mixed = speech + noise * (_rms(speech) / max(_rms(noise), 1e-9) / 10 ** (SNR_DB / 20))
    loudest = max(float(np.abs(mixed).max(initial=0.0)), 1e-9)
    return np.rint(mixed * (_PEAK / loudest)).astype(np.int16)


def _row(recording: CalibrationRecording, pcm: Pcm, noisy: bool) -> CalibrationRow:
    return CalibrationRow(
        pcm=with_noise(pcm) if noisy else pcm, language=recording.language, text=recording.text, noisy=noisy
    )


def _rms(samples: np.ndarray) -> float:
    return float(np.sqrt(np.mean(samples**2)))
