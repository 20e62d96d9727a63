"""Tags between the frames of MP3 and AAC files: bytes that hold no sound where files were glued together."""

import re

from pipelines.audio.containers.mpeg_audio import frame_bytes

_BEGIN = re.compile(
    rb"\xff[\xe2-\xfb][\0-\xff]{2,38}?(?:Info|Xing)|ID3[\2-\4][^\xff][\0-\xff][\0-\x7f]{4}|TAG|APETAGEX"
)
_ID3V1_BYTES = 128
_APE_HEADER_BYTES = 32


class TagSkipper:
    """Counts, in bytes in which no frame was found, those that belong to no tag; a tag may go on in the next bytes.

    The frame with a Xing header is one too.
    """

    def __init__(self) -> None:
        self._left = 0  # of a tag that went on

    def count(self, data: bytes) -> int:
        """Return how many of the next bytes without a frame are no tag's."""
        at = n_other = 0
        while at < len(data):
            if not self._left:
                begin = _BEGIN.search(data, at)
                start = begin.start() if begin else len(data)
                n_other += start - at
                at = start
                self._left = _length_of(data[start : start + _APE_HEADER_BYTES]) if start < len(data) else 0
            step = min(self._left, len(data) - at)
            self._left -= step
            at += step
        return n_other

    def found_frame(self) -> None:
        """Take note that a frame was found: the tag has ended."""
        self._left = 0


def _length_of(head: bytes) -> int:
    """Return the length of the tag that begins so, in bytes."""
    if head.startswith(b"ID3"):
        size = 0
        for byte in head[6:10]:  # ID3v2: seven bits a byte
            size = size << 7 | byte & 0x7F
        return size + 10
    if head.startswith(b"APETAGEX") and len(head) >= 16:
        return int.from_bytes(head[12:16], "little") + _APE_HEADER_BYTES
    return frame_bytes(head[:4]) or _ID3V1_BYTES
