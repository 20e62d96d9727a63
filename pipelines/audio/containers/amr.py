"""AMR: the frames of a packet, and which of them hold speech (RFC 4867, 3GPP TS 26.101 and 26.201).

A telephone sends speech frames while somebody talks, else now and then a frame of comfort noise and "no data" between,
20 ms each. FFmpeg decodes neither of the latter.
"""

from collections.abc import Iterator
from enum import Enum

FRAME_S = 0.02

_SIZES = {  # bytes of a frame with its header, by type
    "amrnb": (13, 14, 16, 18, 20, 21, 27, 32, 6, 7, 6, 6, 1, 1, 1, 1),
    "amrwb": (18, 24, 33, 37, 41, 47, 51, 59, 61, 6, 1, 1, 1, 1, 1, 1),
}
_N_SPEECH = {"amrnb": 8, "amrwb": 9}  # types below are speech
_LOST = {"amrnb": (), "amrwb": (14,)}
CODECS = frozenset(_SIZES)


class Kind(Enum):
    """What a frame holds."""

    SPEECH = "speech"
    PAUSE = "pause"
    LOST = "lost"  # its sender says so
    BAD = "bad"  # speech that came with errors: a decoder makes of it what it can


def frames_of(codec: str, data: bytes) -> Iterator[tuple[Kind, bytes]]:
    """Yield the frames of a packet; the last one may be cut short."""
    at = 0
    while at < len(data):
        kind = (data[at] >> 3) & 0x0F
        frame = data[at : at + _SIZES[codec][kind]]
        at += len(frame)
        if kind in _LOST[codec]:
            yield Kind.LOST, frame
        elif kind >= _N_SPEECH[codec]:
            yield Kind.PAUSE, frame
        else:
            yield Kind.SPEECH if data[at - len(frame)] & 0x04 else Kind.BAD, frame
