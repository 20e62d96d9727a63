"""Reading packets: what a broken demuxer leaves behind is known to be left."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import av
import numpy as np

from pipelines.audio.clock.assembly import Assembly
from pipelines.audio.clock.damage import DamageLog
from pipelines.audio.clock.reader import MAX_FAILED_READS, PacketReader
from pipelines.audio.clock.timeline import Gap
from pipelines.audio.pcm import Blocks
from pipelines.core import SAMPLE_RATE


class Demuxer:
    """Fails ``n_failures`` times after its first packet, then goes on to a second one and ends."""

    def __init__(self, n_failures: int) -> None:
        self._left = n_failures
        self._began = False

    def demux(self, streams: Any) -> Iterator[Any]:
        if not self._began:
            self._began = True
            yield SimpleNamespace(size=1)
        while self._left:
            self._left -= 1
            raise av.error.InvalidDataError(1, "damaged")
        yield SimpleNamespace(size=2)


def test_some_failures_are_passed_over() -> None:
    """Reads that fail are tried again, and the end is the end."""
    reader = PacketReader(Demuxer(MAX_FAILED_READS - 1), ())
    assert [packet.size for packet in reader] == [1, 2]
    assert (reader.n_failures, reader.gave_up) == (MAX_FAILED_READS - 1, False)


def test_a_demuxer_that_only_fails_is_left() -> None:
    """The rest of the file is given up, and that is known."""
    reader = PacketReader(Demuxer(10 * MAX_FAILED_READS), ())
    assert [packet.size for packet in reader] == [1]
    assert reader.gave_up


def test_a_rest_that_was_given_up_is_lost_within_the_limit() -> None:
    """It lies behind what came out; more than a recording may be long is not kept."""
    track = Assembly(
        channels="mix", blocks=Blocks(n_samples=SAMPLE_RATE, limit=10 * SAMPLE_RATE), max_channels=1, log=DamageLog()
    )
    blocks = [*track.take([Gap(length_s=2.0, lost=False)])]
    track.lose(100.0)
    assert track.log.stretches(track.n_samples) == ()
    track.lose(3.0)
    blocks += track.finish()
    assert np.concatenate(blocks, axis=1).shape == (1, 2 * SAMPLE_RATE)
    (damage,) = track.log.stretches(track.n_samples)
    assert (damage.start, damage.end) == (2 * SAMPLE_RATE, 5 * SAMPLE_RATE)
