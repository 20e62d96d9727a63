"""A stage for synthetic speakers: lines of a script go in, samples with their true times come out."""

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

import numpy as np
from numpy.typing import NDArray

from scripts.speech.truth import TrueAction, TrueSegment, TrueTopic, Truth
from scripts.speech.voices import PCM, SAMPLE_RATE, VOICES, speak


@dataclass(frozen=True, kw_only=True)
class Role:
    """A speaker's voice, its tempo, pitch and loudness (factors), and its channel."""

    voice: str
    rate: float = 1.0
    pitch: float = 1.0
    gain: float = 0.8
    channel: int = 0


@dataclass(frozen=True, kw_only=True)
class Line:
    """One sentence of a script and what it means for the minutes.

    ``pause_s`` is the silence since the end of the line before; negative values interrupt it, None is a natural pause.
    ``topic`` is set on the line that introduces a topic, which lasts until the next one or the line that
    ``ends_topic``. ``decision``, the task of ``action`` and ``question`` are
    literal parts of ``text``.
    """

    speaker: str
    text: str
    pause_s: float | None = None
    topic: str = ""
    ends_topic: bool = False
    decision: str = ""
    action: TrueAction | None = None
    question: str = ""


@dataclass(frozen=True, kw_only=True)
class Recording:
    """Samples of shape ``(channels, n)``, int16 at 16 kHz, and what is said in them."""

    pcm: PCM
    truth: Truth


_BREATH_S = 0.15


class Stage:
    """Places spoken lines on a common clock; channels are the highest one of the cast plus one.

    A line starts where its pause says, but never before its own channel has been quiet for `_BREATH_S`.
    """

    def __init__(self, cast: Mapping[str, Role], rng: Random, *, lead_in_s: float = 0.7) -> None:
        self._cast = cast
        self._rng = rng
        self._channels = max(role.channel for role in cast.values()) + 1
        self._now = round(lead_in_s * SAMPLE_RATE)
        self._quiet_from = [0] * self._channels
        self._placed: list[tuple[int, PCM, Line]] = []

    @property
    def seconds(self) -> float:
        """How long the recording is so far."""
        return max(self._quiet_from) / SAMPLE_RATE

    def say(self, line: Line) -> None:
        """Speak a line; raises what `speak` raises, and ``KeyError`` for a speaker who is not in the cast."""
        role = self._cast[line.speaker]
        pcm = speak(line.text, role.voice, rate=role.rate, pitch=role.pitch)
        pcm = np.rint(pcm * (role.gain * self._rng.uniform(0.85, 1.0))).astype(np.int16)
        pause_s = self._pause_s() if line.pause_s is None else line.pause_s
        if not self._placed:
            pause_s = 0.0
        earliest = self._quiet_from[role.channel] + round(_BREATH_S * SAMPLE_RATE)
        start = max(self._now + round(pause_s * SAMPLE_RATE), earliest if self._quiet_from[role.channel] else 0)
        self._placed.append((start, pcm, line))
        self._now = self._quiet_from[role.channel] = start + len(pcm)

    def record(self, *, noise: float = 6.0, tail_s: float = 1.0) -> Recording:
        """Mix all lines over room noise of ``noise`` RMS (int16 steps), and write down the truth."""
        n_samples = max(self._quiet_from) + round(tail_s * SAMPLE_RATE)
        mix = room_noise(self._channels, n_samples, noise, self._rng)
        for start, pcm, line in self._placed:
            mix[self._cast[line.speaker].channel, start : start + len(pcm)] += pcm
        clipped: PCM = np.clip(np.rint(mix), -32768, 32767).astype(np.int16)
        return Recording(pcm=clipped, truth=self._truth(n_samples))

    def _pause_s(self) -> float:
        """Draw a pause: mostly a short breath, now and then a longer one."""
        return self._rng.uniform(0.25, 1.0) if self._rng.random() < 0.93 else self._rng.uniform(1.2, 2.2)

    def _truth(self, n_samples: int) -> Truth:
        placed = sorted(self._placed, key=lambda item: item[0])
        segments = tuple(
            TrueSegment(
                channel=self._cast[line.speaker].channel,
                speaker=line.speaker,
                voice=self._cast[line.speaker].voice,
                start_s=round(start / SAMPLE_RATE, 4),
                end_s=round((start + len(pcm)) / SAMPLE_RATE, 4),
                text=line.text,
            )
            for start, pcm, line in placed
        )
        lines = [line for _, _, line in placed]
        turns = [i for i, line in enumerate(lines) if line.topic or line.ends_topic]
        return Truth(
            duration_s=round(n_samples / SAMPLE_RATE, 4),
            channels=self._channels,
            language=VOICES[self._cast[lines[0].speaker].voice].language,
            segments=segments,
            topics=tuple(
                TrueTopic(title=lines[first].topic, start_s=segments[first].start_s, end_s=segments[after - 1].end_s)
                for first, after in zip(turns, [*turns, len(lines)][1:], strict=True)
                if lines[first].topic
            ),
            decisions=tuple(line.decision for line in lines if line.decision),
            action_items=tuple(line.action for line in lines if line.action),
            open_questions=tuple(line.question for line in lines if line.question),
        )


def room_noise(channels: int, n_samples: int, rms: float, rng: Random) -> NDArray[np.float64]:
    """Generate the noise of a quiet room, shape ``(channels, n_samples)``: white, smoothed over two samples."""
    white = np.random.default_rng(rng.getrandbits(32)).standard_normal((channels, n_samples + 1))
    noise: NDArray[np.float64] = (white[:, 1:] + white[:, :-1]) * (rms / np.sqrt(2))
    return noise
