"""Samples into audio and video files, with PyAV alone and the same bytes every time."""

import tempfile
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.stream import VideoStream

from scripts.speech.voices import PCM, SAMPLE_RATE


@dataclass(frozen=True, kw_only=True)
class Format:
    """An encoding: FFmpeg's names of container and codec, its sample rate in Hz, its bit rate (None: lossless)."""

    container: str
    codec: str
    rate: int = SAMPLE_RATE
    bit_rate: int | None = None


FORMATS = {
    "flac": Format(container="flac", codec="flac"),
    "wav": Format(container="wav", codec="pcm_s16le"),
    "mp3": Format(container="mp3", codec="libmp3lame", bit_rate=40_000),
    "opus": Format(container="ogg", codec="libopus", bit_rate=48_000),
    "webm": Format(container="webm", codec="libopus", rate=48_000, bit_rate=48_000),
    "m4a": Format(container="ipod", codec="aac", bit_rate=48_000),
}
"""By file name extension. Players find the first sample of each exactly, encoder delay or not."""

_VIDEO_SIDE = 32
_FRAMES_PER_S = 5


def encode_audio(pcm: PCM, form: Format, *, rate: int = SAMPLE_RATE) -> bytes:
    """Encode int16 samples of shape ``(channels, n)`` at ``rate`` Hz (one or two channels)."""
    return _mux(form.container, pcm=pcm, rate=rate, form=form)


def encode_video(seconds: float, pcm: PCM | None = None, *, index_first: bool = True) -> bytes:
    """Encode an MP4 whose tiny picture changes colour for ``seconds``, with ``pcm`` at 16 kHz as its sound when given.

    ``index_first`` puts the index (the "moov" atom) before the data, as for streaming; recorders write it last.
    """
    sound = Format(container="mp4", codec="aac", rate=48_000, bit_rate=64_000)
    return _mux("mp4", pcm=pcm, rate=SAMPLE_RATE, form=sound, video_s=seconds, index_first=index_first)


def encode_picture() -> bytes:
    """Encode a small PNG."""
    encoder = av.CodecContext.create("png", "w")
    encoder.width = encoder.height = _VIDEO_SIDE
    encoder.pix_fmt = "rgb24"
    encoder.time_base = Fraction(1, 1)
    return b"".join(bytes(packet) for packet in [*encoder.encode(_picture(0.0)), *encoder.encode(None)])


def _mux(
    container: str, *, pcm: PCM | None, rate: int, form: Format, video_s: float = 0.0, index_first: bool = True
) -> bytes:
    options = {"fflags": "bitexact"}  # no random serial numbers, no version of the encoder
    if container in ("mp4", "ipod") and index_first:
        options["movflags"] = "faststart"
    with tempfile.TemporaryDirectory(prefix="samples-") as folder:
        path = Path(folder, "sample")
        with av.open(str(path), "w", format=container, options=options) as output:
            # All streams exist before the first packet, which writes the header.
            video = _add_video(output) if video_s else None
            audio = _add_audio(output, form, len(pcm)) if pcm is not None else None
            if video is not None:
                for number in range(round(video_s * _FRAMES_PER_S)):
                    frame = _picture(number / _FRAMES_PER_S)
                    frame.pts, frame.time_base = number, Fraction(1, _FRAMES_PER_S)
                    output.mux(video.encode(frame))
                output.mux(video.encode(None))
            if audio is not None and pcm is not None:
                sound = av.AudioFrame.from_ndarray(np.ascontiguousarray(pcm), format="s16p", layout=audio.layout.name)
                sound.sample_rate, sound.pts = rate, 0
                output.mux(audio.encode(sound))
                output.mux(audio.encode(None))
        return path.read_bytes()


def _add_audio(output: OutputContainer, form: Format, channels: int) -> AudioStream:
    layout = "mono" if channels == 1 else "stereo"
    stream = output.add_stream(form.codec, rate=form.rate, layout=layout, options=_EXACT)
    if not isinstance(stream, AudioStream):
        raise ValueError(f"{form.codec} is not an audio codec")
    if form.bit_rate is not None:
        stream.bit_rate = form.bit_rate
    return stream


def _add_video(output: OutputContainer) -> VideoStream:
    stream = output.add_stream("libx264", rate=_FRAMES_PER_S, options=_EXACT)
    stream.width = stream.height = _VIDEO_SIDE
    stream.pix_fmt = "yuv420p"
    stream.thread_count = 1
    return stream


_EXACT = {"flags": "+bitexact"}


def _picture(at_s: float) -> av.VideoFrame:
    """Return a frame of one colour that changes with time."""
    colour = [int(127 + 127 * np.sin(at_s + phase)) for phase in (0, 2, 4)]
    pixels = np.full((_VIDEO_SIDE, _VIDEO_SIDE, 3), colour, dtype=np.uint8)
    return av.VideoFrame.from_ndarray(pixels, format="rgb24")
