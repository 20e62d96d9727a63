"""The playback copy of a recording: what people listen to beside its transcript, and the peaks of its waveform.

Opus in WebM, made of the samples that are transcribed, so that both share one clock. Some 11 MB an hour and channel.
"""

import base64
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import av
import numpy as np
import numpy.typing as npt

from pipelines.audio.formats import PLAYBACK_CHANNELS, MaskSound
from pipelines.audio.mixing import Mixer
from pipelines.audio.pcm import Pcm, widened
from pipelines.core import SAMPLE_RATE

PEAKS_PER_S = 10

TONE_HZ = 1000
TONE_PEAK = 4096  # of 32,767: -18 dB of full scale, as loud as speech

_BIT_RATE = 24_000  # of one channel: speech at 16 kHz needs no more
_PEAK_SAMPLES = SAMPLE_RATE // PEAKS_PER_S
_LAYOUTS = {1: "mono", 2: "stereo"}
_PREROLL_S = (
    0.1  # Opus needs 80 ms to sound right after a jump (RFC 7845, section 4.6); frames do not end where they should
)


def samples_between(copy: BinaryIO, start_s: float, end_s: float) -> Pcm:
    """Decode a part of a copy, of shape ``[n_channels, n_samples]``; shorter where the copy ends before ``end_s``."""
    blocks: list[Pcm] = []
    first_s: float | None = None
    opened: Any = av.open(copy)
    with opened as container:
        stream = container.streams.audio[0]
        if start_s > 1.0:  # a jump to the very beginning loses its first frame
            container.seek(round((start_s - _PREROLL_S) * 1_000_000))
        resampler: Any = av.AudioResampler(format="s16p", layout=stream.layout.name, rate=SAMPLE_RATE)
        for frame in container.decode(stream):
            if frame.time >= end_s + _PREROLL_S:
                break
            first_s = frame.time if first_s is None else first_s
            blocks += [part.to_ndarray() for part in resampler.resample(frame)]
        if first_s is not None:
            blocks += [part.to_ndarray() for part in resampler.resample(None)]
    if first_s is None:
        return np.zeros((1, 0), np.int16)
    samples: Pcm = np.concatenate(blocks, axis=1)
    return samples[:, max(0, round((start_s - first_s) * SAMPLE_RATE)) : round((end_s - first_s) * SAMPLE_RATE)]


class Peaks:
    """The loudest sample of every tenth of a second, by channel, as a byte: 255 is full scale."""

    def __init__(self) -> None:
        self._found: list[npt.NDArray[np.uint8]] = []
        self._rest: Pcm | None = None

    def add(self, block: Pcm) -> None:
        """Take the next samples, of shape ``[n_channels, n_samples]``."""
        samples = block if self._rest is None else np.concatenate((widened(self._rest, len(block)), block), axis=1)
        n_whole = samples.shape[1] // _PEAK_SAMPLES * _PEAK_SAMPLES
        self._keep(samples[:, :n_whole])
        self._rest = samples[:, n_whole:]

    def encoded(self) -> bytes:
        """Return everything so far as JSON: ``per_s``, and for each channel its bytes in Base64."""
        if self._rest is not None and self._rest.shape[1]:
            missing = _PEAK_SAMPLES - self._rest.shape[1]
            self._keep(np.pad(self._rest, ((0, 0), (0, missing))))
            self._rest = None
        channels = np.concatenate(self._found, axis=1) if self._found else np.zeros((1, 0), np.uint8)
        encoded = [base64.b64encode(channel.tobytes()).decode() for channel in channels]
        return json.dumps({"version": 1, "per_s": PEAKS_PER_S, "channels": encoded}).encode()

    def _keep(self, samples: Pcm) -> None:
        if self._found and len(samples) > len(self._found[0]):
            self._found = [widened(peaks, len(samples)) for peaks in self._found]
        loudness = np.abs(samples.astype(np.int32)).reshape(samples.shape[0], -1, _PEAK_SAMPLES).max(axis=2)
        self._found.append((np.minimum(loudness, 32_767) * 255 // 32_767).astype(np.uint8))


class PlaybackCopy:
    """Writes the copy to a file while the recording is decoded; memory holds one block.

    It has the channels of the first block: those of a recording that comes to have more are mixed then.
    """

    def __init__(self, path: Path) -> None:
        self.peaks = Peaks()
        self._container: Any = av.open(str(path), "w", format="webm")
        self._stream: Any = None
        self._n_channels = 0
        self._n_samples = 0
        self._mixer = Mixer(clock=lambda: self._n_samples)

    def listen(self, blocks: Iterable[Pcm]) -> Iterator[Pcm]:
        """Pass blocks of shape ``[n_channels, n_samples]`` on, and encode them on the way."""
        for block in blocks:
            self._encode(block)
            self.peaks.add(block)
            yield block

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._stream is not None and kind is None:
            self._container.mux(self._stream.encode(None))
        self._container.close()

    def _encode(self, block: Pcm) -> None:
        if block.shape[0] > (self._n_channels or PLAYBACK_CHANNELS):
            self._mixer.set_channels(("",) * block.shape[0])
            block = self._mixer.mix(block)
        self._n_channels = self._n_channels or block.shape[0]
        if self._stream is None:
            layout = _LAYOUTS[block.shape[0]]
            self._stream = self._container.add_stream("libopus", rate=SAMPLE_RATE, layout=layout)
            self._stream.bit_rate = _BIT_RATE * block.shape[0]
            self._stream.options = {"application": "voip", "compression_level": "0"}
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(block.T).reshape(1, -1), format="s16", layout=_LAYOUTS[block.shape[0]]
        )
        frame.sample_rate, frame.pts = SAMPLE_RATE, self._n_samples
        self._n_samples += block.shape[1]
        self._container.mux(self._stream.encode(frame))


def muted(blocks: Iterable[Pcm], stretches: Sequence[tuple[float, float]], sound: MaskSound) -> Iterator[Pcm]:
    """Yield blocks of shape ``[n_channels, n_samples]`` with other samples in the stretches, on every channel.

    ``stretches`` are seconds from the first sample, ascending and apart.
    """
    bounds = [(round(start_s * SAMPLE_RATE), round(end_s * SAMPLE_RATE)) for start_s, end_s in stretches]
    position = next_bound = 0
    for block in blocks:
        end = position + block.shape[1]
        while next_bound < len(bounds) and bounds[next_bound][1] <= position:
            next_bound += 1
        samples, at = block, next_bound
        while at < len(bounds) and bounds[at][0] < end:
            samples = block.copy() if samples is block else samples
            _replace(samples, position, max(bounds[at][0], position), min(bounds[at][1], end), sound)
            at += 1
        yield samples
        position = end


def _replace(block: Pcm, position: int, start: int, end: int, sound: MaskSound) -> None:
    """Overwrite the samples from ``start`` to ``end`` of a block that begins at ``position``."""
    if sound == "mute":
        block[:, start - position : end - position] = 0
        return
    at = np.arange(start, end) * (2 * np.pi * TONE_HZ / SAMPLE_RATE)
    block[:, start - position : end - position] = np.round(TONE_PEAK * np.sin(at)).astype(block.dtype)
