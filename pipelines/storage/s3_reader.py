"""A remote blob as a seekable stream that fetches blocks when they are read."""

import io
import os
from collections.abc import Callable
from typing import BinaryIO

from pipelines.errors import StoreUnavailable

READ_AHEAD_BYTES = 4 * 2**20

FetchRange = Callable[[int, int], bytes]
"""Returns the bytes of a blob from an offset, as many as asked for."""


def open_blob(n_bytes: int, fetch: FetchRange) -> BinaryIO:
    """Return a buffered stream over ``n_bytes`` that fetches `READ_AHEAD_BYTES` at a time and holds no more."""
    return io.BufferedReader(_RangeReader(n_bytes, fetch), READ_AHEAD_BYTES)


class _RangeReader(io.RawIOBase):
    """Reads by one request each: decoders seek to the end of a container and back, and pause for minutes."""

    def __init__(self, n_bytes: int, fetch: FetchRange) -> None:
        super().__init__()
        self._n_bytes = n_bytes
        self._fetch = fetch
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._n_bytes}[whence]
        if origin + offset < 0:
            raise ValueError(f"negative position {origin + offset}")
        self._position = origin + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def readall(self) -> bytes:
        rest = bytearray(max(0, self._n_bytes - self._position))
        with memoryview(rest) as view:
            n_read = 0
            while n_read < len(rest):
                n_read += self.readinto(view[n_read : n_read + READ_AHEAD_BYTES])
        return bytes(rest)

    def readinto(self, buffer: "bytearray | memoryview", /) -> int:  # type: ignore[override]
        wanted = min(len(buffer), self._n_bytes - self._position)
        if wanted <= 0:
            return 0
        data = self._fetch(self._position, wanted)
        if not data:
            raise StoreUnavailable(f"the blob ended at byte {self._position} of {self._n_bytes}")
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)
