"""Opening a container by its content alone, so that nothing but the recording is ever read."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import av

from pipelines.audio.containers.unclosed import Patched, may_be_unclosed, patches
from pipelines.audio.first_bytes import LOOK_BYTES, check_accepted, kind_of
from pipelines.audio.formats import DEMUXERS
from pipelines.errors import CorruptAudio, EmptyAudio, SourceUnreachable

IO_BUFFER_BYTES = 1 << 17
_START_BYTES, _HEAD_BYTES = 4, 1 << 16


@contextmanager
def opened(source: BinaryIO | Path) -> Iterator[Any]:
    """Open a container by content; a path is opened here, so that FFmpeg never learns a directory to look in.

    Raises `EmptyAudio`, `UnsupportedFormat`, `CorruptAudio` or `SourceUnreachable`.
    """
    if isinstance(source, Path):
        with file_of(source) as file, opened(file) as container:
            yield container
        return
    n_bytes = source.seek(0, os.SEEK_END)
    source.seek(0)
    start = source.read(_START_BYTES)
    if not start:
        raise EmptyAudio("the recording has no bytes")
    replaced = patches(start + source.read(_HEAD_BYTES), n_bytes) if may_be_unclosed(start) else {}
    source.seek(0)
    try:
        container = _open(Patched(source, replaced))
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
