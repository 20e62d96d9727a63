"""Frames that follow one another: how formats without a signature are told from noise.

A frame says how long it is; where the next one begins exactly there, it is no accident.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

_MPEG = re.compile(rb"\xff[\xe2-\xe7\xf2-\xf7\xfa-\xff][\x10-\xef]")
_ADTS = re.compile(rb"\xff[\xf0\xf1\xf8\xf9]")
_LOAS = re.compile(rb"\x56[\xe0-\xff]")
_AC3 = re.compile(rb"\x0b\x77")
_TS = re.compile(
    rb"|".join(rb"(?=G.{%d}G.{%d}G.{%d}G.{%d}G)" % ((packet - 1,) * 4) for packet in (188, 192, 204)), re.DOTALL
)
_PS = re.compile(rb"\x00\x00\x01\xba.*?\x00\x00\x01[\xbb\xbd\xc0-\xef]", re.DOTALL)

_GSM_BYTES = 33
_GSM_FRAMES = 32  # FFmpeg believes no fewer

_MPEG_KBIT_S = {  # by (is MPEG 1, layer)
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_MPEG_HZ = (44_100, 48_000, 32_000)
_AC3_KBIT_S = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640)


def framed_format(head: bytes, *, whole: bool) -> str:
    """Name the format whose frames ``head`` holds, "" for none; ``whole``: no more bytes will tell more.

    The names are those of `pipelines.audio.formats.CONTAINERS`.
    """
    if _TS.search(head):
        return "MPEG-TS"
    if _PS.search(head):
        return "MPEG-PS"
    if _is_gsm(head):
        return "GSM"
    return next((kind.name for kind in _FRAMINGS if _has_chain(head, kind, whole=whole)), "")


_CHAIN = 4
"""Frames that must follow one another: pairs are found in any megabyte of noise."""


def _has_chain(head: bytes, kind: "_Framing", *, whole: bool) -> bool:
    """Say whether `_CHAIN` frames of one kind follow one another, or fewer are all there is."""
    for found in kind.sync.finditer(head):
        at, n_frames = found.start(), 0
        while kind.sync.match(head, at) and kind.like(head, at, found.start()) and (n_bytes := kind.n_bytes(head, at)):
            at += n_bytes
            n_frames += 1
            if n_frames == _CHAIN:
                return True
        if n_frames and whole and not found.start() and at >= len(head):
            return True
    return False


def _mpeg_bytes(head: bytes, at: int) -> int:
    """Return the length of an MPEG audio frame, layer 1 to 3; 0 where none begins."""
    version, layer = head[at + 1] >> 3 & 3, 4 - (head[at + 1] >> 1 & 3)
    rate, padding = head[at + 2] >> 2 & 3, head[at + 2] >> 1 & 1
    if version == 1 or layer == 4 or rate == 3:
        return 0
    bits_s = _MPEG_KBIT_S[version == 3, layer][(head[at + 2] >> 4) - 1] * 1000
    hz = _MPEG_HZ[rate] // {3: 1, 2: 2, 0: 4}[version]
    if layer == 1:
        return (12 * bits_s // hz + padding) * 4
    samples = 576 if layer == 3 and version != 3 else 1152
    return samples // 8 * bits_s // hz + padding


def _adts_bytes(head: bytes, at: int) -> int:
    """Return the length of a frame of AAC with ADTS header; 0 where none begins."""
    if at + 6 > len(head) or (head[at + 2] >> 2 & 15) > 12:
        return 0
    n_bytes = (head[at + 3] & 3) << 11 | head[at + 4] << 3 | head[at + 5] >> 5
    return n_bytes if n_bytes > 7 else 0


def _loas_bytes(head: bytes, at: int) -> int:
    """Return the length of a frame of AAC in LOAS; 0 where none begins."""
    if at + 3 > len(head):
        return 0
    return 3 + ((head[at + 1] & 0x1F) << 8 | head[at + 2])


def _ac3_bytes(head: bytes, at: int) -> int:
    """Return the length of a frame of AC-3 or E-AC-3; 0 where none begins."""
    if at + 6 > len(head):
        return 0
    if head[at + 5] >> 3 > 10:
        return 2 * (((head[at + 2] & 7) << 8 | head[at + 3]) + 1)
    rate, size = head[at + 4] >> 6, head[at + 4] & 0x3F
    if rate == 3 or size >> 1 >= len(_AC3_KBIT_S):
        return 0
    kbit_s = _AC3_KBIT_S[size >> 1]
    words = (kbit_s * 2, kbit_s * 96_000 // 44_100 + (size & 1), kbit_s * 3)[rate]
    return 2 * words


def _is_gsm(head: bytes) -> bool:
    """Say whether every frame has the mark of GSM 06.10, as FFmpeg wants it."""
    firsts = head[: len(head) - _GSM_BYTES + 1 : _GSM_BYTES]
    return len(firsts) >= _GSM_FRAMES and all(first >> 4 == 0xD for first in firsts)


@dataclass(frozen=True, kw_only=True)
class _Framing:
    """A kind of frames: how they begin, how long they are, and the bits of their headers in which all are alike."""

    name: str
    sync: re.Pattern[bytes]
    n_bytes: Callable[[bytes, int], int]
    fixed: bytes

    def like(self, head: bytes, at: int, first: int) -> bool:
        """Say whether two frames are of one stream."""
        pairs = zip(head[at : at + len(self.fixed)], head[first : first + len(self.fixed)], self.fixed, strict=False)
        return all(one & mask == other & mask for one, other, mask in pairs)


_FRAMINGS = (
    _Framing(name="MP3", sync=_MPEG, n_bytes=_mpeg_bytes, fixed=b"\xff\xfe\x0c"),
    _Framing(name="AAC", sync=_ADTS, n_bytes=_adts_bytes, fixed=b"\xff\xff\xfd\xc0"),
    _Framing(name="AAC", sync=_LOAS, n_bytes=_loas_bytes, fixed=b"\xff\xe0"),
    _Framing(name="AC-3", sync=_AC3, n_bytes=_ac3_bytes, fixed=b"\xff\xff"),
)
