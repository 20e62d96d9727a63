"""Files whose recorder was cut off before it wrote their sizes: they are read as if the sizes stood there.

WAV, AU and CAF know a size for that, which FFmpeg understands. What is written here for the others is the file's own
size; nothing of the samples is touched.
"""

import io
import os
import struct
from collections.abc import Mapping
from typing import BinaryIO

_MAX_32 = 0x7FFFFFFF
_W64_DATA = b"data\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a"
_W64_RIFF = b"riff\x2e\x91\xcf\x11"


def may_be_unclosed(start: bytes) -> bool:
    """Return whether a file that begins so (4 bytes will do) may need `patches`."""
    return start.startswith((b"RF64", b"BW64", _W64_RIFF[:4], b"FORM"))


def patches(head: bytes, n_bytes: int) -> Mapping[int, bytes]:
    """Return what to put where instead of a file's own first bytes; nothing where its sizes are good as they are."""
    if head[:4] in (b"RF64", b"BW64"):
        return _rf64(head)
    if head.startswith(_W64_RIFF):
        return _w64(head, n_bytes)
    return _aiff(head, n_bytes) if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC") else {}


def _rf64(head: bytes) -> dict[int, bytes]:
    """Turn RF64 without sizes into RIFF of unknown size, in which the chunk with the sizes is skipped."""
    unsized = head[12:16] == b"ds64" and not any(head[28:36])
    return {0: b"RIFF\xff\xff\xff\xff"} if unsized else {}


def _w64(head: bytes, n_bytes: int) -> dict[int, bytes]:
    """Write the sizes of the file and of its samples where they are more than the file has, or nothing."""
    found = {}
    data = head.find(_W64_DATA)
    for at, end in ((16, n_bytes), (data + 16 if data > 0 else 0, n_bytes - data)):
        if at and not 0 < int.from_bytes(head[at : at + 8], "little") <= n_bytes:
            found[at] = struct.pack("<Q", end)
    return found


def _aiff(head: bytes, n_bytes: int) -> dict[int, bytes]:
    """Write the sizes of the file and of its samples where none stands."""
    found = {}
    samples = head.find(b"SSND")
    for at, end in ((4, n_bytes - 8), (samples + 4 if samples > 0 else 0, n_bytes - samples - 8)):
        if at and head[at : at + 4] in (bytes(4), b"\xff" * 4):
            found[at] = struct.pack(">I", max(0, min(end, _MAX_32)))
    return found


class Patched(io.RawIOBase):
    """A file with some bytes replaced, and without a name, from which FFmpeg would guess a format."""

    def __init__(self, file: BinaryIO, patches: Mapping[int, bytes]) -> None:
        self._file = file
        self._patches = patches

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """Return where the next read begins."""
        return self._file.tell()

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move as the file does."""
        return self._file.seek(offset, whence)

    def read(self, size: int | None = -1) -> bytes:
        """Read on."""
        at = self._file.tell()
        data = self._file.read(-1 if size is None else size)
        for offset, patch in self._patches.items():
            first, end = max(at, offset), min(at + len(data), offset + len(patch))
            if first < end:
                data = data[: first - at] + patch[first - offset : end - offset] + data[end - at :]
        return data
