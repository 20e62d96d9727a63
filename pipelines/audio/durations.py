"""How long a recording is before it is decoded: what its header says, or what its packets add up to."""

from typing import Any

import av

from pipelines.audio.clock.reader import UNSTAMPED, PacketReader

MAX_COUNTED_PACKETS = 4_000_000  # more than 20 hours of MP3 or AMR
BORNE_OUT_S = 0.2  # encoders pad the first and the last frame, which headers leave out
_FRAMED = UNSTAMPED | {"dv"}
"""Demuxers of formats without a header for the whole: FFmpeg guesses their duration from size and bit rate."""


def declared_duration_s(container: Any) -> float | None:
    """Return what the container says; None where it says nothing, and FFmpeg would guess from its bit rate."""
    return None if container.format.name in _FRAMED else _duration_s(container)


def known_duration_s(container: Any, stream: Any) -> float | None:
    """Return what the container says, or else the sum of its packets, which takes reading them; None: unknown."""
    if container.format.name not in _FRAMED:
        return _duration_s(container)
    counted_s = _sum_of_packets_s(container, stream)
    said_s = _duration_s(container)  # a guess, or the header that encoders of MP3 put first, which may be of a part
    return said_s if said_s and counted_s and abs(said_s - counted_s) < BORNE_OUT_S else counted_s


def _duration_s(container: Any) -> float | None:
    return float(container.duration / av.time_base) if container.duration else None  # 0: not filled in


def _sum_of_packets_s(container: Any, stream: Any) -> float | None:
    ticks = 0
    packets = PacketReader(container, [stream])
    for n_packets, packet in enumerate(packets):
        if n_packets > MAX_COUNTED_PACKETS or not packet.duration:
            return None
        ticks += packet.duration
    if packets.n_failures:
        return None  # damaged: what lies behind cannot be known
    return float(ticks * stream.time_base) if ticks else None
