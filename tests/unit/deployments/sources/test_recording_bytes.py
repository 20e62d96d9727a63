"""The bytes of a recording on their way in: what is refused, and which samples get a header."""

import io
import struct

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.sources.raw_audio import header_for
from deployments.sources.recording_bytes import RecordingBytes
from pipelines.audio.decode import decode_audio
from pipelines.errors import InvalidRequest, UnsupportedFormat

TONE = (8_000 * np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000)).astype(np.int16)
AU = header_for("audio/basic") + bytes(1000)


def through(recording: RecordingBytes, data: bytes, step: int = 1 << 20) -> bytes:
    """Hand bytes through, some at a time."""
    kept = b"".join(recording.feed(data[at : at + step]) for at in range(0, len(data), step))
    return kept + recording.finish()


def g722() -> bytes:
    """A second of a tone in G.722, without a container."""
    encoder = av.CodecContext.create("g722", "w")
    encoder.sample_rate, encoder.layout, encoder.format = 16_000, "mono", "s16"
    frame = av.AudioFrame.from_ndarray(TONE.reshape(1, -1), format="s16", layout="mono")
    frame.sample_rate = 16_000
    return b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])


@pytest.mark.parametrize(
    ("content_type", "name"), [("audio/G722; rate=8000", "a"), ("", "CALL.G722"), ("x/y", "a.g722")]
)
def test_g722(content_type: str, name: str) -> None:
    """Declared by its type, or by its name where the content says nothing, it is heard at 16 kHz."""
    data = through(RecordingBytes(content_type, name), g722())
    heard = np.concatenate(list(decode_audio(io.BytesIO(data), max_duration_s=9)), axis=1)[0]
    assert len(heard) == pytest.approx(16_000, abs=100)
    assert np.argmax(np.abs(np.fft.rfft(heard[:16_000]))) == pytest.approx(440, abs=3)


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("a.ulaw", header_for("audio/PCMU")),
        ("a.alaw", header_for("audio/PCMA")),
        ("a.sln", header_for("audio/pcm; rate=8000")),
        ("a.sln16", header_for("audio/pcm; rate=16000")),
    ],
)
def test_asterisk_s_names(name: str, header: bytes) -> None:
    """A name stands for an encoding only where the content says nothing: a text or a WAV file is what it is."""
    samples = TONE.tobytes()
    assert through(RecordingBytes("", name), samples) == header + samples
    assert through(RecordingBytes("", name), AU) == AU
    with pytest.raises(UnsupportedFormat, match="a text"):
        through(RecordingBytes("", name), b"Microsoft Visual Studio Solution File\r\n" * 10)


@pytest.mark.parametrize("content_type", ["audio/basic", "audio/L16", "audio/pcm; rate=8000"])
def test_a_container_under_a_type_of_samples(content_type: str) -> None:
    """Clients call AU files audio/basic: what begins like a container gets no second header."""
    assert through(RecordingBytes(content_type), AU) == AU


def test_declarations_that_say_too_little() -> None:
    """They are refused when samples come, not before."""
    recording = RecordingBytes("audio/L16")
    with pytest.raises(InvalidRequest, match="rate"):
        recording.feed(TONE.tobytes())


@given(
    data=st.one_of(st.binary(max_size=200), st.binary(max_size=60).map(lambda tail: AU[:24] + tail)),
    content_type=st.sampled_from(["", "audio/PCMU", "audio/G722", "audio/wav"]),
    name=st.sampled_from(["", "a.g722", "a.wav"]),
    step=st.integers(1, 40),
)
def test_cuts_change_nothing(data: bytes, content_type: str, name: str, step: int) -> None:
    """What is kept, or refused, does not depend on how the bytes are cut; all of them are kept, in order."""

    def outcome(step: int) -> bytes:
        recording = RecordingBytes(content_type, name)
        try:
            kept = through(recording, data, step)
        except UnsupportedFormat as error:
            return str(error).encode()
        assert recording.n_bytes == len(data)
        assert kept.endswith(data)
        return kept

    assert outcome(step) == outcome(1 << 20)


def test_nothing_stays_nothing() -> None:
    """No bytes bring no header: that is for the caller to refuse."""
    assert through(RecordingBytes("audio/PCMU"), b"") == b""
    recording = RecordingBytes()
    recording.feed(struct.pack("<4sI4s", b"RIFF", 0, b"WAVE") + bytes(100))
    assert recording.decided
