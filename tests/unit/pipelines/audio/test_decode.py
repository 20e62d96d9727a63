"""Decoding: every accepted format, damage of every kind, and what must never be opened."""

import io
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.audio.decode import decode_audio, probe
from pipelines.core import SAMPLE_RATE
from pipelines.errors import (
    CorruptAudio,
    EmptyAudio,
    InputError,
    NoAudioStream,
    SourceUnreachable,
    StoreUnavailable,
    TooLong,
    UnsupportedFormat,
)
from tests.support.encoded_audio import PacketFilter, encode, loud, loudest_hz, tone, wav
from tests.support.recordings import RECORDINGS, expectations, truth

LIMIT_S = 600.0


def decode(source: Any, **options: Any) -> np.ndarray:
    """Decode everything to one array."""
    return np.concatenate(list(decode_audio(source, **{"max_duration_s": LIMIT_S, **options})), axis=1)


FORMATS_TO_TRY = [
    ("wav", "pcm_s16le", 16_000),
    ("wav", "pcm_mulaw", 8_000),
    ("wav", "pcm_alaw", 8_000),
    ("wav", "pcm_s24le", 96_000),
    ("wav", "pcm_f32le", 44_100),
    ("w64", "pcm_s16le", 48_000),
    ("aiff", "pcm_s16be", 44_100),
    ("au", "pcm_mulaw", 8_000),
    ("caf", "pcm_s16le", 22_050),
    ("mp3", "libmp3lame", 44_100),
    ("flac", "flac", 48_000),
    ("ogg", "libopus", 48_000),
    ("webm", "libopus", 48_000),
    ("matroska", "aac", 44_100),
    ("ipod", "aac", 44_100),
    ("3gp", "aac", 16_000),
    ("adts", "aac", 22_050),
    ("amr", "libopencore_amrnb", 8_000),
    ("asf", "wmav2", 44_100),
    ("avi", "libmp3lame", 44_100),
    ("mpegts", "mp2", 48_000),
    ("mpeg", "mp2", 48_000),
    ("flv", "libmp3lame", 44_100),
    ("ac3", "ac3", 48_000),
    ("eac3", "eac3", 48_000),
    ("latm", "aac", 44_100),
    ("wv", "wavpack", 44_100),
    ("tta", "tta", 44_100),
    ("voc", "pcm_u8", 8_000),
    ("ircam", "pcm_s16le", 16_000),
    ("sox", "pcm_s32le", 16_000),
    ("rm", "ac3", 48_000),
]


@pytest.mark.parametrize(("container", "codec", "rate"), FORMATS_TO_TRY)
def test_every_accepted_format_keeps_its_tone_and_length(container: str, codec: str, rate: int) -> None:
    """A second and a half of 440 Hz comes out as that, at 16 kHz, from every format and sample rate."""
    if codec not in av.codecs_available:
        pytest.skip(f"this build of PyAV cannot encode {codec}")
    pcm = decode(encode(tone(1.5, rate), rate, container, codec))
    assert pcm.dtype == np.int16
    assert pcm.shape[0] == 1
    assert abs(pcm.shape[1] / SAMPLE_RATE - 1.5) < 0.15
    assert abs(loudest_hz(pcm[0, 1600:17600]) - 440) < 3


def test_a_track_that_is_only_announced() -> None:
    """A transport stream that ends behind its tables has a track of which nothing is known: damage, and no crash."""
    tables = encode(tone(2, 48_000), 48_000, "mpegts", "mp2").getvalue()[: 3 * 188]
    assert probe(io.BytesIO(tables)).duration_s is None
    with pytest.raises(InputError):
        decode(io.BytesIO(tables))


def test_probe_reads_the_header() -> None:
    """Container, codec, channels, rate and declared duration are reported as they are."""
    info = probe(encode(tone(2, 44_100, n_channels=2), 44_100, "flac", "flac"))
    assert (info.container, info.codec, info.n_channels, info.sample_rate) == ("flac", "flac", 2, 44_100)
    assert info.duration_s == pytest.approx(2.0, abs=0.01)


def test_video_gives_its_sound(tmp_path: Path) -> None:
    """An mp4 film is decoded to its audio track, also from a path with a misleading name."""
    path = tmp_path / "film.txt"
    path.write_bytes(encode(tone(2, 44_100), 44_100, "mp4", "aac", picture=True).getvalue())
    assert abs(loudest_hz(decode(path)[0, 1600:17600]) - 440) < 3


def test_film_without_sound_is_refused() -> None:
    """A video with no audio stream is named as such."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as out:
        video = out.add_stream("mpeg4", rate=10)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        out.mux(video.encode(av.VideoFrame(64, 48, "yuv420p")))
        out.mux(video.encode(None))
    with pytest.raises(NoAudioStream):
        decode(file)
    with pytest.raises(NoAudioStream):
        probe(file)


def test_best_of_several_audio_streams_is_taken() -> None:
    """Of a mono and a stereo track the stereo one is decoded, and only it."""
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as out:
        streams = [out.add_stream("pcm_s16le", rate=SAMPLE_RATE, layout=name) for name in ("mono", "stereo")]
        for stream, n_channels, hz in zip(streams, (1, 2), (300.0, 1000.0), strict=True):
            pcm = tone(1, SAMPLE_RATE, hz, n_channels)
            frame = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(pcm.T).reshape(1, -1), format="s16", layout=stream.layout.name
            )
            frame.sample_rate, frame.pts = SAMPLE_RATE, 0
            out.mux(stream.encode(frame))
            out.mux(stream.encode(None))
    pcm = decode(file, channels="split")
    assert pcm.shape == (2, SAMPLE_RATE)
    assert abs(loudest_hz(pcm[0]) - 1000) < 3


def test_split_keeps_channels_apart_and_mix_joins_them() -> None:
    """A stereo call gives two arrays whose samples are the originals, or one that is their mean."""
    pcm = tone(1, SAMPLE_RATE, n_channels=2)
    np.testing.assert_array_equal(decode(wav(pcm), channels="split"), pcm)
    np.testing.assert_allclose(decode(wav(pcm))[0], pcm.astype(np.int32).mean(axis=0), atol=1)


@pytest.mark.parametrize("n_channels", [3, 4, 8, 16])
def test_channels_without_positions_count_alike_in_a_mix(n_channels: int) -> None:
    """Tracks of a multichannel recorder are averaged: none is taken for a subwoofer and dropped."""
    levels = np.arange(1, n_channels + 1)[:, None] * np.full((1, SAMPLE_RATE), 1000)
    assert decode(wav(levels.astype(np.int16)))[0, 8000] == pytest.approx(500 * (n_channels + 1), abs=1)
    split = decode(wav(levels.astype(np.int16), 32_000), channels="split")
    np.testing.assert_allclose(split[:, 4000], levels[:, 0], atol=10)


def test_surround_is_mixed_by_position() -> None:
    """The centre of 5.1, where films put speech, stays audible in the mix."""
    pcm = np.zeros((6, 48_000), np.int16)
    pcm[2] = tone(1, 48_000)[0]
    mixed = decode(encode(pcm, 48_000, "flac", "flac"))
    assert np.abs(mixed).max() > 8000 / 6


@given(n_samples=st.integers(1, 40_000), block=st.integers(1, 50_000), seed=st.integers(0, 9))
@settings(max_examples=25, deadline=None)
def test_block_length_changes_nothing(n_samples: int, block: int, seed: int) -> None:
    """Blocks have the length asked for, the last one the rest, and joined they are the recording sample by sample."""
    pcm = np.random.default_rng(seed).integers(-32768, 32768, (2, n_samples)).astype(np.int16)
    block = max(block, n_samples // 50)
    blocks = list(decode_audio(wav(pcm), channels="split", block_s=block / SAMPLE_RATE, max_duration_s=LIMIT_S))
    assert all(b.shape[1] == block for b in blocks[:-1])
    assert 0 < blocks[-1].shape[1] <= block
    np.testing.assert_array_equal(np.concatenate(blocks, axis=1), pcm)


NEIGHBOURS = {
    "ffconcat": "ffconcat version 1.0\nfile {name}\n",
    "m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{name}\n#EXT-X-ENDLIST\n",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n",
    "mpd": '<?xml version="1.0"?><MPD type="static"><Period><BaseURL>{name}</BaseURL></Period></MPD>',
    "text": "These are the minutes of a meeting, but no recording of it.\n",
}


@pytest.mark.parametrize("kind", NEIGHBOURS)
def test_playlist_in_disguise_opens_nothing_else(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A playlist called .wav is refused from a path and from memory, although the file it names lies beside it."""
    (tmp_path / "neighbour.wav").write_bytes(wav(tone(1, SAMPLE_RATE)).getvalue())
    monkeypatch.chdir(tmp_path)
    for name in ("neighbour.wav", str(tmp_path / "neighbour.wav"), "file:neighbour.wav"):
        path = tmp_path / "call.wav"
        path.write_text(NEIGHBOURS[kind].format(name=name))
        for source in (path, io.BytesIO(path.read_bytes())):
            with pytest.raises(UnsupportedFormat):
                decode(source)


def test_nothing_at_all_is_empty_audio() -> None:
    """No bytes, and a header with no samples behind it, are told from damage."""
    with pytest.raises(EmptyAudio):
        decode(io.BytesIO())
    with pytest.raises(EmptyAudio):
        probe(io.BytesIO())
    with pytest.raises(EmptyAudio):
        decode(wav(np.zeros((1, 0), np.int16)))


def test_missing_path_is_unreachable(tmp_path: Path) -> None:
    """A path that cannot be opened is an enumerated error, not an OSError."""
    with pytest.raises(SourceUnreachable):
        decode(tmp_path / "gone.wav")


def test_unfinished_mp4_is_corrupt() -> None:
    """A recorder that died before writing the index leaves a recognisable but useless mp4."""
    whole = encode(tone(3, 44_100), 44_100, "mp4", "aac").getvalue()
    with pytest.raises(CorruptAudio):
        decode(io.BytesIO(whole[: whole.rindex(b"moov") - 4]))


def test_noise_behind_a_good_header_is_corrupt() -> None:
    """A FLAC header followed by random bytes decodes to nothing and says so."""
    whole = encode(tone(3, 44_100), 44_100, "flac", "flac").getvalue()
    noise = np.random.default_rng(0).integers(0, 255, 20_000, np.uint8).tobytes()
    with pytest.raises(CorruptAudio):
        decode(io.BytesIO(whole[:100] + noise))


def test_random_bytes_are_no_recording() -> None:
    """Noise is refused as an input error whatever FFmpeg believes to see in it."""
    for seed in range(5):
        noise = np.random.default_rng(seed).integers(0, 256, 50_000, np.uint8).tobytes()
        with pytest.raises((UnsupportedFormat, CorruptAudio)):
            decode(io.BytesIO(noise))


@pytest.mark.parametrize(("container", "codec", "rate"), [f for f in FORMATS_TO_TRY if f[0] in ("mp3", "flac", "ogg")])
def test_damage_in_the_middle_is_skipped(container: str, codec: str, rate: int) -> None:
    """Garbage in the middle of a file costs the packets it hits; what follows is decoded, on the right clock."""
    data = bytearray(encode(tone(10, rate), rate, container, codec).getvalue())
    at = len(data) // 2
    data[at : at + 600] = np.random.default_rng(1).integers(0, 256, 600, np.uint8).tobytes()
    pcm = decode(io.BytesIO(bytes(data)))
    assert abs(pcm.shape[1] / SAMPLE_RATE - 10) < 0.6
    assert abs(loudest_hz(pcm[0, -32000:-16000]) - 440) < 3


@pytest.mark.parametrize(("container", "codec"), [("mp3", "libmp3lame"), ("wav", "pcm_s16le"), ("ogg", "libopus")])
def test_truncated_recording_ends_where_the_bytes_end(container: str, codec: str) -> None:
    """Half of a file gives about half of its sound and no error."""
    whole = encode(tone(8, 48_000), 48_000, container, codec).getvalue()
    pcm = decode(io.BytesIO(whole[: len(whole) // 2]))
    assert 2.5 < pcm.shape[1] / SAMPLE_RATE < 5.5


def test_lost_packets_become_silence() -> None:
    """Packets 100 to 199 of 20 ms never arrived: two seconds of silence keep the clock right."""
    pcm = decode(encode(tone(8, 48_000), 48_000, "webm", "libopus", keep=lambda i, _: not 100 <= i < 200), block_s=0.7)
    assert abs(pcm.shape[1] / SAMPLE_RATE - 8) < 0.1
    is_loud = loud(pcm[0])
    assert is_loud[20:190].all()
    assert not is_loud[215:395].any()
    assert is_loud[415:780].all()


def test_sound_that_starts_late_keeps_its_place() -> None:
    """Audio that starts a second after the picture starts with a second of silence."""

    def later(index: int, packet: Any) -> bool:
        packet.pts += 1000 * 48 if packet.time_base.denominator == 48_000 else 1000
        packet.dts = packet.pts
        return True

    pcm = decode(encode(tone(2, 48_000), 48_000, "matroska", "libopus", picture=True, keep=later))
    is_loud = loud(pcm[0])
    assert not is_loud[:95].any()
    assert is_loud[105:290].all()


def _jump(at: int, seconds: float) -> PacketFilter:
    def change(index: int, packet: Any) -> bool:
        if index >= at:
            packet.pts += round(seconds / packet.time_base)
            packet.dts = packet.pts
        return True

    return change


def test_jump_of_hours_is_no_silence() -> None:
    """Timestamps that leap by ten hours move the clock; they do not fill ten hours, nor does an undeclared length."""
    source = encode(tone(4, 48_000), 48_000, "matroska", "libopus", keep=_jump(50, 36_000.0))
    data = source.getvalue()
    duration_element = data.index(b"\x44\x89\x88")  # Duration: blanked, as in a live recording
    live = data[:duration_element] + b"\xec\x89" + bytes(9) + data[duration_element + 11 :]
    assert probe(io.BytesIO(live)).duration_s is None
    assert abs(decode(io.BytesIO(live), max_duration_s=40_000).shape[1] / SAMPLE_RATE - 4) < 0.1


def test_length_is_counted_not_believed() -> None:
    """The limit holds for decoded samples; a header that declares hours does no harm to a short recording."""
    data = bytearray(wav(tone(5, SAMPLE_RATE)).getvalue())
    with pytest.raises(TooLong):
        decode(io.BytesIO(bytes(data)), max_duration_s=4.9)
    assert decode(io.BytesIO(bytes(data)), max_duration_s=5.0).shape[1] == 5 * SAMPLE_RATE
    at = data.index(b"data") + 4
    data[at : at + 4] = (0x7FFFFFF0).to_bytes(4, "little")
    assert decode(io.BytesIO(bytes(data)), max_duration_s=5.0).shape[1] == 5 * SAMPLE_RATE


def test_too_long_stops_early() -> None:
    """A recording beyond the limit still yields its first blocks and is not decoded to its end."""
    source = wav(tone(60, SAMPLE_RATE))
    blocks = decode_audio(source, block_s=1.0, max_duration_s=3.0)
    assert next(blocks).shape[1] == SAMPLE_RATE
    with pytest.raises(TooLong):
        list(blocks)
    assert source.tell() < len(source.getvalue()) / 2


def test_absurd_headers_are_refused() -> None:
    """More channels than allowed, and a rate that would turn kilobytes into hours, are refused before resampling."""
    with pytest.raises(UnsupportedFormat):
        decode(wav(np.zeros((17, 100), np.int16)))
    with pytest.raises(UnsupportedFormat):
        decode(wav(np.zeros((2, 100), np.int16)), max_channels=1, channels="split")
    with pytest.raises(UnsupportedFormat):
        decode(wav(np.zeros((1, 10_000), np.int16), rate=1), max_duration_s=1e9)


@pytest.mark.parametrize(
    ("container", "field", "value"),
    [("wav", b"fmt ", b"\x01\x7f"), ("caf", b"desc", bytes(8))],
    ids=["32,513 channels", "0 Hz"],
)
def test_headers_that_cannot_be_are_damage(container: str, field: bytes, value: bytes) -> None:
    """No channels or no rate, as FFmpeg takes them: what the header says of the length cannot be worked out."""
    data = bytearray(encode(tone(1.0, SAMPLE_RATE), SAMPLE_RATE, container, "pcm_s16le").getvalue())
    at = data.index(field) + {"wav": 10, "caf": 12}[container]
    data[at : at + len(value)] = value
    with pytest.raises(CorruptAudio):
        decode(io.BytesIO(bytes(data)))


def test_error_of_the_store_comes_through() -> None:
    """A source that fails while it is read is no damaged recording: its own error reaches the caller."""

    class Failing(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > 500_000:
                raise StoreUnavailable("the store went away")
            return super().read(size)

    with pytest.raises(StoreUnavailable):
        decode(Failing(wav(tone(60, SAMPLE_RATE)).getvalue()))


@pytest.mark.parametrize("name", sorted(expectations()))
def test_sample_recordings_decode_as_expected(name: str) -> None:
    """Every sample gives its true length, or the reason that its entry names."""
    expected = expectations()[name]
    if expected.outcome != "succeeds":
        with pytest.raises(InputError) as caught:
            decode(RECORDINGS / name)
        assert caught.value.reason == expected.outcome
        return
    duration_s = decode(RECORDINGS / name, max_duration_s=1000.0).shape[1] / SAMPLE_RATE
    if (RECORDINGS / f"{Path(name).stem}.truth.json").exists() and not name.startswith(("truncated", "corrupt")):
        assert duration_s == pytest.approx(truth(name).duration_s, abs=0.1)


class _LongWav(io.RawIOBase):
    """A WAV file of any length that exists only while it is read."""

    def __init__(self, seconds: int) -> None:
        self._second = tone(1, SAMPLE_RATE).tobytes()
        self._n_bytes = seconds * len(self._second)
        header = bytearray(wav(np.zeros((1, 0), np.int16)).getvalue())
        header[40:44] = self._n_bytes.to_bytes(4, "little")
        self._header = bytes(header)
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + (0, self._at, len(self._header) + self._n_bytes)[whence]
        return self._at

    def read(self, size: int = -1) -> bytes:
        if self._at < len(self._header):
            data = self._header[self._at :][:size]
        else:
            at = self._at - len(self._header)
            size = min(size, self._n_bytes - at)
            offset = at % len(self._second)
            data = (self._second * (size // len(self._second) + 2))[offset : offset + size] if size > 0 else b""
        self._at += len(data)
        return data


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads Linux's process statistics")
def test_memory_does_not_grow_with_length() -> None:
    """Half an hour of audio (58 MB of samples) passes through in less than 16 MB once the first minutes have."""
    most_growth, settled, n_samples = 0, 0, 0
    for block in decode_audio(_LongWav(1800), max_duration_s=3600):
        n_samples += block.shape[1]
        if n_samples > 120 * SAMPLE_RATE:
            settled = settled or _resident_bytes()
            most_growth = max(most_growth, _resident_bytes() - settled)
    assert n_samples == 1800 * SAMPLE_RATE
    assert most_growth < 16e6
