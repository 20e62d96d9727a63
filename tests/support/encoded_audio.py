"""Sound made up and encoded in memory, so that tests need no files: whole, and with what recorders do to it."""

import io
import itertools
import wave
from collections.abc import Callable, Sequence
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from pipelines.core import SAMPLE_RATE

Samples = npt.NDArray[np.int16]
PacketFilter = Callable[[int, Any], bool]
_LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1"}


def tone(seconds: float, rate: int, hz: float = 440.0, n_channels: int = 1) -> Samples:
    """A sine per channel (octaves apart), int16 ``[n_channels, n_samples]``."""
    t = np.arange(round(seconds * rate)) / rate
    return np.stack([8000 * np.sin(2 * np.pi * hz * 2**i * t) for i in range(n_channels)]).astype(np.int16)


def encode(
    pcm: Samples,
    rate: int,
    container: str,
    codec: str,
    *,
    picture: bool = False,
    bit_rate: int | None = None,
    keep: PacketFilter = lambda index, packet: True,
) -> io.BytesIO:
    """Encode int16 ``[n_channels, n_samples]`` in memory; ``keep`` may drop or change packets before they are muxed."""
    file = io.BytesIO()
    layout = _LAYOUTS[len(pcm)]
    counter = itertools.count()
    with av.open(file, "w", format=container) as out:
        if picture:
            video: Any = out.add_stream("mpeg4", rate=10)
            video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        stream: Any = out.add_stream(codec, rate=rate, layout=layout)
        if bit_rate or codec == "wmav2":
            stream.bit_rate = bit_rate or 96_000  # its encoder has no default
        if picture:
            for _ in range(20):
                out.mux(video.encode(av.VideoFrame(64, 48, "yuv420p")))
            out.mux(video.encode(None))
        to_codec = av.AudioResampler(
            format=stream.codec_context.format.name,
            layout=layout,
            rate=rate,
            frame_size=stream.codec_context.frame_size or None,
        )
        frame: Any = av.AudioFrame.from_ndarray(np.ascontiguousarray(pcm.T).reshape(1, -1), format="s16", layout=layout)
        frame.sample_rate = rate
        frame.pts = 0
        for converted in itertools.chain(to_codec.resample(frame), to_codec.resample(None), [None]):
            for packet in stream.encode(converted):
                if keep(next(counter), packet):
                    out.mux(packet)
    file.seek(0)
    return file


def wav(pcm: Samples, rate: int = SAMPLE_RATE) -> io.BytesIO:
    """Write int16 ``[n_channels, n_samples]`` as a plain WAV file in memory."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(len(pcm))
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(np.ascontiguousarray(pcm.T).tobytes())
    file.seek(0)
    return file


def amr(frames: Sequence[str], seed: int = 0) -> bytes:
    """Write AMR narrow band, 20 ms a frame: ``s`` speech, ``c`` comfort noise, ``n`` no data, ``b`` bad speech."""
    rng = np.random.default_rng(seed)
    headers = {"s": (0x3C, 31), "c": (0x44, 5), "n": (0x7C, 0), "b": (0x38, 31)}
    file = bytearray(b"#!AMR\n")
    for kind in frames:
        header, n_bytes = headers[kind]
        file.append(header)
        file += rng.integers(0, 256, n_bytes, np.uint8).tobytes()
    return bytes(file)


def loudest_hz(pcm: Samples) -> float:
    """The strongest frequency of a 16 kHz signal."""
    spectrum = np.abs(np.fft.rfft(pcm * np.hanning(len(pcm))))
    return float(np.argmax(spectrum) * SAMPLE_RATE / len(pcm))


def loud(pcm: Samples) -> npt.NDArray[np.bool_]:
    """Whether each 10 ms of one channel holds a tone."""
    frames = pcm[: len(pcm) // 160 * 160].reshape(-1, 160).astype(np.float64)
    is_loud: npt.NDArray[np.bool_] = np.sqrt((frames**2).mean(axis=1)) > 1000
    return is_loud
