"""Short recordings of the usual kinds, made here: those who decode strangers' recordings practise with them.

A decoder works out its tables with the first recording, Python fits its code to what it meets, and libraries load parts
of themselves late. A process that is forked afterwards finds all that done.
"""

import io
from collections.abc import Iterator
from typing import Any

import av
import numpy as np

LENGTH_S = 1.0
KINDS = (
    ("mp3", "libmp3lame", 16_000, "mono"),
    ("mp3", "libmp3lame", 44_100, "stereo"),
    ("ipod", "aac", 48_000, "stereo"),
    ("ogg", "libopus", 48_000, "mono"),
    ("flac", "flac", 16_000, "mono"),
    ("wav", "pcm_s16le", 8_000, "stereo"),
)
"""FFmpeg's names of container, encoder and layout, and the sample rate in Hz."""


def own_sounds() -> Iterator[bytes]:
    """Yield a recording of each kind that this build of FFmpeg can write."""
    for container, encoder, rate, layout in KINDS:
        try:
            yield _encoded(container, encoder, rate, layout)
        except (av.error.FFmpegError, ValueError):  # a build without this encoder
            continue


def _encoded(container: str, encoder: str, rate: int, layout: str) -> bytes:
    out = io.BytesIO()
    tone = (8_000 * np.sin(np.arange(round(LENGTH_S * rate)) * (2 * np.pi * 440 / rate))).astype(np.int16)
    with av.open(out, "w", format=container) as output:
        stream: Any = output.add_stream(encoder, rate=rate, layout=layout)
        stream.codec_context.thread_count = 1
        frame = av.AudioFrame.from_ndarray(
            np.tile(tone, 1 if layout == "mono" else 2)[None], format="s16", layout=layout
        )
        frame.sample_rate, frame.pts = rate, 0
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return out.getvalue()
