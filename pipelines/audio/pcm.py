"""Plain PCM: resampling decoded frames to 16 kHz int16 and cutting the result into blocks."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Any, TypeVar

import av
import numpy as np
import numpy.typing as npt

from pipelines.audio.mixing import Mixer
from pipelines.core import SAMPLE_RATE
from pipelines.errors import TooLong, UnsupportedFormat

Pcm = npt.NDArray[np.int16]
Number = TypeVar("Number", bound=np.generic)

SOURCE_RATES = range(2_000, 768_001)  # a header that claims 1 Hz turns a small file into days of samples
_LAYOUTS = {1: "mono", 2: "stereo"}  # FFmpeg mixes only into layouts with positions
BATCH_S = 0.5  # decoded audio resampled at a time: one call per codec frame costs more than the decoding


class Resampler:
    """Brings frames of one kind to int16 at `SAMPLE_RATE`, `BATCH_S` at a time; a ``mixer`` makes one channel of many.

    FFmpeg's own mix would lose channels that cancel each other (see `pipelines.audio.mixing`).
    """

    def __init__(self, frame: Any, n_channels: int, mixer: Mixer) -> None:
        if frame.sample_rate not in SOURCE_RATES:
            raise UnsupportedFormat(f"the sample rate of {frame.sample_rate} Hz is out of range")
        self._kind = self._kind_of(frame)
        self._n_channels = n_channels
        n_in, name = frame.layout.nb_channels, frame.layout.name
        self._mixer = mixer if n_channels == 1 and n_in > 1 else None
        if self._mixer is not None:
            self._mixer.set_channels([channel.name for channel in frame.layout.channels])
        same = self._mixer is not None or n_channels == n_in
        layout = name if same else _LAYOUTS.get(n_channels, f"{n_channels} channels")
        self._n_resampled = n_in if same else n_channels
        self._resample = av.AudioResampler(format="s16", layout=layout, rate=SAMPLE_RATE).resample
        self._fifo = av.AudioFifo()
        self._batch = max(1, round(BATCH_S * frame.sample_rate))
        self._time_base = Fraction(1, frame.sample_rate)

    @staticmethod
    def _kind_of(frame: Any) -> tuple[int, str, str]:
        return frame.sample_rate, frame.format.name, frame.layout.name

    def accepts(self, frame: Any) -> bool:
        return self._kind_of(frame) == self._kind

    def feed(self, frame: Any) -> list[Pcm]:
        frame.pts = None  # `AudioFifo` would insist on gapless timestamps, and on one unit for them
        frame.time_base = self._time_base
        self._fifo.write(frame)
        if self._fifo.samples < self._batch:
            return []
        return self._arrays(self._fifo.read(0))

    def drain(self) -> list[Pcm]:
        rest = self._fifo.read(0)
        return [*(self._arrays(rest) if rest is not None else []), *self._arrays(None)]

    def _arrays(self, frame: Any) -> list[Pcm]:
        try:
            resampled = self._resample(frame)
        except av.error.FFmpegError as error:
            raise UnsupportedFormat(f"cannot bring {self._kind} to {self._n_channels} channels") from error
        # Packed samples, because PyAV reads past the end of eight and more planes.
        return [self._shape(out.to_ndarray()) for out in resampled if out.samples]

    def _shape(self, packed: npt.NDArray[Any]) -> Pcm:
        pcm: Pcm = packed.astype(np.int16, copy=False).reshape(-1, self._n_resampled)
        return pcm.T if self._mixer is None else self._mixer.mix(pcm.T)


class Blocks:
    """Cuts a stream of arrays into blocks of one length and enforces the limit of decoded samples.

    Blocks have as many channels as the widest array so far; narrower ones fill the first of them.
    """

    def __init__(self, *, n_samples: int, limit: int) -> None:
        self._n_samples = n_samples
        self._limit = limit
        self.n_channels = 1
        self._waiting: list[Pcm] = []
        self._n_waiting = 0
        self.n_pushed = 0

    def has_room(self, seconds: float) -> bool:
        """Return whether so much more is within the limit."""
        return self.n_pushed + seconds * SAMPLE_RATE <= self._limit

    def push(self, arrays: list[Pcm]) -> Iterator[Pcm]:
        for array in arrays:
            self.n_pushed += array.shape[1]
            if self.n_pushed > self._limit:
                raise TooLong(f"the recording is longer than the limit of {self._limit / SAMPLE_RATE:g} s")
            self.n_channels = max(self.n_channels, array.shape[0])
            self._waiting.append(array)
            self._n_waiting += array.shape[1]
        if self._n_waiting >= self._n_samples:
            joined = self._joined()
            n_blocks = joined.shape[1] // self._n_samples
            for i in range(n_blocks):
                yield np.ascontiguousarray(joined[:, i * self._n_samples : (i + 1) * self._n_samples])
            self._waiting = [joined[:, n_blocks * self._n_samples :].copy()]
            self._n_waiting = self._waiting[0].shape[1]

    def push_silence(self, n_samples: int) -> Iterator[Pcm]:
        while n_samples > 0:
            n = min(n_samples, self._n_samples)
            yield from self.push([np.zeros((self.n_channels, n), np.int16)])
            n_samples -= n

    def finish(self) -> Iterator[Pcm]:
        if self._n_waiting:
            yield np.ascontiguousarray(self._joined())
            self._waiting, self._n_waiting = [], 0

    def _joined(self) -> Pcm:
        return np.concatenate([widened(array, self.n_channels) for array in self._waiting], axis=1)


def widened(samples: npt.NDArray[Number], n_channels: int) -> npt.NDArray[Number]:
    """Return ``[fewer, n_samples]`` as ``[n_channels, n_samples]``, with silence in the channels that they lack."""
    missing = n_channels - samples.shape[0]
    return np.pad(samples, ((0, missing), (0, 0))) if missing > 0 else samples
