"""Opening a container by its content alone, so that nothing but the recording is ever read."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import av

from pipelines.audio.first_bytes import LOOK_BYTES, check_accepted, kind_of
from pipelines.audio.formats import DEMUXERS
from pipelines.audio.unclosed import Patched, patches
from pipelines.errors import CorruptAudio, EmptyAudio, SourceUnreachable

IO_BUFFER_BYTES = 1 << 17
_HEAD_BYTES = 1 << 16


@contextmanager
def opened(source: BinaryIO | Path) -> Iterator[Any]:
    """Open a container by content; a path is opened here, so that FFmpeg never learns a directory to look in.

    Raises `EmptyAudio`, `UnsupportedFormat`, `CorruptAudio` or `SourceUnreachable`.
    """
    if isinstance(source, Path):
        try:
            file = source.open("rb")
        except OSError as error:
            raise SourceUnreachable(f"cannot open the recording: {error.strerror}") from error
        with file, opened(file) as container:
            yield container
        return
    n_bytes = source.seek(0, os.SEEK_END)
    source.seek(0)
    head = source.read(_HEAD_BYTES)
    if not head:
        raise EmptyAudio("the recording has no bytes")
    source.seek(0)
    try:
        container = av.open(
            Patched(source, patches(head, n_bytes)),
            mode="r",
            metadata_errors="ignore",
            buffer_size=IO_BUFFER_BYTES,
            options={"format_whitelist": ",".join(DEMUXERS), "protocol_whitelist": "none"},
        )
    except av.error.FFmpegError as error:
        source.seek(0)
        kind = kind_of(source.read(LOOK_BYTES), whole=True)
        assert kind is not None, "a whole file is told"
        check_accepted(kind)
        raise CorruptAudio(f"the {kind.name or 'recording'} is damaged: nothing in it can be read") from error
    with container:
        yield container
