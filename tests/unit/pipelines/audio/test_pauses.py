"""Pauses that are not sent: telephones and browsers leave them out, and their time is kept, also at the end."""

import io
from typing import Any

import av
import numpy as np
import pytest

from pipelines.audio.decode import decode_audio
from pipelines.audio.sound import SoundReport
from pipelines.core import SAMPLE_RATE
from tests.support.encoded_audio import Samples, amr, encode, loud, tone

PAUSE = "c" + "n" * 7  # comfort noise every 160 ms, and no data between


def decode(data: bytes) -> tuple[Samples, SoundReport]:
    report = SoundReport()
    return np.concatenate(list(decode_audio(io.BytesIO(data), max_duration_s=600.0, report=report)), axis=1), report


def in_3gp(file: bytes) -> bytes:
    """The same packets in a 3GP file."""
    out_file = io.BytesIO()
    with av.open(io.BytesIO(file)) as source, av.open(out_file, "w", format="3gp") as out:
        stream: Any = out.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(audio=0):
            if packet.size:
                packet.stream = stream
                out.mux(packet)
    return out_file.getvalue()


@pytest.mark.parametrize("wrap", [bytes, in_3gp], ids=["amr", "3gp"])
@pytest.mark.parametrize(
    ("frames", "length_s"),
    [
        ("s" * 50 + PAUSE * 50 + "s" * 50 + PAUSE * 25, 14.0),
        (PAUSE * 25 + "s" * 50, 5.0),
        ("s" * 50 + PAUSE * 25 + "s", 5.02),
    ],
    ids=["at the end", "at the start", "before the last frame"],
)
def test_frames_without_speech_are_time(frames: str, length_s: float, wrap: Any) -> None:
    """Comfort noise and "no data" are 20 ms of silence each, and no damage."""
    pcm, report = decode(wrap(amr(frames)))
    assert pcm.shape[1] / SAMPLE_RATE == pytest.approx(length_s, abs=0.05)
    assert report.sound.damaged == ()


def test_a_recording_of_nothing_but_pauses_is_silence() -> None:
    """Nobody spoke: that is no damage."""
    pcm, report = decode(amr(PAUSE * 100))
    assert pcm.shape[1] / SAMPLE_RATE == pytest.approx(16.0)
    assert not pcm.any()
    assert report.sound.damaged == ()


def test_frames_that_their_sender_calls_bad_are_lost() -> None:
    """A second of bad frames between speech; a single one is left to the decoder."""
    pcm, report = decode(amr("s" * 50 + "b" * 50 + "s" * 50 + "b" + "s" * 49))
    assert pcm.shape[1] / SAMPLE_RATE == pytest.approx(4.0, abs=0.05)
    (damage,) = report.sound.damaged
    assert (damage.start / SAMPLE_RATE, damage.end / SAMPLE_RATE) == pytest.approx((1.08, 2.0), abs=0.05)


def test_sparse_packets_keep_their_time_to_the_end() -> None:
    """After two seconds a packet every 0.4 s, as a browser sends while nobody speaks."""
    data = encode(tone(10, 48_000), 48_000, "webm", "libopus", keep=lambda index, _: index < 100 or index % 20 == 0)
    pcm, report = decode(data.getvalue())
    assert pcm.shape[1] / SAMPLE_RATE >= 9.6
    assert report.sound.damaged == ()
    assert loud(pcm[0])[10:190].all()


def test_a_pause_that_only_the_header_knows_is_kept() -> None:
    """The recorder stopped ten seconds after the last packet, and wrote that into the header."""
    data = encode(tone(12, 48_000), 48_000, "webm", "libopus", keep=lambda index, _: index < 100 or index == 599)
    whole = data.getvalue()
    pcm, report = decode(whole)
    assert pcm.shape[1] / SAMPLE_RATE == pytest.approx(12, abs=0.1)
    assert report.sound.damaged == ()
