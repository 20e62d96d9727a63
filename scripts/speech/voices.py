"""The synthetic voices that the bundled models know, behind one function: `speak`.

Two free speech programs do the work, `flite` and `espeak-ng`; both are Debian packages of the same name,
start in milliseconds, use no network and give the same samples for the same words.
"""

import math
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import av
import numpy as np
from numpy.typing import NDArray

from scripts.speech.pinyin import with_tones

Engine = Literal["flite", "espeak-ng"]
PCM = NDArray[np.int16]

SAMPLE_RATE = 16_000
"""Hz; Whisper's input. Not imported from the product, so that the tools here run without it."""

PEAK = 20_000
"""Largest absolute sample of what `speak` returns; leaves 4 dB for noise and for voices that overlap."""

_TIMEOUT_S = 120.0
_FRAME = SAMPLE_RATE // 50
_ESPEAK_WORDS_PER_MINUTE = 160
_ESPEAK_VARIANTS = ("", "+m3", "+m7", "+f2", "+f3", "+f4")


class SpeechError(RuntimeError):
    """A speech program is missing or could not say the text."""


@dataclass(frozen=True, kw_only=True)
class Voice:
    """One voice: the program, what it calls the voice, and its usual pitch (flite: Hz, espeak-ng: steps of 0 to 99).

    ``language`` is the one that it speaks, as Whisper calls it.
    """

    engine: Engine
    variant: str
    pitch: float
    language: str = "en"


VOICES: dict[str, Voice] = {
    "slt": Voice(engine="flite", variant="slt", pitch=170),
    "rms": Voice(engine="flite", variant="rms", pitch=100),
    "awb": Voice(engine="flite", variant="awb", pitch=120),
    "kal16": Voice(engine="flite", variant="kal16", pitch=105),
    **{
        name: Voice(engine="espeak-ng", variant=name, pitch=50)
        for name in (accent + variant for accent in ("en-us", "en-gb") for variant in _ESPEAK_VARIANTS)
    },
    # espeak-ng reads Chinese characters out as English letters; it gets their pinyin.
    **{
        "cmn" + variant: Voice(engine="espeak-ng", variant="cmn-latn-pinyin" + variant, pitch=50, language="zh")
        for variant in _ESPEAK_VARIANTS
    },
}


def speak(text: str, voice: str, *, rate: float = 1.0, pitch: float = 1.0) -> PCM:
    """Say ``text`` with one of `VOICES`.

    Returns int16 mono samples at 16 kHz, silence trimmed from both ends, normalised to `PEAK`.
    ``rate`` and ``pitch`` are factors of the voice's usual tempo and pitch; 0.5 to 2 sounds like speech.
    Raises ``ValueError`` for an unknown voice, an empty text or a factor that is not in that range,
    and `SpeechError` when the program is missing (naming its Debian package), fails or says nothing.
    """
    if voice not in VOICES:
        raise ValueError(f"no voice is called {voice!r}; there are {', '.join(VOICES)}")
    if not text.strip():
        raise ValueError("there is no text to speak")
    for name, factor in (("rate", rate), ("pitch", pitch)):
        if not 0.5 <= factor <= 2:
            raise ValueError(f"{name} must be between 0.5 and 2, not {factor}")
    say = _flite if VOICES[voice].engine == "flite" else _espeak
    return level(say(text.strip(), VOICES[voice], rate, pitch), text)


def level(pcm: PCM, text: str) -> PCM:
    """Trim silence from both ends and normalise to `PEAK`; raises `SpeechError` when nothing was said."""
    pcm = _trim(pcm)
    peak = int(np.abs(pcm.astype(np.int32)).max(initial=0))
    if peak == 0:
        raise SpeechError(f"the speech program said nothing for {text!r}")
    loud: PCM = np.rint(pcm * (PEAK / peak)).astype(np.int16)
    return loud


def voices_of(language: str) -> tuple[str, ...]:
    """Return the names of the voices that speak ``language``."""
    return tuple(name for name, voice in VOICES.items() if voice.language == language)


def missing_programs() -> list[str]:
    """Return the speech programs, named as their Debian packages, that are not installed."""
    return sorted(engine for engine in {voice.engine for voice in VOICES.values()} if not shutil.which(engine))


def _flite(text: str, voice: Voice, rate: float, pitch: float) -> PCM:
    options = ["-voice", voice.variant, "--setf", f"duration_stretch={1 / rate:.4f}"]
    if pitch != 1:
        options += ["--setf", f"int_f0_target_mean={voice.pitch * pitch:.1f}"]
    with tempfile.TemporaryDirectory(prefix="speech-") as folder:
        wav = Path(folder, "speech.wav")
        run_program(voice.engine, *options, "-t", text, "-o", str(wav))
        return samples(wav.read_bytes())


def _espeak(text: str, voice: Voice, rate: float, pitch: float) -> PCM:
    # espeak-ng's pitch scale is exponential: 50 steps are an octave (pitch_adjust_tab in its setlengths.c).
    steps = round(voice.pitch + 50 * math.log2(pitch))
    options = [
        "-v",
        voice.variant,
        "-s",
        str(round(_ESPEAK_WORDS_PER_MINUTE * rate)),
        "-p",
        str(max(0, min(99, steps))),
    ]
    said = with_tones(text) if voice.language == "zh" else text
    return samples(run_program(voice.engine, *options, "--stdout", "--", said))


def run_program(program: str, *arguments: str, stdin: bytes = b"") -> bytes:
    """Run a speech program and return what it writes; raises `SpeechError`."""
    path = shutil.which(program)
    if path is None:
        raise SpeechError(f"{program} is not installed; on Debian and Ubuntu: apt-get install {program}")
    try:
        done = subprocess.run([path, *arguments], input=stdin, capture_output=True, check=True, timeout=_TIMEOUT_S)
    except subprocess.CalledProcessError as error:
        raise SpeechError(f"{program} failed: {error.stderr.decode(errors='replace').strip()}") from error
    except subprocess.TimeoutExpired as error:
        raise SpeechError(f"{program} did not finish within {_TIMEOUT_S:.0f} s") from error
    return done.stdout


def samples(wav: bytes) -> PCM:
    """Return the samples of a 16-bit mono WAV at 16 kHz; the sizes that espeak-ng cannot fill in are ignored."""
    data = wav.find(b"data") + 8
    if data < 44:
        raise SpeechError("the speech program wrote no WAV file")
    rate = int.from_bytes(wav[24:28], "little")
    pcm = np.frombuffer(wav[data : data + (len(wav) - data) // 2 * 2], dtype="<i2").astype(np.int16)
    return pcm if rate == SAMPLE_RATE or not len(pcm) else resample(pcm[None], rate, SAMPLE_RATE)[0]


def resample(pcm: PCM, rate: int, new_rate: int) -> PCM:
    """Resample int16 samples of shape ``(channels, n)`` from ``rate`` to ``new_rate`` (both Hz)."""
    layout = "mono" if len(pcm) == 1 else "stereo"
    resampler = av.AudioResampler(format="s16p", layout=layout, rate=new_rate)
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(pcm), format="s16p", layout=layout)
    frame.sample_rate = rate
    parts = [part.to_ndarray() for part in (*resampler.resample(frame), *resampler.resample(None))]
    return np.concatenate(parts, axis=1).astype(np.int16)


def _trim(pcm: PCM) -> PCM:
    """Cut leading and trailing frames of 20 ms that are 40 dB below the loudest; a margin of 40 ms stays."""
    frames = pcm[: len(pcm) // _FRAME * _FRAME].reshape(-1, _FRAME).astype(np.float64)
    if not len(frames):
        return pcm
    level = np.sqrt((frames**2).mean(axis=1))
    loud = np.flatnonzero(level > max(level.max() * 0.01, 20))
    if not len(loud):
        return pcm[:0]
    return pcm[max(0, loud[0] - 2) * _FRAME : (loud[-1] + 3) * _FRAME]
