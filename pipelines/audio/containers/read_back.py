"""`ReadBack`: a file that remembers what was read of it lately, to find out which bytes a demuxer passed over."""

import os
from typing import BinaryIO

KEPT_BYTES = 4 << 20


class ReadBack:
    """All of a seekable binary stream that FFmpeg uses; `at` finds bytes among those that were read last."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._kept = bytearray()
        self._start = 0  # of what is kept
        self._position = 0
        self.keeps = True
        """Set to False where nobody will ask for what was read."""

    def read(self, size: int = -1) -> bytes:
        """Read on."""
        data = self._source.read(size)
        if not self.keeps:
            self._kept.clear()
            self._position += len(data)
            return data
        if self._position != self._start + len(self._kept):
            known = self._position - self._start
            if 0 <= known < len(self._kept):
                del self._kept[known:]
            else:
                self._kept.clear()
                self._start = self._position
        self._kept += data
        self._position += len(data)
        if (n_old := len(self._kept) - KEPT_BYTES) > 0:
            del self._kept[:n_old]
            self._start += n_old
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move."""
        self._position = self._source.seek(offset, whence)
        return self._position

    def tell(self) -> int:
        """Return where the next read begins."""
        return self._position

    def seekable(self) -> bool:
        """It is."""
        return True

    def readable(self) -> bool:
        """It is."""
        return True

    def at(self, data: bytes, earliest: int) -> int | None:
        """Return where bytes stand in the file, from ``earliest`` on; None where that is not remembered."""
        known = earliest - self._start
        if known < 0:
            return None
        found = self._kept.find(data, known)
        return None if found < 0 else self._start + found

    def between(self, start: int, end: int) -> bytes:
        """Return bytes ``[start, end)`` that are remembered."""
        return bytes(self._kept[max(0, start - self._start) : max(0, end - self._start)])
