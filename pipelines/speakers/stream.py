"""Tell speakers apart in a recording that arrives in blocks."""

import numpy as np
import numpy.typing as npt

from pipelines.core import SAMPLE_RATE
from pipelines.speakers.analysis import INT16_SCALE, Sound, analyse
from pipelines.speakers.diarization import cluster
from pipelines.speakers.options import SpeakerOptions
from pipelines.speakers.protocol import VoiceModels
from pipelines.speakers.voices import SpanVoices, SpeakerTurn

SPAN_SAMPLES = 300 * SAMPLE_RATE
"""Sound that is held and heard at once."""


class SpeakerStream:
    """Hears one channel. Its memory is one span of sound and `SpanVoices`; blocks of any lengths give the same turns.

    Spans of the Segmenter end in silence; these end where they end, which costs what a turn loses there.
    """

    def __init__(self, models: VoiceModels, *, span_samples: int = SPAN_SAMPLES) -> None:
        self._models = models
        self._span_samples = span_samples
        self._waiting: list[npt.NDArray[np.float32]] = []
        self._n_waiting = 0
        self._start = 0
        self._spans: list[SpanVoices] = []

    def add(self, sound: Sound) -> None:
        """Take the next samples: mono, 16 kHz, int16 or float32 in ±1."""
        samples = sound.astype(np.float32) / (INT16_SCALE if sound.dtype == np.int16 else 1.0)
        self._waiting.append(samples)
        self._n_waiting += len(samples)
        while self._n_waiting >= self._span_samples:
            self._hear(self._span_samples)

    def finish(self, options: SpeakerOptions | None = None) -> tuple[SpeakerTurn, ...]:
        """Return the turns of all that was added; more may be added afterwards."""
        if self._n_waiting:
            self._hear(self._n_waiting)
        return cluster(self._spans, options)

    def _hear(self, n_samples: int) -> None:
        joined = np.concatenate(self._waiting)
        self._spans.append(analyse(joined[:n_samples], self._start, self._models))
        self._start += n_samples
        self._waiting = [joined[n_samples:]]
        self._n_waiting = len(joined) - n_samples
