"""Recordings whose recorder was cut off before it wrote their sizes."""

import io
import struct

import av
import numpy as np
import pytest

from pipelines.audio.containers.unclosed import Patched, patches
from pipelines.audio.decode import decode_audio, probe
from pipelines.core import SAMPLE_RATE

SAMPLES = (8_000 * np.sin(np.arange(3 * SAMPLE_RATE) * 0.17)).astype(np.int16)
W64_DATA = b"data\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a"


def encoded(container: str, codec: str) -> bytearray:
    """Three seconds of a tone."""
    file = io.BytesIO()
    with av.open(file, "w", format=container) as out:
        stream = out.add_stream(codec, rate=SAMPLE_RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray(SAMPLES.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.pts = SAMPLE_RATE, 0
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return bytearray(file.getvalue())


def rf64(magic: bytes) -> bytes:
    head = struct.pack("<4sI4s4sI28x", magic, 0xFFFFFFFF, b"WAVE", b"ds64", 28)
    head += struct.pack("<4sIHHIIHH4sI", b"fmt ", 16, 1, 1, SAMPLE_RATE, 32_000, 2, 16, b"data", 0xFFFFFFFF)
    return head + SAMPLES.tobytes()


def w64(file_size: int, data_size: int) -> bytes:
    data = encoded("w64", "pcm_s16le")
    data[16:24] = struct.pack("<Q", file_size)
    at = data.index(W64_DATA) + 16
    data[at : at + 8] = struct.pack("<Q", data_size)
    return bytes(data)


def aiff(size: bytes) -> bytes:
    data = encoded("aiff", "pcm_s16be")
    data[4:8] = size
    data[22:26] = bytes(4)  # number of frames
    at = data.index(b"SSND") + 4
    data[at : at + 4] = size
    return bytes(data)


UNCLOSED = {
    "RF64": rf64(b"RF64"),
    "BW64": rf64(b"BW64"),
    "Wave64 as a pipe leaves it": w64((1 << 64) - 1, (1 << 63) - 1),
    "Wave64 with zeros": w64(0, 0),
    "AIFF with zeros": aiff(bytes(4)),
    "AIFF with ones": aiff(b"\xff" * 4),
}


@pytest.mark.parametrize("name", UNCLOSED)
def test_it_is_read_to_its_end(name: str) -> None:
    """All of its seconds are heard, as they were recorded."""
    heard = np.concatenate(list(decode_audio(io.BytesIO(UNCLOSED[name]), max_duration_s=60)), axis=1)[0]
    np.testing.assert_array_equal(heard[: len(SAMPLES)], SAMPLES)
    assert len(heard) - len(SAMPLES) < 16
    said_s = probe(io.BytesIO(UNCLOSED[name])).duration_s
    assert said_s is None or said_s == pytest.approx(3.0, abs=0.01)


@pytest.mark.parametrize(("container", "codec"), [("w64", "pcm_s16le"), ("aiff", "pcm_s16be"), ("wav", "pcm_s16le")])
def test_closed_files_are_left_as_they_are(container: str, codec: str) -> None:
    """Where the sizes stand nothing is replaced."""
    data = bytes(encoded(container, codec))
    assert patches(data[:4096], len(data)) == {}


def test_patches_wherever_a_read_begins() -> None:
    """Replaced bytes are seen by every read that touches them, and all others are the file's."""
    data = bytes(range(32))
    file = Patched(io.BytesIO(data), {4: b"wxyz", 20: b"!"})
    expected = data[:4] + b"wxyz" + data[8:20] + b"!" + data[21:]
    for start in range(32):
        for length in (1, 3, 9, 40):
            file.seek(start)
            assert file.read(length) == expected[start : start + length]
            assert file.tell() == min(32, start + length)
