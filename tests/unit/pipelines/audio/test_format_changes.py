"""Recordings whose format changes on the way: every part is heard, at its place, in channels that make sense."""

import io
from typing import Any, Literal

import numpy as np
import pytest

from pipelines.audio.decode import decode_audio
from pipelines.audio.playback import PlaybackCopy
from pipelines.audio.sound import SoundReport
from pipelines.core import SAMPLE_RATE
from pipelines.errors import CorruptAudio, UnsupportedFormat
from tests.support.encoded_audio import Samples, encode, loud, loudest_hz, tone

RATE = 48_000


def decode(data: bytes, channels: Literal["mix", "split"] = "split", **options: Any) -> Samples:
    return np.concatenate(
        list(decode_audio(io.BytesIO(data), channels=channels, **{"max_duration_s": 600.0, **options})), axis=1
    )


def ogg(seconds: float, n_channels: int, codec: str = "libopus", rate: int = RATE, hz: float = 440.0) -> bytes:
    return encode(tone(seconds, rate, hz, n_channels), rate, "ogg", codec).getvalue()


def part(pcm: Samples, start_s: float, end_s: float) -> Samples:
    return pcm[:, round(start_s * SAMPLE_RATE) : round(end_s * SAMPLE_RATE)]


CHAINS = {
    "mono, then stereo": (ogg(2, 1), ogg(3, 2), ogg(1, 1)),
    "another codec": (ogg(2, 1), ogg(3, 2, "flac", 44_100), ogg(1, 1, "libopus")),
    "another rate": (ogg(2, 1, "flac", 16_000), ogg(3, 2, "flac", 44_100), ogg(1, 1, "flac", 8_000)),
}


@pytest.mark.parametrize("links", CHAINS.values(), ids=CHAINS)
def test_all_links_of_a_chain_are_heard(links: tuple[bytes, ...]) -> None:
    """Three links, the second wider: six seconds in two channels, mono in the first of them."""
    report = SoundReport()
    pcm = decode(b"".join(links), report=report)
    assert report.sound.damaged == ()
    assert pcm.shape[0] == 2
    assert pcm.shape[1] / SAMPLE_RATE == pytest.approx(6, abs=0.05)
    assert loudest_hz(part(pcm, 0.2, 1.8)[0]) == pytest.approx(440, abs=3)
    assert not part(pcm, 0, 2)[1].any()
    assert [loudest_hz(channel) for channel in part(pcm, 2.2, 4.8)] == pytest.approx([440, 880], abs=3)
    assert not part(pcm, 5.1, 5.9)[1].any()
    mixed = decode(b"".join(links), "mix")
    assert mixed.shape == (1, pcm.shape[1])
    assert loud(mixed[0])[5:-5].all()


def test_a_link_that_cannot_be_read_is_lost_time() -> None:
    """A link without its headers, between two others: its time is told as lost, about as long as it was."""
    first, second, third = ogg(3, 1), ogg(3, 1), ogg(3, 1, hz=880)
    header = second.index(b"OpusHead")
    report = SoundReport()
    pcm = decode(first + second[:header] + bytes(8) + second[header + 8 :] + third, report=report)
    (damage,) = report.sound.damaged
    assert damage.start / SAMPLE_RATE == pytest.approx(3, abs=0.05)
    assert damage.end / SAMPLE_RATE == pytest.approx(6, abs=0.5)
    assert loudest_hz(pcm[0, -2 * SAMPLE_RATE :]) == pytest.approx(880, abs=3)
    with pytest.raises(CorruptAudio):
        decode(second[:header] + bytes(8) + second[header + 8 :])


def test_a_cut_link_does_not_swallow_the_next() -> None:
    """The end of the first link is missing, in the middle of a page: the second is heard whole."""
    first, second = ogg(3, 1), ogg(3, 2, hz=880)
    pcm = decode(first[: len(first) * 4 // 5] + second)
    assert pcm.shape[0] == 2
    assert [loudest_hz(channel) for channel in part(pcm[:, ::-1], 0.2, 2.8)] == pytest.approx([880, 1760], abs=3)


def test_stamps_that_count_in_another_rate_are_no_gaps() -> None:
    """ADTS at 16 kHz mono, then at 44.1 kHz stereo: no silence between frames."""
    narrow = encode(tone(4, 16_000), 16_000, "adts", "aac").getvalue()
    wide = encode(tone(4, 44_100, n_channels=2), 44_100, "adts", "aac").getvalue()
    pcm = decode(narrow + wide)
    assert pcm.shape[0] == 2
    assert pcm.shape[1] / SAMPLE_RATE == pytest.approx(8, abs=0.3)
    assert (~loud(pcm[0])).sum() < 30  # what encoders put before and behind the sound
    assert not part(pcm, 0, 3.8)[1].any()


def test_a_split_has_the_channels_of_the_widest_part() -> None:
    """An announcement in mono, then a stereo call, in one MP3: the speakers stay apart."""
    mono = encode(tone(3, 16_000), 16_000, "mp3", "libmp3lame").getvalue()
    call = encode(tone(3, 16_000, n_channels=2), 16_000, "mp3", "libmp3lame").getvalue()
    pcm = decode(mono + call)
    assert pcm.shape[0] == 2
    assert [loudest_hz(channel) for channel in part(pcm, 3.3, 5.8)] == pytest.approx([440, 880], abs=3)
    assert decode(call + mono).shape[0] == 2
    with pytest.raises(UnsupportedFormat):
        decode(mono + call, max_channels=1)


def test_a_playback_copy_of_a_recording_that_grows(tmp_path: Any) -> None:
    """The copy keeps the channels it began with, as long as the recording; its peaks have all channels."""
    path = tmp_path / "copy"
    blocks = [tone(1, SAMPLE_RATE), tone(1, SAMPLE_RATE, n_channels=2)]
    with PlaybackCopy(path) as copy:
        assert [len(block) for block in copy.listen(blocks)] == [1, 2]
    pcm = decode(path.read_bytes())
    assert pcm.shape[0] == 1
    assert pcm.shape[1] / SAMPLE_RATE == pytest.approx(2, abs=0.05)
    assert copy.peaks.encoded().count(b'", "') == 1
