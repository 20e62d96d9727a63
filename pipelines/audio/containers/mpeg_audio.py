"""MP3 files: the length that a Xing header knows, and how much was cut out of such a file.

The header stands in the first frame and counts the frames and bytes of the whole file (LAME writes it as ``Info`` where
the bit rate is constant). A file that is shorter than that and still ends with a whole frame has lost its middle.
"""

import os
from dataclasses import dataclass
from typing import BinaryIO

_HEADER_BYTES = 16
_LAST_BYTES = 6000  # some frames
_MAX_FRAME_BYTES = 2881
_ID3V1_BYTES = 128
_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}  # Hz, by version
_KBPS_1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_KBPS_2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)


@dataclass(frozen=True, kw_only=True)
class XingHeader:
    """What the header says of its file; ``n_bytes`` from the frame it stands in, at ``start``; 0 where it is silent."""

    start: int
    n_bytes: int
    seconds: float


def xing_header(head: bytes) -> XingHeader | None:
    """Find a Xing header in the bytes before a file's first frame of sound; None where its length is not counted."""
    at = max(head.rfind(b"Xing"), head.rfind(b"Info"))
    if at < 0 or len(head) < at + _HEADER_BYTES:
        return None
    start = next((i for i in range(at - 4, max(0, at - 40) - 1, -1) if frame_bytes(head[i : i + 4])), -1)
    flags, n_frames = int.from_bytes(head[at + 4 : at + 8]), int.from_bytes(head[at + 8 : at + 12])
    if start < 0 or not flags & 1:
        return None
    version = head[start + 1] >> 3 & 3
    rate = _RATES[version][head[start + 2] >> 2 & 3]
    return XingHeader(
        start=start,
        n_bytes=int.from_bytes(head[at + 12 : at + 16]) if flags & 2 else 0,
        seconds=n_frames * (1152 if version == 3 else 576) / rate,
    )


def cut_out_share(source: BinaryIO, xing: XingHeader) -> float:
    """Return which part of a file is missing from its middle, 0 where nothing is, or where the end is missing."""
    size = source.seek(0, os.SEEK_END)
    source.seek(max(0, size - _LAST_BYTES))
    last = source.read(_LAST_BYTES)
    if last[-_ID3V1_BYTES:].startswith(b"TAG"):
        last, size = last[:-_ID3V1_BYTES], size - _ID3V1_BYTES
    missing = xing.n_bytes - (size - xing.start)
    return missing / xing.n_bytes if missing > 0 and _ends_whole(last) else 0.0


def _ends_whole(last: bytes) -> bool:
    """Say whether two frames in a row end exactly where the bytes end."""
    for at in range(max(0, len(last) - 2 * _MAX_FRAME_BYTES), len(last) - 4):
        if first := frame_bytes(last[at : at + 4]):
            second = frame_bytes(last[at + first : at + first + 4])
            if second and at + first + second == len(last):
                return True
    return False


def frame_bytes(header: bytes) -> int:
    """Return the length of the layer III frame with this header, 0 if it is none."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE6 != 0xE2:
        return 0
    version, bit_rate, rate = header[1] >> 3 & 3, header[2] >> 4, header[2] >> 2 & 3
    if version not in _RATES or bit_rate in (0, 15) or rate == 3:
        return 0
    kbps = (_KBPS_1 if version == 3 else _KBPS_2)[bit_rate]
    return (144_000 if version == 3 else 72_000) * kbps // _RATES[version][rate] + (header[2] >> 1 & 1)
