"""Where somebody speaks: Silero VAD over a stream of PCM, and the state machine that turns its output into speech.

Both carry their state from block to block, so where a stream is cut into blocks changes nothing.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from pipelines.audio.pcm import Pcm
from pipelines.audio.vad_options import FRAME_SAMPLES, VadOptions
from pipelines.core import SAMPLE_RATE, SpeechInterval

Probabilities = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Speech(SpeechInterval):
    """A stretch of speech with its padding; it may touch the next one.

    ``pause`` is the silence, in samples, between its last sound and the first of the next, at most two pads;
    0 says that it was cut out of running speech.
    """

    pause: int


class SpeechModel(Protocol):
    """Gives the probability of speech for each frame of a stream, in order, state carried along."""

    def __call__(self, frames: Pcm) -> Probabilities:
        """Take int16 ``[n_frames, FRAME_SAMPLES]``, the stream's next frames; return float32 ``[n_frames]``."""


@dataclass(kw_only=True)
class _Unfinished:
    """Speech whose end is not certain: padded start, first and last sound, whether other speech is near."""

    start: int
    sound: int
    end: int = 0
    near_others: bool = False


class SpeechDetector:
    """The state machine from probabilities to `Speech`, without a model and without audio."""

    def __init__(self, options: VadOptions) -> None:
        self._threshold = options.threshold
        self._threshold_off = options.threshold_off
        self._min_speech = round(options.min_speech_s * SAMPLE_RATE)
        self._min_silence = round(options.min_silence_s * SAMPLE_RATE)
        self._pad = round(options.pad_s * SAMPLE_RATE)
        self.position = 0
        """Samples judged so far."""
        self._last_end = 0  # padded end of the last speech given out
        self._open: _Unfinished | None = None  # speech that goes on
        self._quiet: int | None = None  # where, within it, the probability fell
        self._ended: _Unfinished | None = None  # speech that ended; how far it is padded depends on what follows

    @property
    def open_start(self) -> int | None:
        """Padded start of the speech that goes on, ``None`` in silence."""
        return self._open.start if self._open else None

    @property
    def settled(self) -> int:
        """Position before which no more speech will be given out."""
        unfinished = self._ended or self._open
        return unfinished.start if unfinished else max(self._last_end, self.position - self._pad)

    def push(self, probabilities: Probabilities) -> list[Speech]:
        """Take the next frames' probabilities; return the speech whose extent became certain."""
        finished: list[Speech] = []
        for probability in probabilities.tolist():
            if self._open is None:
                if probability >= self._threshold:
                    finished += self._begin()
            elif probability >= self._threshold:
                self._quiet = None
            elif probability < self._threshold_off:
                self._quiet = self.position if self._quiet is None else self._quiet
                if self.position + FRAME_SAMPLES - self._quiet >= self._min_silence:
                    self._end(self._quiet)
            self.position += FRAME_SAMPLES
            if self._ended and self.position - self._ended.end >= 2 * self._pad:
                finished += self._give_out(self._ended, pad=self._pad, pause=2 * self._pad)
        return finished

    def finish(self, n_samples: int) -> list[Speech]:
        """End the stream, which was ``n_samples`` long; return what was still open."""
        if self._open:
            self._end(n_samples if self._quiet is None else self._quiet)
        ended = self._ended
        finished = (
            self._give_out(ended, pad=min(self._pad, n_samples - ended.end), pause=2 * self._pad) if ended else []
        )
        self.position = self._last_end = n_samples
        return finished

    def _begin(self) -> list[Speech]:
        ended = self._ended
        if ended is None:
            self._open = _Unfinished(start=max(self._last_end, self.position - self._pad), sound=self.position)
            return []
        gap = self.position - ended.end
        ended.near_others = True
        finished = self._give_out(ended, pad=gap // 2, pause=gap)
        self._open = _Unfinished(start=self._last_end, sound=self.position, near_others=True)
        return finished

    def _end(self, position: int) -> None:
        self._ended, self._open, self._quiet = self._open, None, None
        if self._ended:
            self._ended.end = position

    def _give_out(self, speech: _Unfinished, *, pad: int, pause: int) -> list[Speech]:
        self._ended = None
        if speech.end - speech.sound < self._min_speech and not speech.near_others:
            return []
        self._last_end = speech.end + pad
        return [Speech(start=speech.start, end=self._last_end, pause=pause)]


def speech_model() -> SpeechModel:
    """Return the model that is used where none is given; raises `ModelUnavailable`."""
    from pipelines.audio.silero import SileroVad  # with torch, which processes that hear nothing do without

    return SileroVad()


class VoiceActivity:
    """Speech in one channel: `push` PCM blocks of any length, then `finish`, or say so with the last one."""

    def __init__(self, options: VadOptions | None = None, model: SpeechModel | None = None) -> None:
        self._model: SpeechModel = model or speech_model()
        self._detector = SpeechDetector(options or VadOptions())
        self._rest: Pcm = np.zeros(0, np.int16)  # samples that do not fill a frame yet
        self.probabilities: Probabilities = np.zeros(0, np.float32)
        """Of the frames that the last call judged."""

    @property
    def position(self) -> int:
        """Samples judged so far."""
        return self._detector.position

    @property
    def settled(self) -> int:
        """Position before which no more speech will be given out."""
        return self._detector.settled

    @property
    def open_start(self) -> int | None:
        """Padded start of the speech that goes on, ``None`` in silence."""
        return self._detector.open_start

    def push(self, pcm: Pcm, *, last: bool = False) -> list[Speech]:
        """Take int16 ``[n_samples]``; return the speech whose extent became certain, ascending, never overlapping.

        With the ``last`` samples the stream ends: its incomplete frame is judged too, and no speech stays open.
        """
        n_new = len(self._rest) + len(pcm)
        n_samples = self.position + n_new
        pcm = np.concatenate([self._rest, pcm, np.zeros(-n_new % FRAME_SAMPLES if last else 0, np.int16)])
        n_frames = len(pcm) // FRAME_SAMPLES
        self._rest = pcm[n_frames * FRAME_SAMPLES :]
        self.probabilities = np.zeros(0, np.float32)
        if n_frames:  # a call costs as much as some ten frames
            self.probabilities = self._model(pcm[: n_frames * FRAME_SAMPLES].reshape(n_frames, FRAME_SAMPLES))
        speech = self._detector.push(self.probabilities)
        return speech + self._detector.finish(n_samples) if last else speech

    def finish(self) -> list[Speech]:
        """End the stream and return the speech that was still open."""
        return self.push(self._rest[:0], last=True)
