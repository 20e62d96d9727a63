"""Decode recordings in processes of their own: ``python -m pipelines.audio.sandbox_host FD``.

It has FFmpeg and NumPy loaded and has seen no recording; what its children may do: `pipelines.isolation.fork_host`.
"""

import contextlib
import io
import os
import socket
import sys

import av.subtitles.codeccontext  # for films with subtitles: PyAV loads both late, when no file can be opened
import av.subtitles.subtitle  # noqa: F401 - see above
import numpy as np

from pipelines.audio.decode import decode_audio, probe
from pipelines.audio.own_sounds import own_sounds
from pipelines.audio.sandbox_protocol import (
    BLOCK,
    DONE,
    ERROR,
    HEADER,
    LENGTH,
    MAX_TEXT_BYTES,
    MESSAGE,
    READ,
    SOUND,
    DecodeOrder,
)
from pipelines.audio.sound import MAX_DECLARED_S, SoundReport, sound_bytes
from pipelines.errors import CorruptAudio, InputError
from pipelines.isolation.fork_host import ForkHost, Work, run_host
from pipelines.isolation.framing import receive_exactly
from pipelines.isolation.limits import ProcessLimits

WHOLE_BYTES = 1 << 18
"""A recording that is no longer is asked for as a whole: each question wakes two processes."""


class CallersFile(io.RawIOBase):
    """The recording, read by asking the caller for it."""

    def __init__(self, connection: socket.socket, n_bytes: int) -> None:
        self._connection = connection
        self._n_bytes = n_bytes
        self._position = 0
        self._whole: bytes | None = None

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """Return where the next read begins."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move; a position before the start or beyond the end is no error, as in a file."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._n_bytes}[whence]
        if base + offset < 0:
            raise ValueError("a position before the start")
        self._position = base + offset
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        """Read on."""
        left = max(0, self._n_bytes - self._position)
        wanted = left if size is None or size < 0 else min(size, left)
        if not wanted:
            return b""
        if self._n_bytes > WHOLE_BYTES:
            data = self._asked(self._position, wanted)
        else:
            if self._whole is None:
                self._whole = self._asked(0, self._n_bytes)
            data = self._whole[self._position : self._position + wanted]
        self._position += len(data)
        return data

    def _asked(self, offset: int, n_bytes: int) -> bytes:
        self._connection.sendall(MESSAGE.pack(READ, offset, n_bytes))
        (n_sent,) = LENGTH.unpack(receive_exactly(self._connection, LENGTH.size))
        data = self._connection.recv(n_sent, socket.MSG_WAITALL) if n_sent else b""
        if len(data) < n_sent:
            raise EOFError("the caller is gone")
        return data


def decode_to(connection: socket.socket, order: DecodeOrder) -> None:
    """Decode what the caller hands over; tell it blocks, and the end or what is wrong with the recording."""
    try:
        if order.header_only:
            _tell_duration(connection, probe(CallersFile(connection, order.n_bytes)).duration_s)  # type: ignore[arg-type]
            return
        report = SoundReport()
        for block in decode_audio(
            CallersFile(connection, order.n_bytes),  # type: ignore[arg-type]  # all of BinaryIO that decoding uses
            channels=order.channels,
            track=order.track,
            block_s=order.block_s,
            max_duration_s=order.max_duration_s,
            max_channels=order.max_channels,
            report=report,
        ):
            connection.sendall(MESSAGE.pack(BLOCK, *block.shape))
            connection.sendall(np.ascontiguousarray(block).data.cast("B"))
        heard = sound_bytes(report.sound)
        connection.sendall(MESSAGE.pack(SOUND, len(heard), 0) + heard)
        connection.sendall(MESSAGE.pack(DONE, 0, 0))
    except InputError as error:
        _tell(connection, error)
    except MemoryError:
        _tell(connection, CorruptAudio("decoding the recording takes more memory than it may"))


def _tell_duration(connection: socket.socket, duration_s: float | None) -> None:
    known = duration_s is not None and 0 <= duration_s < MAX_DECLARED_S
    connection.sendall(MESSAGE.pack(HEADER, int(known), round(duration_s * 1e6) if known and duration_s else 0))


def _tell(connection: socket.socket, error: InputError) -> None:
    reason, text = str(error.reason).encode(), str(error).encode("utf-8", "replace")[:MAX_TEXT_BYTES]
    connection.sendall(MESSAGE.pack(ERROR, len(reason), len(text)) + reason + text)


def serve(control: socket.socket) -> None:
    """Fork a decoder for each order that comes."""
    ForkHost(control, _accept).serve()


def _accept(data: bytes) -> tuple[Work, ProcessLimits]:
    order = DecodeOrder.decoded(data)
    limits = ProcessLimits(cpu_s=order.cpu_s, memory_bytes=order.memory_bytes)
    return lambda connection: decode_to(connection, order), limits


def warm_up() -> None:
    """Decode a little, so that whatever is loaded late is loaded before anything is confined."""
    for bad in (b"RIFF", b"nonsense"):
        with contextlib.suppress(InputError):
            list(decode_audio(io.BytesIO(bad), max_duration_s=1.0))
        with contextlib.suppress(InputError):
            probe(io.BytesIO(bad))
    for sound in own_sounds():
        for channels in ("mix", "split"):
            report = SoundReport()
            list(decode_audio(io.BytesIO(sound), channels=channels, max_duration_s=10.0, report=report))
            sound_bytes(report.sound)
        probe(io.BytesIO(sound))


if __name__ == "__main__":
    run_host(int(sys.argv[1]), warm_up, serve)
