"""Opening a container by its content alone, so that nothing but the recording is ever read."""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import av

from pipelines.audio.first_bytes import LOOK_BYTES, check_accepted, kind_of
from pipelines.audio.formats import DEMUXERS
from pipelines.errors import CorruptAudio, EmptyAudio, SourceUnreachable

IO_BUFFER_BYTES = 1 << 17
_HEAD_BYTES = 1 << 16
_DS64_DATA_SIZE = slice(28, 36)  # of a file that begins with RF64 or BW64, its sizes in the chunk ds64


@contextmanager
def opened(source: BinaryIO | Path) -> Iterator[Any]:
    """Open a container by content; a path is opened here, so that FFmpeg never learns a directory to look in.

    Raises `EmptyAudio`, `UnsupportedFormat`, `CorruptAudio` or `SourceUnreachable`.
    """
    if isinstance(source, Path):
        with file_of(source) as file, opened(file) as container:
            yield container
        return
    source.seek(0)
    head = source.read(_HEAD_BYTES)
    if not head:
        raise EmptyAudio("the recording has no bytes")
    source.seek(0)
    try:
        container = _open(_Patched(source, _mended(head)))
    except av.error.FFmpegError as error:
        source.seek(0)
        kind = kind_of(source.read(LOOK_BYTES), whole=True)
        assert kind is not None, "a whole file is told"
        check_accepted(kind)
        raise CorruptAudio(f"the {kind.name or 'recording'} is damaged: nothing in it can be read") from error
    with container:
        yield container


@contextmanager
def opened_part(part: Any) -> Iterator[Any]:
    """Open a container in a part of a file that can only be read on; raises `CorruptAudio`."""
    try:
        container = _open(part)
    except av.error.FFmpegError as error:
        raise CorruptAudio("a part of the recording is damaged: nothing in it can be read") from error
    with container:
        yield container


@contextmanager
def file_of(source: BinaryIO | Path) -> Iterator[BinaryIO]:
    """Give the stream of a source, opened where it is a path; raises `SourceUnreachable`."""
    if not isinstance(source, Path):
        yield source
        return
    try:
        file = source.open("rb")
    except OSError as error:
        raise SourceUnreachable(f"cannot open the recording: {error.strerror}") from error
    with file:
        yield file


def _open(file: Any) -> Any:
    return av.open(
        file,
        mode="r",
        metadata_errors="ignore",
        buffer_size=IO_BUFFER_BYTES,
        options={"format_whitelist": ",".join(DEMUXERS), "protocol_whitelist": "none"},
    )


def _mended(head: bytes) -> bytes:
    """Return first bytes that stand for those of a file; empty where they are good as they are.

    A recorder that was cut off has left an RF64 file without sizes, which FFmpeg takes for one without samples. As
    RIFF without a size it goes on to the end of the file, and the chunk with the sizes is skipped.
    """
    unsized = head[:4] in (b"RF64", b"BW64") and head[12:16] == b"ds64" and not any(head[_DS64_DATA_SIZE])
    return b"RIFF\xff\xff\xff\xff" if unsized else b""


class _Patched(io.RawIOBase):
    """A file with other first bytes, and without a name, from which FFmpeg would guess a format."""

    def __init__(self, file: BinaryIO, first: bytes) -> None:
        self._file = file
        self._first = first

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._file.tell()

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def read(self, size: int | None = -1) -> bytes:
        at = self._file.tell()
        data = self._file.read(-1 if size is None else size)
        if at >= len(self._first):
            return data
        return self._first[at : at + len(data)] + data[len(self._first) - at :]
