"""What a file is, by its first bytes."""

import io
import re
import struct
from itertools import pairwise

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.audio.first_bytes import LOOK_BYTES, UNKNOWN, FirstBytes, Kind, check_accepted, kind_of, kind_of_stream
from pipelines.audio.formats import ACCEPTED, CONTAINERS, DEMUXERS
from pipelines.errors import EmptyAudio, UnsupportedFormat

NAMES = {container.name for container in CONTAINERS}
ENCODED = [
    ("wav", "pcm_s16le", "WAV"),
    ("w64", "pcm_s16le", "Wave64"),
    ("aiff", "pcm_s16be", "AIFF"),
    ("au", "pcm_s16be", "AU"),
    ("caf", "pcm_s16le", "CAF"),
    ("mp3", "libmp3lame", "MP3"),
    ("mp2", "mp2", "MP3"),
    ("adts", "aac", "AAC"),
    ("latm", "aac", "AAC"),
    ("mp4", "aac", "MP4/MOV/3GP"),
    ("mov", "pcm_s16le", "MP4/MOV/3GP"),
    ("matroska", "flac", "Matroska/WebM"),
    ("ogg", "libopus", "Ogg"),
    ("flac", "flac", "FLAC"),
    ("asf", "wmav2", "WMA/WMV"),
    ("avi", "libmp3lame", "AVI"),
    ("mpegts", "mp2", "MPEG-TS"),
    ("mpeg", "mp2", "MPEG-PS"),
    ("flv", "libmp3lame", "FLV"),
    ("ac3", "ac3", "AC-3"),
    ("eac3", "eac3", "AC-3"),
    ("wv", "wavpack", "WavPack"),
    ("tta", "tta", "True Audio"),
    ("voc", "pcm_u8", "VOC"),
]


def encode(container: str, codec: str) -> bytes:
    """Encode two seconds of a tone."""
    rate = 48_000 if codec == "libopus" else 44_100
    samples = (8_000 * np.sin(np.arange(2 * rate) * 0.06)).astype(np.int16)
    file = io.BytesIO()
    with av.open(file, "w", format=container) as out:
        stream = out.add_stream(codec, rate=rate, layout="mono")
        if codec == "wmav2":
            stream.bit_rate = 64_000
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.pts = rate, 0
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return file.getvalue()


@pytest.mark.parametrize(("container", "codec", "name"), ENCODED)
def test_recordings_are_known(container: str, codec: str, name: str) -> None:
    """Every accepted container is told by its content, also from a part of it, and never taken for something else."""
    if codec not in av.codecs_available:
        pytest.skip(f"this build of PyAV cannot encode {codec}")
    data = encode(container, codec)
    assert kind_of(data, whole=True) == Kind(name, accepted=True)
    assert name in NAMES
    assert kind_of(data[:8192]) == Kind(name, accepted=True)


SIGNED = {
    "NIST SPHERE": b"NIST_1A\n   1024\n",
    "GSM": (b"\xd5" + bytes(32)) * 50,
    "DTS": b"\x7f\xfe\x80\x01\xfc\x3c",
    "RealMedia": b".RMF\x00\x00\x00\x12",
    "IRCAM": b"\x64\xa3\x01\x00",
    "SoX": b".SoX",
    "MXF": b"\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02\x01\x01\x02",
    "AMR": b"#!AMR-WB\n",
    "DV": b"\x1f\x07\x00\x3f",
}


@pytest.mark.parametrize("name", SIGNED)
def test_signatures(name: str) -> None:
    """Containers that nothing here encodes are told by their signature."""
    assert kind_of(SIGNED[name] + b"\xd0" * 33, whole=True) == Kind(name, accepted=True)
    assert name in NAMES


OTHERS = {
    "a PDF": b"%PDF-1.7\n",
    "a zip archive or an Office document": b"PK\x03\x04\x14\x00",
    "a gzip archive": b"\x1f\x8b\x08\x00",
    "a JPEG picture": b"\xff\xd8\xff\xe0",
    "a HEIF or AVIF picture": b"\x00\x00\x00\x18ftypheic",
    "RIFF WEBP": b"RIFF\x24\x00\x00\x00WEBPVP8 ",
    "FORM 8SVX": b"FORM\x00\x00\x10\x008SVX",
    "an Olympus dictation (DSS)": b"\x03dss\x01",
    "a text": b"The minutes of Monday.\n",
    "an HTML page": b"<!DOCTYPE html>\n<html>",
    "a JSON text": b'{"error": "not found"}',
    "a playlist, which only names recordings": b"#EXTM3U\ncall.wav\n",
    "a script for FFmpeg, which only names recordings": b"ffconcat version 1.0\nfile call.wav\n",
    "a session description (SDP), which only names a recording": b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\n",
}


@pytest.mark.parametrize("name", OTHERS)
def test_others_are_named(name: str) -> None:
    """What is no recording has a name that people know, and the refusal tells what is accepted."""
    kind = kind_of(OTHERS[name], whole=True)
    assert kind == Kind(name, accepted=False)
    with pytest.raises(UnsupportedFormat, match=f"This is {re.escape(name)}. Accepted are WAV, .* and RealMedia"):
        check_accepted(kind)


def test_texts_in_other_scripts() -> None:
    """UTF-8, UTF-16 and the 8 bits of one language are texts as well."""
    for text in ("会议纪要：今天讨论了预算。".encode(), "Zürich".encode("latin-1"), "Minutes".encode("utf-16")):
        kind = kind_of(text * 5, whole=True)
        assert kind is not None
        assert kind.name == "a text"


def test_what_is_of_no_known_format_says_how_samples_are_declared() -> None:
    """Samples without a container could be anything; the refusal says how they are sent."""
    samples = np.random.default_rng(1).integers(-9000, 9000, 5_000).astype("<i2").tobytes()
    kind = kind_of(samples, whole=True)
    assert kind == UNKNOWN
    with pytest.raises(UnsupportedFormat, match="audio/L16; rate=8000"):
        check_accepted(UNKNOWN)


def test_frames_behind_noise() -> None:
    """MP3 that begins late is found as far as FFmpeg looks, and no verdict falls before."""
    noise = bytes(range(1, 256)) * 1_000
    assert kind_of(noise) is None
    assert kind_of(noise + encode("mp3", "libmp3lame")) == Kind("MP3", accepted=True)
    assert kind_of(noise * 5) == UNKNOWN
    assert len(noise * 5) > LOOK_BYTES


def test_damage_in_a_header_is_for_the_decoder() -> None:
    """A file that breaks off within its signature, or says no kind behind RIFF, is damaged and not foreign."""
    for head in (b"RIFF", b"fL", b"RIFF\x00\x01\x02\x03\x04\x05\x06\x07", b"OggS"):
        kind = kind_of(head, whole=True)
        assert kind is not None
        assert kind.accepted


def test_the_look_at_what_comes() -> None:
    """A refusal falls as early as it is certain, however the bytes are cut, and texts only when enough has come."""
    look = FirstBytes()
    for at in range(63):
        look.feed(b"%PDF-1.7\n"[at : at + 1] or b"\x00")
    with pytest.raises(UnsupportedFormat):
        look.feed(b"\x00")
    look = FirstBytes()
    look.feed(b"no recording, " * 10)
    with pytest.raises(UnsupportedFormat):
        look.finish()
    look = FirstBytes()
    look.feed(b"no recording, " * 10)
    with pytest.raises(UnsupportedFormat):
        look.feed(b"no recording, " * 500)
    FirstBytes().finish()


@given(data=st.binary(max_size=300), cuts=st.lists(st.integers(0, 300), max_size=5))
def test_cuts_change_no_verdict(data: bytes, cuts: list[int]) -> None:
    """Bytes that come in pieces are judged as those that come at once."""

    def verdict(pieces: list[bytes]) -> str:
        look = FirstBytes()
        try:
            for piece in pieces:
                look.feed(piece)
            look.finish()
        except UnsupportedFormat as error:
            return str(error)
        return ""

    at = sorted({0, *(min(cut, len(data)) for cut in cuts), len(data)})
    assert verdict([data[a:b] for a, b in pairwise(at)]) == verdict([data])


def test_a_stream_is_read_no_further_than_needed() -> None:
    """A kilobyte tells a WAV file from a text; nothing is no recording."""
    file = io.BytesIO(struct.pack("<4sI4s", b"RIFF", 0, b"WAVE") + bytes(1 << 20))
    assert kind_of_stream(file).name == "WAV"
    assert file.tell() <= 4096
    with pytest.raises(EmptyAudio):
        kind_of_stream(io.BytesIO())


def test_one_list() -> None:
    """No demuxer stands for two containers, none reads scripts, and the words for people name all of them."""
    assert len(set(DEMUXERS)) == len(DEMUXERS)
    assert not {"concat", "hls", "dash", "sdp", "rtsp", "image2", "ffmetadata", "webm_dash_manifest"} & set(DEMUXERS)
    assert all(container.name in ACCEPTED for container in CONTAINERS)
