"""Damaged recordings: what was lost is told in its place, and what follows keeps its own."""

import io
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipelines.audio.decode import decode_audio
from pipelines.audio.sound import Sound, SoundReport, sound_notes
from pipelines.core import SAMPLE_RATE, BlobRef, CoverageStatus, Span
from pipelines.errors import InputError
from pipelines.notes import NoteCode
from pipelines.transcript.coverage import DAMAGED_AUDIO, coverage_ledger
from tests.support.encoded_audio import Samples, encode, loud, tone
from tests.support.recordings import RECORDINGS

LENGTH_S = 12.0
CONTAINERS = {
    "wav": ("pcm_s16le", 16_000),
    "w64": ("pcm_s16le", 16_000),
    "aiff": ("pcm_s16be", 16_000),
    "au": ("pcm_mulaw", 8_000),
    "caf": ("pcm_s16le", 16_000),
    "mp3": ("libmp3lame", 16_000),
    "flac": ("flac", 16_000),
    "ogg": ("libopus", 48_000),
    "webm": ("libopus", 48_000),
    "matroska": ("aac", 16_000),
    "mp4": ("aac", 16_000),
    "adts": ("aac", 16_000),
    "asf": ("wmav2", 16_000),
}
PLAIN = ("wav", "w64", "aiff", "au", "caf")  # bytes are samples there: no error is ever reported
SELF_TIMED = ("mp3", "flac", "ogg", "webm", "matroska", "mp4")  # those that say how much a hole in them lost


@lru_cache
def recording(container: str) -> bytes:
    """Noise as loud as speech, from the first sample to the last."""
    codec, rate = CONTAINERS[container]
    noise = np.random.default_rng(3).normal(0, 6000, (1, round(LENGTH_S * rate)))
    smooth = np.apply_along_axis(np.convolve, 1, noise, np.ones(4) / 2, "same").clip(-32_000, 32_000)
    bit_rate = None if codec.startswith(("pcm", "flac")) else 32_000
    return encode(smooth.astype(np.int16), rate, container, codec, bit_rate=bit_rate).getvalue()


@dataclass(frozen=True)
class Heard:
    """What came out: samples of one channel, what was told, and the clock's length in seconds."""

    pcm: Samples
    sound: Sound

    @property
    def length_s(self) -> float:
        return max(self.pcm.shape[0], *(damage.end for damage in self.sound.damaged), 0) / SAMPLE_RATE

    @property
    def damaged_s(self) -> list[tuple[float, float]]:
        return [(damage.start / SAMPLE_RATE, damage.end / SAMPLE_RATE) for damage in self.sound.damaged]

    @property
    def silent_s(self) -> float:
        """Seconds of silence that are told as silence."""
        quiet = ~loud(self.pcm)
        for start_s, end_s in self.damaged_s:
            quiet[max(0, round(start_s * 100) - 2) : round(end_s * 100) + 2] = False
        return float(quiet.sum()) / 100

    @property
    def codes(self) -> list[NoteCode]:
        return [note.code for note in sound_notes(self.sound, chosen=False)]


def hear(data: bytes) -> Heard:
    report = SoundReport()
    blocks = list(decode_audio(io.BytesIO(data), max_duration_s=600.0, report=report))
    return Heard(np.concatenate(blocks, axis=1)[0], report.sound)


def broken(data: bytes, kind: str, start: float, length: float, seed: int = 0) -> bytes:
    """Break a share of the bytes: ``zeroed``, made ``random``, ``cut`` out; or everything from there on is gone."""
    first, last = round(len(data) * start), round(len(data) * (start + length))
    if kind == "truncated":
        return data[:first]
    rng = np.random.default_rng(seed)
    filling = {"zeroed": bytes(last - first), "random": rng.integers(0, 256, last - first, np.uint8).tobytes()}
    return data[:first] + filling.get(kind, b"") + data[last:]


@pytest.mark.parametrize("container", CONTAINERS)
def test_a_whole_recording_has_lost_nothing(container: str) -> None:
    """No stretch, no note."""
    heard = hear(recording(container))
    assert heard.sound.damaged == ()
    assert heard.codes == []
    assert heard.length_s == pytest.approx(LENGTH_S, abs=0.2)


@pytest.mark.parametrize(
    ("container", "kind"),
    # Cut out of MP4, its table of contents is no longer where the file says: nothing is found there.
    [pair for pair in product(SELF_TIMED, ["zeroed", "random", "cut"]) if pair != ("mp4", "cut")],
)
def test_a_hole_is_told_in_its_place(container: str, kind: str) -> None:
    """15 % in the middle are failed where they were, and what follows comes at its own time."""
    heard = hear(broken(recording(container), kind, 0.4, 0.15))
    ((start_s, end_s),) = heard.damaged_s
    assert start_s == pytest.approx(0.4 * LENGTH_S, abs=1.2)  # a second in a page of Ogg
    # Of Matroska FFmpeg reads on with the next cluster, which begins every five seconds.
    assert end_s == pytest.approx(0.55 * LENGTH_S, abs=5.0 if container in ("webm", "matroska") else 1.2)
    assert heard.length_s == pytest.approx(LENGTH_S, abs=0.2)
    assert heard.silent_s < 0.1
    assert heard.codes == [NoteCode.DAMAGED_AUDIO]


@pytest.mark.parametrize("container", [name for name in CONTAINERS if name not in ("adts", "ogg", "mp4")])
def test_a_missing_end_is_told(container: str) -> None:
    """A header that knows the length tells how much is missing; the clock has it."""
    heard = hear(broken(recording(container), "truncated", 0.6, 0))
    ((start_s, end_s),) = heard.damaged_s
    assert start_s == pytest.approx(0.6 * LENGTH_S, abs=0.8)
    assert end_s == heard.length_s == pytest.approx(LENGTH_S, abs=0.2)
    (note,) = sound_notes(heard.sound, chosen=False)
    assert note.code is NoteCode.SHORTER_THAN_DECLARED
    assert note.values["declared_s"] == pytest.approx(LENGTH_S, abs=0.2)
    assert note.values["found_s"] == pytest.approx(start_s, abs=0.01)
    assert note.text == f"The file declares {note.values['declared_s']} s; {note.values['found_s']} s were found."


@pytest.mark.parametrize("name", ["truncated.m4a", "truncated.flac"])
def test_sample_recordings_that_were_cut_off(name: str) -> None:
    """An m4a whose table comes first, and a FLAC."""
    heard = hear((RECORDINGS / name).read_bytes())
    assert heard.codes == [NoteCode.SHORTER_THAN_DECLARED]
    assert heard.length_s == pytest.approx(20.56, abs=0.01)


def test_bytes_without_frames_count_as_time_where_nothing_else_does() -> None:
    """In ADTS the place of the next frame tells how long the hole is; of what was cut out it tells that it was."""
    zeroed = hear(broken(recording("adts"), "zeroed", 0.4, 0.15))
    ((start_s, end_s),) = zeroed.damaged_s
    assert end_s - start_s == pytest.approx(0.15 * LENGTH_S, abs=0.3)
    assert zeroed.length_s == pytest.approx(LENGTH_S, abs=0.3)
    cut = hear(broken(recording("adts"), "cut", 0.4, 0.15))
    assert cut.codes == [NoteCode.DAMAGED_AUDIO]
    assert cut.length_s == pytest.approx(0.85 * LENGTH_S, abs=0.3)


def test_tags_between_glued_files_are_no_damage() -> None:
    """Two MP3 files, the second with a picture in its tag and a header that counts its frames."""
    picture = np.random.default_rng(0).integers(0, 256, 60_000, np.uint8).tobytes()
    size = bytes([len(picture) >> 21 & 127, len(picture) >> 14 & 127, len(picture) >> 7 & 127, len(picture) & 127])
    one = recording("mp3")
    heard = hear(one + b"TAG" + bytes(125) + b"ID3\x03\0\0" + size + picture + one)
    assert heard.sound.damaged == ()
    assert heard.length_s == pytest.approx(2 * LENGTH_S, abs=0.3)


@pytest.mark.parametrize("size", [0, 0x7FFFFFFF, 0xFFFFFFFF])
def test_a_size_that_was_never_written_is_no_length(size: int) -> None:
    """A recorder that was cut off leaves the size it began with."""
    data = bytearray(recording("wav"))
    at = data.index(b"data") + 4
    data[at : at + 4] = size.to_bytes(4, "little")
    heard = hear(bytes(data))
    assert heard.codes == []
    assert heard.length_s == pytest.approx(LENGTH_S)


def test_a_guess_from_a_bit_rate_is_no_length() -> None:
    """Of an MP3 without a header FFmpeg guesses the length; half a file declares nothing."""
    headerless = recording("mp3")[recording("mp3").index(b"\xff", 200) :]
    assert hear(headerless[: len(headerless) // 2]).codes == []


@pytest.mark.parametrize("codec", ["adpcm_ms", "adpcm_ima_wav", "g722", "pcm_mulaw", "pcm_s16le"])
def test_a_rate_of_bytes_in_a_header_is_no_length(codec: str) -> None:
    """Many writers have it wrong, FFmpeg for ADPCM among them; the samples are counted, or each has its bits."""
    data = bytearray(encode(tone(LENGTH_S, 16_000), 16_000, "wav", codec).getvalue())
    at = data.index(b"fmt ") + 16
    data[at : at + 4] = (int.from_bytes(data[at : at + 4], "little") // 2).to_bytes(4, "little")
    found = hear(bytes(data))
    assert found.length_s == pytest.approx(LENGTH_S, abs=0.15)  # ADPCM fills its last block
    assert found.codes == []


@pytest.mark.parametrize("codec", ["adpcm_ms", "pcm_mulaw"])
def test_samples_that_are_counted_and_not_there_are_told(codec: str) -> None:
    """Half of the file is there; the clock goes on to its end."""
    data = encode(tone(LENGTH_S, 16_000), 16_000, "wav", codec).getvalue()
    found = hear(data[: len(data) // 2])
    assert found.length_s == pytest.approx(LENGTH_S, abs=0.1)
    assert found.codes == [NoteCode.SHORTER_THAN_DECLARED]


def test_a_declared_length_beyond_the_limit_is_told_and_not_kept() -> None:
    """A header that lies costs nothing."""
    data = bytearray(recording("wav"))
    at = data.index(b"data") + 4
    data[at : at + 4] = (0x70000000).to_bytes(4, "little")
    heard = hear(bytes(data))
    assert heard.length_s == pytest.approx(LENGTH_S)
    assert heard.codes == [NoteCode.SHORTER_THAN_DECLARED]


def ledger_of(heard: Heard) -> dict[CoverageStatus, float]:
    """Seconds by status of a transcript in which nothing was heard."""
    span = Span(index=0, channel=0, start=0, end=len(heard.pcm), pcm=BlobRef(key="", n_bytes=0))
    ledger = coverage_ledger([span], {}, duration_s=heard.length_s, n_channels=1, damaged=heard.sound.damaged)
    assert all(interval.note == DAMAGED_AUDIO for interval in ledger if interval.health is CoverageStatus.FAILED)
    assert [interval.start_s for interval in ledger] == [0.0, *(interval.end_s for interval in ledger)][: len(ledger)]
    sums = dict.fromkeys(CoverageStatus, 0.0)
    for interval in ledger:
        sums[interval.health] += interval.end_s - interval.start_s
    return sums


@given(
    container=st.sampled_from(sorted(CONTAINERS)),
    kind=st.sampled_from(["zeroed", "random", "cut", "truncated"]),
    start=st.floats(0.05, 0.95),
    length=st.floats(0.02, 0.3),
    seed=st.integers(0, 99),
)
@example(container="webm", kind="zeroed", start=0.5, length=0.2, seed=0)
@example(container="webm", kind="random", start=0.6408586330444387, length=0.0625, seed=73)
@example(container="asf", kind="zeroed", start=0.5, length=0.25, seed=0)
@example(container="mp4", kind="random", start=0.3, length=0.2, seed=1)
@settings(max_examples=40, deadline=None)
def test_no_second_that_was_lost_is_silence(container: str, kind: str, start: float, length: float, seed: int) -> None:
    """Whatever is broken, wherever: what was heard, silence and what failed make up the clock, and none is silence.

    But in plain samples, where a zero is as good as any other.
    """
    try:
        heard = hear(broken(recording(container), kind, start, min(length, 1 - start), seed))
    except InputError:
        return
    sums = ledger_of(heard)
    assert sum(sums.values()) == pytest.approx(heard.length_s)
    assert sums[CoverageStatus.FAILED] == pytest.approx(heard.sound.damaged_s, abs=1e-6)
    if container not in PLAIN or kind != "zeroed":
        assert heard.silent_s < 0.15
    has_end = container != "ogg" or start + length < 0.85  # Ogg has no other length than its last page
    if container in SELF_TIMED and kind in ("zeroed", "random") and has_end:
        assert heard.length_s == pytest.approx(LENGTH_S, abs=0.75)


def test_a_frame_of_tones_is_loud() -> None:
    """The measure of this file sees the sound that it looks for."""
    assert loud(tone(1, SAMPLE_RATE)[0]).all()
