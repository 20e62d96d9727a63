"""How long a recording is before it is decoded."""

import io
from collections.abc import Iterator
from dataclasses import dataclass

import av
import numpy as np
import pytest

from pipelines.audio.clock.reader import PacketReader
from pipelines.audio.decode import probe


def encode(container: str, codec: str, rate: int, seconds: int, options: dict[str, str] | None = None) -> bytes:
    """Encode noise that gets louder, so that frames differ in size where the bit rate varies."""
    n_samples = seconds * rate
    noise = np.random.default_rng(3).standard_normal(n_samples) * np.linspace(1, 9_000, n_samples)
    file = io.BytesIO()
    with av.open(file, "w", format=container, options=options or {}) as out:
        stream = out.add_stream(codec, rate=rate, layout="mono")
        if codec == "libmp3lame":
            stream.codec_context.options = {"q": "4", "flags": "+qscale", "global_quality": "500"}
        frame = av.AudioFrame.from_ndarray(noise.astype(np.int16).reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.pts = rate, 0
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return file.getvalue()


@pytest.mark.parametrize(
    ("container", "codec", "rate"),
    [
        ("adts", "aac", 44_100),
        ("mp3", "libmp3lame", 44_100),
        ("ac3", "ac3", 48_000),
        ("amr", "libopencore_amrnb", 8_000),
    ],
)
def test_formats_without_a_header_are_counted(container: str, codec: str, rate: int) -> None:
    """Their packets add up to their length, which FFmpeg only guesses from the bit rate of the first ones."""
    if codec not in av.codecs_available:
        pytest.skip(f"this build of PyAV cannot encode {codec}")
    data = encode(container, codec, rate, 20, {"write_xing": "0"} if container == "mp3" else None)
    assert probe(io.BytesIO(data)).duration_s == pytest.approx(20.0, abs=0.15)


def test_a_pause_of_the_speaker_makes_amr_no_longer() -> None:
    """Frames of 32 bytes, then of one byte that says nothing was sent: all take 20 ms each."""
    data = b"#!AMR\n" + (b"\x3c" + bytes(31)) * 250 + b"\x7c" * 250
    assert probe(io.BytesIO(data)).duration_s == pytest.approx(10.0, abs=0.05)


def test_a_header_that_is_of_the_first_part_only() -> None:
    """Two MP3 files glued together are as long as both, whatever the first one's header says."""
    if "libmp3lame" not in av.codecs_available:
        pytest.skip("this build of PyAV cannot encode MP3")
    once = encode("mp3", "libmp3lame", 44_100, 5)
    assert probe(io.BytesIO(once)).duration_s == pytest.approx(5.0, abs=0.1)
    assert probe(io.BytesIO(once * 2)).duration_s == pytest.approx(10.0, abs=0.2)


@dataclass(frozen=True)
class Packet:
    """What is read of a packet."""

    duration: int
    size: int = 1


class Stumbling:
    """A container in which a stream appears on the way: PyAV raises for it, once."""

    def __init__(self, *rounds: list[Packet]) -> None:
        self.rounds = list(rounds)

    def demux(self, streams: object) -> Iterator[Packet]:
        """Yield the packets of one round, and stumble unless it is the last."""
        yield from self.rounds.pop(0)
        if self.rounds:
            raise IndexError


def test_a_stream_that_appears_on_the_way_ends_nothing() -> None:
    """The packets behind it are read as well, and it counts as no damage."""
    packets = [Packet(10), Packet(20), Packet(30)]
    reader = PacketReader(Stumbling(packets[:2], packets[2:]), ())
    assert list(reader) == packets
    assert reader.n_failures == 0
