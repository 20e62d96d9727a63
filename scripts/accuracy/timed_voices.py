"""Sentences of synthetic voices whose every word has its true times: flite tells when each of its phones ends.

A word's phones are counted by saying the word alone; a sentence whose phones do not add up to its words' is refused.
"""

import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random

import numpy as np

from scripts.hearing.corpus import TimedText
from scripts.speech.calls import CALL
from scripts.speech.meeting import SCRIPT
from scripts.speech.stage import room_noise
from scripts.speech.voices import PCM, PEAK, SAMPLE_RATE, SpeechError, run_program, samples

VOICES = ("slt", "rms", "awb", "kal16")
RATES = (0.9, 1.2)
SHORT_PAUSES_S, LONG_PAUSES_S = (0.15, 0.9), (1.0, 4.0)
LONG_PAUSE_SHARE = 0.2
GAINS = (0.3, 0.9)
NOISES_RMS = (3.0, 60.0)
"""Of int16 steps: from a quiet room to a loud ventilator."""
_PAUSE = "pau"
_PHONE = re.compile(r"(\w+):([\d.]+)")


@dataclass(frozen=True, kw_only=True)
class TimedRecording:
    """Int16 ``[n_samples]`` at 16 kHz, its words and its sentences."""

    pcm: PCM
    words: tuple[TimedText, ...]
    sentences: tuple[TimedText, ...]


def sentences() -> list[str]:
    """Return what the sample meeting and the sample call say."""
    return [line.text for line in (*SCRIPT, *CALL)]


def speak_timed(text: str, voice: str, rate: float = 1.0) -> tuple[PCM, list[TimedText]]:
    """Say a sentence with one of flite's voices; return int16 ``[n_samples]``, normalised, and its words' times.

    Raises `SpeechError` when the program is missing or its phones cannot be told apart by words.
    """
    with tempfile.TemporaryDirectory(prefix="speech-") as folder:
        wav = Path(folder, "speech.wav")
        options = ["-voice", voice, "--setf", f"duration_stretch={1 / rate:.4f}"]
        told = run_program("flite", *options, "-psdur", "-t", text, "-o", str(wav)).decode()
        pcm = samples(wav.read_bytes())
    phones = [(name, float(end)) for name, end in _PHONE.findall(told)]
    words = timed_words(text.split(), [_n_phones(word, voice) for word in text.split()], phones)
    return np.rint(pcm * (PEAK / max(1, int(np.abs(pcm.astype(np.int32)).max())))).astype(np.int16), words


def timed_words(words: Sequence[str], n_phones: Sequence[int], phones: Sequence[tuple[str, float]]) -> list[TimedText]:
    """Share out phones, each with the second at which it ends, among words; pauses belong to none.

    Raises `SpeechError` when there are more or fewer phones than the words have.
    """
    spoken = [
        (start_s, end_s)
        for (_, start_s), (name, end_s) in zip([("", 0.0), *phones], phones, strict=False)
        if name != _PAUSE
    ]
    if len(spoken) != sum(n_phones) or 0 in n_phones:
        raise SpeechError(f"{len(spoken)} phones for the {sum(n_phones)} of {' '.join(words)!r}")
    timed, first = [], 0
    for word, count in zip(words, n_phones, strict=True):
        timed.append(TimedText(text=word, start_s=spoken[first][0], end_s=spoken[first + count - 1][1]))
        first += count
    return timed


@cache
def _n_phones(word: str, voice: str) -> int:
    bare = word.strip(".,?!;:")
    told = run_program("flite", "-voice", voice, "-psdur", "-t", bare, "-o", "/dev/null").decode()
    return sum(name != _PAUSE for name, _ in _PHONE.findall(told))


def recording(n_sentences: int, rng: Random) -> TimedRecording:
    """Put sentences of several voices one after another, with short pauses and long ones, over a room's noise."""
    parts, words, placed = [np.zeros(round(rng.uniform(0.2, 2) * SAMPLE_RATE), np.int16)], [], []
    at = len(parts[0])
    for text in rng.sample(sentences(), n_sentences):
        try:
            pcm, timed = speak_timed(text, rng.choice(VOICES), rng.uniform(*RATES))
        except SpeechError:
            continue
        moved = [
            TimedText(text=w.text, start_s=w.start_s + at / SAMPLE_RATE, end_s=w.end_s + at / SAMPLE_RATE)
            for w in timed
        ]
        words += moved
        placed.append(TimedText(text=text, start_s=moved[0].start_s, end_s=moved[-1].end_s))
        pause_s = rng.uniform(*(LONG_PAUSES_S if rng.random() < LONG_PAUSE_SHARE else SHORT_PAUSES_S))
        loud = np.rint(pcm * rng.uniform(*GAINS)).astype(np.int16)
        parts += [loud, np.zeros(round(pause_s * SAMPLE_RATE), np.int16)]
        at += len(parts[-2]) + len(parts[-1])
    silent = np.concatenate(parts)
    noise = room_noise(1, len(silent), rng.uniform(*NOISES_RMS), rng)[0]
    mixed = np.clip(np.rint(silent + noise), -32768, 32767).astype(np.int16)
    return TimedRecording(pcm=mixed, words=tuple(words), sentences=tuple(placed))
