"""Several sound tracks of one file in a single pass, side by side, with memory that does not grow with its length.

Each track is decoded as if it were alone, and asks for its packets. Packets of others that come before lie in wait,
up to `MAX_WAITING_BYTES`. A track that has none although others are so far ahead is silent for a while: it begins late,
ended early, or pauses.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import accumulate
from typing import Any

import av
import numpy as np

from pipelines.audio.pcm import Pcm

MAX_WAITING_BYTES = 32 << 20
SILENCE_S = 1.0
"""Length of what stands in for a track without packets, at a time."""
MIN_LEAD_S = 5.0
"""Packets of one time lie no farther apart in a file; a track so far behind the others has none."""
UNDATED_SHARE = 4
"""So many times the bound may wait where timestamps do not say who is ahead."""
_PACKET_BYTES = 512  # of the objects around a packet
_USUAL_RATE = 48_000  # Hz, where a codec's context does not say its own before it decodes
_MAX_PLANES = 8  # PyAV knows no more of a frame


class Demultiplexer:
    """Hands the packets of a container to the tracks they belong to."""

    def __init__(self, packets: Iterator[Any], streams: Sequence[Any]) -> None:
        self._packets = packets
        self._waiting: dict[int, deque[Any]] = {stream.index: deque() for stream in streams}
        self._n_bytes = 0
        self._first_s: float | None = None  # timestamps of the packets read so far
        self._last_s = 0.0

    def packets_of(self, stream: Any) -> Iterator[Any]:
        """Yield one track's packets, and None for each `SILENCE_S` in which it has none while others are far ahead."""
        return self._packets if len(self._waiting) == 1 else self._sorted_out(stream)

    def _sorted_out(self, stream: Any) -> Iterator[Any]:
        own = self._waiting[stream.index]
        reached_s: float | None = None
        while True:
            if own:
                packet = own.popleft()
                self._n_bytes -= packet.size + _PACKET_BYTES
                if packet.pts is not None:
                    reached_s = float((packet.pts + (packet.duration or 0)) * packet.time_base)
                yield packet
            elif self._are_others_ahead(reached_s):
                reached_s = (self._first_s or 0.0 if reached_s is None else reached_s) + SILENCE_S
                yield None
            elif not self._read_on():
                return

    def _are_others_ahead(self, reached_s: float | None) -> bool:
        if self._n_bytes <= MAX_WAITING_BYTES:
            return False
        lead_s = self._last_s - (self._first_s or 0.0 if reached_s is None else reached_s)
        return lead_s > MIN_LEAD_S or self._n_bytes > UNDATED_SHARE * MAX_WAITING_BYTES

    def _read_on(self) -> bool:
        """Read a packet and let it wait; return whether there was one."""
        packet = next(self._packets, None)
        if packet is None:
            return False
        self._waiting[packet.stream_index].append(packet)
        self._n_bytes += packet.size + _PACKET_BYTES
        if packet.pts is not None:
            stamp_s = float(packet.pts * packet.time_base)
            self._first_s = stamp_s if self._first_s is None else min(self._first_s, stamp_s)
            self._last_s = max(self._last_s, stamp_s)
        return True


def silent_frame(like: Any, at_s: float) -> Any:
    """Make `SILENCE_S` of silence that begins at ``at_s``, of the kind of a frame or of a codec's context."""
    rate, layout = like.sample_rate or _USUAL_RATE, like.layout
    name = like.format.name if like.format is not None else "s16"
    if layout.nb_channels > _MAX_PLANES and like.format is not None:
        name = like.format.packed.name
    frame: Any = av.AudioFrame(format=name, layout=layout.name, samples=round(SILENCE_S * rate))
    for plane in frame.planes:
        plane.update((b"\x80" if name.startswith("u8") else b"\0") * plane.buffer_size)
    frame.sample_rate = rate
    frame.time_base = Fraction(1, rate)
    frame.pts = round(at_s * rate)
    return frame


def side_by_side(tracks: Sequence[Iterator[Pcm]]) -> Iterator[Pcm]:
    """Join the blocks of tracks, channel under channel; one that ended is silent, one without any block is left out.

    The blocks are of one length but for the last of each track.
    """
    widths: list[int] = []
    while True:
        blocks = [next(track, None) for track in tracks]
        widths = widths or [0 if block is None else len(block) for block in blocks]
        n_samples = max((block.shape[1] for block in blocks if block is not None), default=0)
        if not n_samples:
            return
        joined = np.zeros((sum(widths), n_samples), np.int16)
        for block, end, width in zip(blocks, accumulate(widths), widths, strict=True):
            if block is not None:
                joined[end - width : end, : block.shape[1]] = block
        yield joined
