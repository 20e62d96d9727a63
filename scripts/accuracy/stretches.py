"""Stretches of speech with known words, and the places in them to cut at."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import numpy as np

from pipelines.audio.decode import decode_audio
from pipelines.core import SAMPLE_RATE
from scripts.accuracy.timed_voices import VOICES
from scripts.hearing.corpus import load_corpus
from scripts.hearing.intervals import Interval
from scripts.hearing.speech import speech_of
from scripts.speech.long_meeting import long_meeting
from scripts.speech.stage import room_noise
from scripts.speech.truth import TrueSegment
from scripts.speech.voices import PCM
from scripts.throughput.mixes import Pcm

SHORTEST_S, LONGEST_S = 10.0, 20.0
EARLIEST, LATEST = 0.6, 0.9
"""Between these shares of a stretch it is cut, so that the rest is no longer than the part before."""
NOISY_SHARE = 0.5
NOISE_DB = (20.0, 30.0)
"""How far the speech is above the noise of noisy stretches."""
_MEETING_MINUTES = 2.0
_LEAD_IN_S = 0.6
_LONGEST_RECORDING_S = 30.0


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """Int16 ``[n_samples]`` at 16 kHz and the words in it; ``speech``: when somebody speaks, in seconds."""

    source: str
    text: str
    language: str
    speech: tuple[Interval, ...]
    pcm: Pcm = field(repr=False, compare=False)

    @property
    def seconds(self) -> float:
        """Return how long it is."""
        return len(self.pcm) / SAMPLE_RATE

    def cuts_s(self, n_cuts: int, rng: Random) -> list[int]:
        """Draw whole seconds within speech to cut at, ascending, at most so many."""
        places = range(int(EARLIEST * self.seconds) + 1, int(LATEST * self.seconds) + 1)
        spoken = [at for at in places if any(start < at < end for start, end in self.speech)]
        return sorted(rng.sample(spoken, min(n_cuts, len(spoken))))


def synthetic(rng: Random) -> Iterator[Stretch]:
    """Speak meetings without end, and yield them in stretches, half of them noisy.

    The voices are flite's: what a model understands of espeak-ng's changes with every cut, wherever it is.
    """
    while True:
        meeting = long_meeting(_MEETING_MINUTES, VOICES, rng)
        yield from stretches_of(meeting.pcm[0], meeting.truth.segments, rng)


def stretches_of(pcm: PCM, sentences: Sequence[TrueSegment], rng: Random) -> Iterator[Stretch]:
    """Cut one channel at pauses between sentences; stretches begin at a random time before their first word."""
    first = 0
    while first < len(sentences):
        wanted_s = rng.uniform(SHORTEST_S, LONGEST_S - 4)
        last = first
        while last + 1 < len(sentences) and sentences[last].end_s - sentences[first].start_s < wanted_s:
            last += 1
        chosen = sentences[first : last + 1]
        before_s = sentences[first - 1].end_s if first else 0.0
        start_s = max(before_s, chosen[0].start_s - rng.uniform(0, _LEAD_IN_S))
        if SHORTEST_S <= chosen[-1].end_s - start_s <= LONGEST_S + 5:
            yield Stretch(
                source="voices",
                text=" ".join(sentence.text for sentence in chosen),
                language="en",
                speech=tuple((sentence.start_s - start_s, sentence.end_s - start_s) for sentence in chosen),
                pcm=_perhaps_noisy(pcm[round(start_s * SAMPLE_RATE) : round(chosen[-1].end_s * SAMPLE_RATE)], rng),
            )
        first = last + 1


def _perhaps_noisy(pcm: PCM, rng: Random) -> Pcm:
    if rng.random() >= NOISY_SHARE:
        return pcm
    level = float(np.sqrt(np.square(pcm, dtype=np.float64).mean())) * 10 ** (-rng.uniform(*NOISE_DB) / 20)
    noisy: Pcm = np.clip(np.rint(pcm + room_noise(1, len(pcm), level, rng)[0]), -32768, 32767).astype(np.int16)
    return noisy


def of_people(folder: Path) -> Iterator[Stretch]:
    """Yield a corpus' recordings that fit into a window, whole; see `scripts.hearing.corpus`."""
    for recording in load_corpus(folder):
        if recording.split or not SHORTEST_S / 2 <= recording.duration_s <= _LONGEST_RECORDING_S:
            continue
        pcm = np.concatenate(list(decode_audio(recording.path, max_duration_s=60)), axis=1)[0]
        yield Stretch(
            source="people",
            text=recording.channels[0].text,
            language=recording.language,
            speech=tuple(speech_of(recording)[0]),
            pcm=pcm[: round(_LONGEST_RECORDING_S * SAMPLE_RATE)],
        )
