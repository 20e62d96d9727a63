"""Recordings with several sound tracks: what is listed, which is heard, and all of them side by side."""

import dataclasses
import io
import itertools
import tracemalloc
from pathlib import Path

import av
import numpy as np
import pytest

from pipelines.audio.clock import demultiplexer
from pipelines.audio.decode import decode_audio, probe
from pipelines.audio.mixing import Remix
from pipelines.audio.sandbox import IsolatedDecoder
from pipelines.audio.sound import Sound, SoundReport, read_sound, sound_bytes, sound_notes
from pipelines.core import SAMPLE_RATE, SoundTrack, TrackState
from pipelines.errors import NoAudioStream, TooLong, UnsupportedFormat
from pipelines.notes import NoteCode

RATE = 48_000
PACKET = 4800  # samples; 0.1 s


@dataclasses.dataclass(frozen=True, kw_only=True)
class Written:
    """A track to write: a tone in all its channels, from ``start_s`` on; 0 Hz is silence."""

    hz: float
    seconds: float = 3.0
    start_s: float = 0.0
    layout: str = "mono"
    codec: str = "pcm_s16le"
    metadata: dict[str, str] = dataclasses.field(default_factory=dict)
    default: bool = False


def tone(hz, seconds, rate=RATE):
    return (8000 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)).astype(np.int16)


def recording(*tracks, container="matroska"):
    """Write tracks into one file, packets in the order of time."""
    file = io.BytesIO()
    with av.open(file, "w", format=container) as out:
        streams = []
        for track in tracks:
            stream = out.add_stream(track.codec, rate=RATE, layout=track.layout)
            stream.metadata.update(track.metadata)
            if track.default:
                stream.disposition = av.stream.Disposition.default
            streams.append(stream)
        pieces = []
        for number, track in enumerate(tracks):
            samples = tone(track.hz, track.seconds)
            for at in range(0, len(samples), PACKET):
                pieces.append((track.start_s + at / RATE, number, samples[at : at + PACKET]))
        for at_s, number, samples in sorted(pieces, key=lambda piece: piece[:2]):
            n_channels = av.AudioLayout(tracks[number].layout).nb_channels
            packed = np.repeat(samples, n_channels).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(packed, format="s16", layout=tracks[number].layout)
            frame.sample_rate, frame.pts = RATE, round(at_s * RATE)
            out.mux(streams[number].encode(frame))
        for stream in streams:
            out.mux(stream.encode(None))
    file.seek(0)
    return file


def heard(file, **options):
    """Decode everything; return the samples and what was heard."""
    report = SoundReport()
    blocks = list(decode_audio(file, **{"max_duration_s": 600.0, "report": report, **options}))
    return np.concatenate(blocks, axis=1), report.sound


def loudest_hz(samples):
    spectrum = np.abs(np.fft.rfft(samples.astype(np.float64)))
    return round(float(np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE)[spectrum.argmax()]))


def states(sound):
    return [track.state.value for track in sound.tracks]


DESKTOP = Written(hz=300, metadata={"title": "Desktop", "language": "eng"}, default=True)
MICROPHONE = Written(hz=700, metadata={"title": "Microphone", "language": "ger"})


def test_tracks_are_listed():
    """Number, codec, channels, language, title and which one players begin with."""
    samples, sound = heard(recording(DESKTOP, dataclasses.replace(MICROPHONE, layout="stereo")))
    assert [dataclasses.replace(track, duration_s=None) for track in sound.tracks] == [
        SoundTrack(
            number=1,
            codec="pcm_s16le",
            n_channels=1,
            language="eng",
            title="Desktop",
            is_default=True,
            state=TrackState.HEARD,
            channels=(0,),
        ),
        SoundTrack(number=2, codec="pcm_s16le", n_channels=2, language="ger", title="Microphone"),
    ]
    assert [track.duration_s for track in sound.tracks] == pytest.approx([3.0, 3.0], abs=0.1)
    assert loudest_hz(samples[0]) == 300


@pytest.mark.parametrize(
    ("metadata", "title", "language"),
    [
        ({}, "", ""),
        ({"language": "und", "handler_name": "SoundHandler"}, "", ""),
        ({"language": "fra", "handler_name": "Commentaire"}, "Commentaire", "fra"),
        ({"title": "a\nb\u202e" + "x" * 200}, "a b" + "x" * 97, ""),
    ],
)
def test_names_of_tracks_are_those_that_people_gave(metadata, title, language):
    """What programs write of themselves is no title; a title is one line of bounded length."""
    _, sound = heard(recording(Written(hz=300, codec="aac", metadata=metadata), container="mp4"))
    (track,) = sound.tracks
    assert (track.title, track.language) == (title, language)


def test_the_default_track_is_heard():
    """Where it stands, and what was left out is told."""
    file = recording(dataclasses.replace(DESKTOP, default=False), dataclasses.replace(MICROPHONE, default=True))
    samples, sound = heard(file)
    assert (loudest_hz(samples[0]), states(sound)) == (700, ["left_out", "heard"])
    (note,) = sound_notes(sound, chosen=False)
    assert note.code is NoteCode.TRACKS_LEFT_OUT
    assert note.values == {"n_tracks": 2, "heard": "2 (Microphone, ger)", "left_out": "1 (Desktop, eng)"}
    assert sound_notes(sound, chosen=True) == ()


@pytest.mark.parametrize("channels", ["mix", "split"])
def test_a_silent_default_gives_way(channels):
    """To the next track with sound, as wide as that one is; what was passed over is told."""
    silent = Written(hz=0, layout="stereo", default=True)
    samples, sound = heard(recording(silent, MICROPHONE, Written(hz=300)), channels=channels)
    assert (samples.shape[0], loudest_hz(samples[0])) == (1, 700)
    assert states(sound) == ["silent", "heard", "left_out"]
    assert [note.code for note in sound_notes(sound, chosen=False)] == [
        NoteCode.TRACK_SILENT,
        NoteCode.TRACKS_LEFT_OUT,
    ]


def test_where_all_are_silent_the_default_is_heard():
    """As silence."""
    samples, sound = heard(recording(Written(hz=0), Written(hz=0, default=True)))
    assert not samples.any()
    assert states(sound) == ["left_out", "heard"]


def test_a_track_that_is_silent_for_long_is_no_silent_one():
    """It is looked at until there is sound."""
    late = Written(hz=300, start_s=30.0, default=True, seconds=2.0)
    samples, sound = heard(recording(late, dataclasses.replace(MICROPHONE, seconds=32.0)))
    assert states(sound) == ["heard", "left_out"]
    assert loudest_hz(samples[0]) == 300


def undecodable(file):
    """Return an MP4 file of AAC tracks the last of which is of a codec that nobody knows."""
    data = file.getvalue()
    for name in (b"mp4a", b"esds"):
        at = data.rindex(name)
        data = data[:at] + b"zzzz" + data[at + 4 :]
    return io.BytesIO(data)


def test_an_undecodable_default_gives_way():
    """A telephone's video may hold a track that few programs decode, as the default one."""
    aac = Written(hz=300, codec="aac")
    file = undecodable(recording(aac, dataclasses.replace(aac, hz=700, default=True), container="mp4"))
    samples, sound = heard(file)
    assert (loudest_hz(samples[0]), states(sound)) == (300, ["heard", "undecodable"])
    assert [note.code for note in sound_notes(sound, chosen=False)] == [NoteCode.TRACK_UNDECODABLE]
    assert probe(file).codec == "aac"
    _, sound = heard(file, track="all")
    assert states(sound) == ["heard", "undecodable"]
    with pytest.raises(UnsupportedFormat, match="sound track 2"):
        heard(file, track="2")


def test_a_default_in_which_nothing_decodes_gives_way():
    """Its codec is known, its packets are nonsense."""
    file = recording(Written(hz=300, codec="opus", default=True), Written(hz=700))
    data = file.getvalue()
    report = SoundReport()
    container = av.open(io.BytesIO(data))
    for packet in container.demux(container.streams.audio[0]):
        body = bytes(packet)
        if body:
            data = data.replace(body, b"\xff" * len(body))
    samples = np.concatenate(list(decode_audio(io.BytesIO(data), max_duration_s=60.0, report=report)), axis=1)
    assert (loudest_hz(samples[0]), states(report.sound)) == (700, ["undecodable", "heard"])


def test_a_track_may_be_chosen():
    """By its number; one that is not there is named."""
    samples, sound = heard(recording(DESKTOP, MICROPHONE), track="2")
    assert (loudest_hz(samples[0]), states(sound)) == (700, ["left_out", "heard"])
    with pytest.raises(NoAudioStream, match="no sound track 3: the recording has 2"):
        heard(recording(DESKTOP, MICROPHONE), track="3")


def test_all_tracks_become_channels():
    """One each, or with "split" each of their channels, in the order of the file."""
    wide = dataclasses.replace(MICROPHONE, layout="stereo")
    samples, sound = heard(recording(DESKTOP, wide), track="all")
    assert [loudest_hz(channel) for channel in samples] == [300, 700]
    assert [track.channels for track in sound.tracks] == [(0,), (1,)]
    samples, sound = heard(recording(DESKTOP, wide), track="all", channels="split")
    assert [loudest_hz(channel) for channel in samples] == [300, 700, 700]
    assert [track.channels for track in sound.tracks] == [(0,), (1, 2)]


def test_too_many_channels_together_are_refused():
    """The limit is that of the transcript's channels."""
    with pytest.raises(UnsupportedFormat, match="3 channels, the limit is 2"):
        heard(recording(DESKTOP, MICROPHONE, DESKTOP), track="all", max_channels=2)
    with pytest.raises(TooLong):
        heard(recording(DESKTOP, dataclasses.replace(MICROPHONE, seconds=5.0)), track="all", max_duration_s=4.0)


def edges(channel):
    """Where a channel begins and ends to sound, in seconds."""
    loud = np.flatnonzero(np.abs(channel.astype(np.int32)) > 1000)
    return loud[0] / SAMPLE_RATE, (loud[-1] + 1) / SAMPLE_RATE


@pytest.mark.parametrize("container", ["matroska", "mov"])
@pytest.mark.parametrize("waiting_bytes", [demultiplexer.MAX_WAITING_BYTES, 1_000_000])
def test_tracks_are_on_one_clock(container, waiting_bytes, monkeypatch):
    """One begins late, one ends early: each lies where it is on the recording's clock, however few packets may wait."""
    monkeypatch.setattr(demultiplexer, "MAX_WAITING_BYTES", waiting_bytes)
    file = recording(
        Written(hz=300, seconds=40.0),
        Written(hz=500, seconds=10.0, start_s=25.0),
        Written(hz=700, seconds=5.0),
        container=container,
    )
    samples, _ = heard(file, track="all", block_s=3.0)
    assert samples.shape[1] / SAMPLE_RATE == pytest.approx(40.0, abs=0.05)
    found = [edges(channel) for channel in samples]
    assert found == [pytest.approx(each, abs=0.05) for each in [(0.0, 40.0), (25.0, 35.0), (0.0, 5.0)]]
    assert [loudest_hz(channel) for channel in samples] == [300, 500, 700]


def test_memory_does_not_grow_with_the_length(monkeypatch):
    """A track that ended early makes no packets of the other lie in wait without bound."""
    monkeypatch.setattr(demultiplexer, "MAX_WAITING_BYTES", 1 << 20)
    file = recording(Written(hz=300, seconds=300.0), Written(hz=700, seconds=1.0))
    tracemalloc.start()
    try:
        n_samples = sum(block.shape[1] for block in decode_audio(file, track="all", max_duration_s=600.0))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert n_samples == 300 * SAMPLE_RATE
    assert peak < 8 << 20  # the whole of it has 19 MB


def test_silence_in_place_of_packets_is_of_the_kind_of_the_track():
    """Of its format, layout and rate; where nothing is known yet, of a usual one."""
    for kind, layout in itertools.product(("fltp", "s16", "u8", "s32p"), ("mono", "5.1")):
        like = av.AudioFrame(format=kind, layout=layout, samples=10)
        like.sample_rate = 44_100
        frame = demultiplexer.silent_frame(like, 2.5)
        assert (frame.format.name, frame.layout.name, frame.sample_rate, frame.time) == (kind, layout, 44_100, 2.5)
        values = frame.to_ndarray()
        assert (values == (128 if kind == "u8" else 0)).all()


def test_another_process_says_the_same():
    """Samples and what was heard, from the sandbox."""
    file = recording(Written(hz=0, default=True), MICROPHONE, DESKTOP)
    here, sound = heard(file)
    decoder = IsolatedDecoder()
    try:
        decoding = decoder(file, max_duration_s=600.0)
        assert np.array_equal(np.concatenate(list(decoding), axis=1), here)
        assert decoding.sound == sound
        both = decoder(file, max_duration_s=600.0, track="all")
        assert np.concatenate(list(both), axis=1).shape[0] == 3
        assert [track.channels for track in both.sound.tracks] == [(0,), (1,), (2,)]
    finally:
        decoder.close()


SOUND = Sound(
    tracks=(SoundTrack(number=1, codec="aac", n_channels=2, title="a\u202eb", duration_s=3.0, channels=(0,)),),
    remixes={0: (Remix(start_s=0.0, end_s=1.0, below_db=99.0),)},
)


def test_what_was_heard_survives_the_way():
    """All of it; titles are cleaned."""
    (track,) = SOUND.tracks
    cleaned = dataclasses.replace(SOUND, tracks=(dataclasses.replace(track, title="ab"),))
    assert read_sound(sound_bytes(SOUND)) == cleaned
    (note,) = sound_notes(SOUND, chosen=True)
    assert note.values == {"total_s": 1.0, "first_s": 0.0, "below_db": 99}


@pytest.mark.parametrize(
    "change",
    [
        {"duration_s": float("nan")},
        {"duration_s": float("inf")},
        {"duration_s": -1.0},
        {"title": "x" * 101},
        {"n_channels": -1},
        {"state": "no such"},
    ],
    ids=str,
)
def test_what_cannot_be_is_not_believed(change):
    """The process that says it has seen the recording."""
    (track,) = SOUND.tracks
    with pytest.raises(ValueError, match=r"."):
        read_sound(sound_bytes(dataclasses.replace(SOUND, tracks=(dataclasses.replace(track, **change),))))


def test_one_track_is_not_looked_at_twice(tmp_path: Path):
    """Most recordings have one: their file is opened once."""
    (tmp_path / "a.mkv").write_bytes(recording(DESKTOP).getvalue())
    opened = []

    class Counted(io.BytesIO):
        def seek(self, *arguments):
            opened.append(arguments == (0,))
            return super().seek(*arguments)

    list(decode_audio(Counted((tmp_path / "a.mkv").read_bytes()), max_duration_s=60.0))
    once = sum(opened)
    opened.clear()
    probe(Counted((tmp_path / "a.mkv").read_bytes()))
    assert once <= sum(opened) + 1
