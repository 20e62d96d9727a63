"""Plain PCM: resampling decoded frames to 16 kHz int16 and cutting the result into blocks."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

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
_FULL_SCALE = np.float32(1 << 15)
BATCH_VALUES = 1 << 14
"""So many values of all channels are resampled at a time where nothing is mixed, if that is more."""


class _TimeBase(NamedTuple):
    """All that PyAV reads of a ``Fraction``, which computes both anew for each frame."""

    numerator: int
    denominator: int


class Resampler:
    """Brings frames of one kind to int16 at `SAMPLE_RATE`, `BATCH_S` at a time; a ``mixer`` makes one channel of many.

    FFmpeg's own mix would lose channels that cancel each other (see `pipelines.audio.mixing`). Floats that have the
    rate already are rounded here as FFmpeg would: its graph of filters costs a short recording a tenth of its decoding.
    """

    def __init__(self, frame: Any, n_channels: int, mixer: Mixer) -> None:
        if frame.sample_rate not in SOURCE_RATES:
            raise UnsupportedFormat(f"the sample rate of {frame.sample_rate} Hz is out of range")
        self._kind = frame.sample_rate, frame.format.name, frame.layout.name
        self._rate, self._format, self._layout = frame.sample_rate, frame.format.name, frame.layout
        self._n_channels = n_channels
        n_in, name = frame.layout.nb_channels, frame.layout.name
        self._mixer = mixer if n_channels == 1 and n_in > 1 else None
        if self._mixer is not None:
            self._mixer.set_channels([channel.name for channel in frame.layout.channels])
        same = self._mixer is not None or n_channels == n_in
        layout = name if same else _LAYOUTS.get(n_channels, f"{n_channels} channels")
        self._n_resampled = n_in if same else n_channels
        self._only_rounds = frame.sample_rate == SAMPLE_RATE and frame.format.name == "fltp" and same and n_in <= 2
        self._resample = av.AudioResampler(format="s16", layout=layout, rate=SAMPLE_RATE).resample
        self._fifo = av.AudioFifo()
        batch = round(BATCH_S * frame.sample_rate)
        self._batch = max(1, batch if self._mixer is not None else max(batch, BATCH_VALUES // n_in))
        self._time_base = _TimeBase(1, frame.sample_rate)

    def accepts(self, frame: Any) -> bool:
        return bool(
            frame.sample_rate == self._rate and frame.layout == self._layout and frame.format.name == self._format
        )

    def feed(self, frame: Any) -> list[Pcm]:
        frame.pts = None  # `AudioFifo` would insist on gapless timestamps, and on one unit for them
        frame.time_base = self._time_base
        self._fifo.write(frame)
        if self._fifo.samples < self._batch:
            return []
        return self._arrays(self._fifo.read(0))

    def drain(self) -> list[Pcm]:
        rest = self._fifo.read(0)
        arrays = self._arrays(rest) if rest is not None else []
        return arrays if self._only_rounds else [*arrays, *self._arrays(None)]

    def _arrays(self, frame: Any) -> list[Pcm]:
        if self._only_rounds:
            return [self._mixed(_rounded(frame.planes, frame.samples))]
        try:
            resampled = self._resample(frame)
        except av.error.FFmpegError as error:
            raise UnsupportedFormat(f"cannot bring {self._kind} to {self._n_channels} channels") from error
        # Packed samples, because PyAV reads past the end of eight and more planes.
        return [self._shape(out) for out in resampled if out.samples]

    def _shape(self, packed: Any) -> Pcm:
        pcm = np.frombuffer(packed.planes[0], np.int16, packed.samples * self._n_resampled)
        return self._mixed(pcm.reshape(-1, self._n_resampled).T)

    def _mixed(self, channels: Pcm) -> Pcm:
        return channels if self._mixer is None else self._mixer.mix(channels)


def _rounded(planes: Sequence[Any], n_samples: int) -> Pcm:
    """Return planes of 32-bit floats as int16 ``[n_planes, n_samples]``; what is no number is the least, as there."""
    samples = np.empty((len(planes), n_samples), np.float32)
    for row, plane in zip(samples, planes, strict=True):
        np.multiply(np.frombuffer(plane, np.float32, n_samples), _FULL_SCALE, out=row)
    np.rint(samples, out=samples)
    np.fmin(np.fmax(samples, -_FULL_SCALE, out=samples), _FULL_SCALE - 1, out=samples)
    return samples.astype(np.int16)


class Blocks:
    """Cuts a stream of arrays into blocks of one length and enforces the limit of decoded samples.

    Blocks have as many channels as the widest array so far; narrower ones fill the first of them.
    """

    def __init__(self, *, n_samples: int, limit: int) -> None:
        self._n_samples = n_samples
        self._limit = limit
        self.n_channels = 1
        self._block: Pcm = np.zeros((0, 0), np.int16)  # the next one, as far as it goes
        self._n_filled = 0
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
            at = 0
            while at < array.shape[1]:
                at += self._fill(array[:, at:])
                if self._n_filled == self._n_samples:
                    yield self._block
                    self._block, self._n_filled = np.zeros((0, 0), np.int16), 0

    def _fill(self, array: Pcm) -> int:
        """Copy as much as there is room for in the block; return how many samples that was."""
        if len(self._block) < self.n_channels:
            block = np.empty((self.n_channels, self._n_samples), np.int16)
            block[: len(self._block), : self._n_filled] = self._block[:, : self._n_filled]
            block[len(self._block) :, : self._n_filled] = 0
            self._block = block
        end = min(self._n_filled + array.shape[1], self._n_samples)
        n_copied: int = end - self._n_filled
        self._block[: len(array), self._n_filled : end] = array[:, :n_copied]
        self._block[len(array) :, self._n_filled : end] = 0
        self._n_filled = end
        return n_copied

    def push_silence(self, n_samples: int) -> Iterator[Pcm]:
        while n_samples > 0:
            n = min(n_samples, self._n_samples)
            yield from self.push([np.zeros((self.n_channels, n), np.int16)])
            n_samples -= n

    def finish(self) -> Iterator[Pcm]:
        if self._n_filled:
            yield np.ascontiguousarray(self._block[:, : self._n_filled])
            self._block, self._n_filled = np.zeros((0, 0), np.int16), 0


def widened(samples: npt.NDArray[Number], n_channels: int) -> npt.NDArray[Number]:
    """Return ``[fewer, n_samples]`` as ``[n_channels, n_samples]``, with silence in the channels that they lack."""
    missing = n_channels - samples.shape[0]
    return np.pad(samples, ((0, missing), (0, 0))) if missing > 0 else samples
