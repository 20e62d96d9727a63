"""Chained Ogg: recordings joined end to end in one file (RFC 3533, section 4), each link with headers of its own.

FFmpeg reads on from one link to the next only where both are of one kind; here each link is a file of its own.
"""

import os
import re
from collections.abc import Iterator
from typing import Any, BinaryIO

_FIRST_PAGE = re.compile(rb"OggS\0[\2\6]\0{8}")  # of a stream: its granule position is 0
_OTHER_PAGE = re.compile(rb"OggS\0[\0\1\4\5]")
_MARK_BYTES = 14
_HEAD_BYTES = 1 << 16
_TAIL_BYTES = 1 << 17  # more than the longest page
_READ_BYTES = 1 << 16


def links_of(source: BinaryIO) -> "Iterator[OggLink]":
    """Yield the links of a stream in order; what a link's reader leaves is passed over before the next one."""
    start = 0
    while True:
        link = OggLink(source, start)
        yield link
        link.read_out()
        if link.next_start is None:
            return
        start = link.next_start


class OggLink:
    """One link as a stream that cannot be sought in; ``next_start`` is where the next one begins, once it is known."""

    def __init__(self, source: BinaryIO, start: int) -> None:
        self._source = source
        self._start = start
        self._read_to = start  # of the source
        self._waiting = b""  # read, and not searched to its end
        self._has_data = False
        self._ended = False
        self.next_start: int | None = None
        self.n_bytes = 0  # handed out

    @property
    def is_first(self) -> bool:
        """Whether the stream begins with it."""
        return self._start == 0

    def read(self, size: int) -> bytes:
        """Read on; nothing at the link's end."""
        while not self._ended:
            self._source.seek(self._read_to)
            data = self._source.read(max(1, size - len(self._waiting)))
            self._read_to += len(data)
            if part := self._searched(self._waiting + data, is_last=not data):
                self.n_bytes += len(part)
                return part
        return b""

    def read_out(self) -> None:
        """Read what is left of the link."""
        while self.read(_READ_BYTES):
            pass

    def last_s(self, stream: Any) -> float | None:
        """Return the time at the end of the whole file, if its last page is of this link, whose audio is ``stream``."""
        granule, rate = self._last_granule(), stream.codec_context.sample_rate
        return granule / rate if granule is not None and rate else None

    def _last_granule(self) -> int | None:
        self._source.seek(self._start)
        serials = {page[14:18] for page in _pages(self._source.read(_HEAD_BYTES), _FIRST_PAGE)}
        size = self._source.seek(0, os.SEEK_END)
        self._source.seek(max(self._start, size - _TAIL_BYTES))
        for page in reversed(_pages(self._source.read(_TAIL_BYTES), _OTHER_PAGE)):
            granule = int.from_bytes(page[6:14], "little", signed=True)
            if granule >= 0:
                return granule if page[14:18] in serials else None
        return None

    def _searched(self, data: bytes, *, is_last: bool) -> bytes:
        """Return those of the bytes that are surely the link's; the others wait."""
        at = 0
        if not self._has_data and (other := _OTHER_PAGE.search(data)):
            self._has_data, at = True, other.start()
        if self._has_data and (first := _FIRST_PAGE.search(data, at)):
            self.next_start = self._read_to - len(data) + first.start()
            self._ended, self._waiting = True, b""
            return data[: first.start()]
        n_sure = len(data) if is_last else max(0, len(data) - _MARK_BYTES)
        self._ended = is_last
        self._waiting = data[n_sure:]
        return data[:n_sure]


def _pages(data: bytes, begin: re.Pattern[bytes]) -> list[bytes]:
    return [head for match in begin.finditer(data) if len(head := data[match.start() : match.start() + 27]) == 27]
