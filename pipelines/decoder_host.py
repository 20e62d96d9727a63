"""A process that starts a process for every recording: ``python -m pipelines.decoder_host FD``.

It has FFmpeg and NumPy loaded and has seen no recording, so that a child is there within milliseconds. A child can
do nothing but compute: it has one socket to its caller and may open nothing more, no file and no connection; its
memory and its processor time are bounded, and so is what it may write to a disk (nothing); the kernel refuses it all
system calls that decoding does not need, signals to other processes among them (`pipelines.seccomp`). It knows no
secrets: this process is started with an empty environment.

Main loop: an order comes with two descriptors, the child's socket and a pipe for its exit status.
"""

import contextlib
import ctypes
import gc
import io
import os
import resource
import selectors
import signal
import socket
import sys
import wave

import numpy as np

from pipelines.audio import decode_audio, probe
from pipelines.decoder_protocol import (
    BLOCK,
    DONE,
    ERROR,
    HEADER,
    LENGTH,
    MAX_TEXT_BYTES,
    MESSAGE,
    READ,
    STATUS,
    DecodeOrder,
    receive,
)
from pipelines.errors import CorruptAudio, InputError
from pipelines.seccomp import restrict_to_computing

MAX_ORDER_BYTES = 4096
MAX_DECLARED_S = 1e9  # more is nonsense, and is as good as nothing
_CHILD_SOCKET = 3
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38


class CallersFile(io.RawIOBase):
    """The recording, read by asking the caller for it."""

    def __init__(self, connection: socket.socket, n_bytes: int) -> None:
        self._connection = connection
        self._n_bytes = n_bytes
        self._position = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """Where the next read begins."""
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
        self._connection.sendall(MESSAGE.pack(READ, self._position, wanted))
        (n_bytes,) = LENGTH.unpack(receive(self._connection, LENGTH.size))
        data = bytes(receive(self._connection, n_bytes))
        self._position += len(data)
        return data


def decode_to(connection: socket.socket, order: DecodeOrder) -> None:
    """Decode what the caller hands over; tell it blocks, and the end or what is wrong with the recording."""
    try:
        if order.header_only:
            _tell_duration(connection, probe(CallersFile(connection, order.n_bytes)).duration_s)  # type: ignore[arg-type]
            return
        for block in decode_audio(
            CallersFile(connection, order.n_bytes),  # type: ignore[arg-type]  # all of BinaryIO that decoding uses
            channels=order.channels,
            block_s=order.block_s,
            max_duration_s=order.max_duration_s,
            max_channels=order.max_channels,
        ):
            connection.sendall(MESSAGE.pack(BLOCK, *block.shape))
            connection.sendall(np.ascontiguousarray(block).data.cast("B"))
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


def confine(order: DecodeOrder) -> None:
    """Take from this process, for good, all that decoding does not need."""
    prctl = ctypes.CDLL(None).prctl
    prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    with open("/proc/self/statm") as file:
        now_bytes = int(file.read().split()[0]) * resource.getpagesize()
    limits = {
        resource.RLIMIT_AS: now_bytes + order.memory_bytes,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
        # 0 to 3 are taken: not one descriptor more, so no file and no connection.
        resource.RLIMIT_NOFILE: _CHILD_SOCKET + 1,
    }
    resource.setrlimit(resource.RLIMIT_CPU, (order.cpu_s, order.cpu_s + 1))  # SIGXCPU tells what it was
    for what, limit in limits.items():
        resource.setrlimit(what, (limit, limit))
    restrict_to_computing()  # last: it refuses all of the above; kernels without it leave the limits


def _be_child(connection_fd: int, order: DecodeOrder) -> None:
    """What runs in the child; never returns."""
    code = 1
    try:
        null = os.open(os.devnull, os.O_RDWR)
        for standard in (0, 1, 2):
            os.dup2(null, standard)
        # Both may be in the way of each other's new place.
        connection_fd = os.dup2(connection_fd, 200) if connection_fd != _CHILD_SOCKET else connection_fd
        os.dup2(connection_fd, _CHILD_SOCKET)
        os.closerange(_CHILD_SOCKET + 1, 4096)
        connection = socket.socket(fileno=_CHILD_SOCKET)  # the kernel is asked what it is, which is refused later
        confine(order)
        decode_to(connection, order)
        code = 0
    except BaseException:  # the caller sees the end of the connection and the exit status
        code = 1
    finally:
        os._exit(code)


class Host:
    """Forks a child for each order and passes its exit status on. Single-threaded, so that forking is safe."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._selector = selectors.DefaultSelector()
        self._selector.register(control, selectors.EVENT_READ)

    def serve(self) -> None:
        """Until the caller is gone."""
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is not self._control:
                    self._bury(key)
                elif not self._take_order():
                    return

    def _take_order(self) -> bool:
        data, descriptors, _, _ = socket.recv_fds(self._control, MAX_ORDER_BYTES, 2)
        if not data:
            return False
        connection, status = descriptors
        pid = os.fork()
        if pid == 0:
            _be_child(connection, DecodeOrder.decoded(data))
        os.close(connection)
        handle = os.pidfd_open(pid)
        socket.send_fds(self._control, [b"+"], [handle])
        self._selector.register(handle, selectors.EVENT_READ, (pid, status))
        return True

    def _bury(self, key: selectors.SelectorKey) -> None:
        pid, status = key.data
        self._selector.unregister(key.fileobj)
        os.close(key.fd)
        _, wait_status, used = os.wait4(pid, 0)
        with contextlib.suppress(OSError):  # the caller has lost interest
            os.write(status, STATUS.pack(os.waitstatus_to_exitcode(wait_status), used.ru_utime + used.ru_stime))
        os.close(status)


def warm_up() -> None:
    """Decode a little, so that whatever is loaded late is loaded before anything is confined."""
    for bad in (b"RIFF", b"nonsense"):
        with contextlib.suppress(InputError):
            list(decode_audio(io.BytesIO(bad), max_duration_s=1.0))
        with contextlib.suppress(InputError):
            probe(io.BytesIO(bad))
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(2)
        out.setsampwidth(2)
        out.setframerate(8000)
        out.writeframes(bytes(16_000))
    for channels in ("mix", "split"):
        list(decode_audio(io.BytesIO(file.getvalue()), channels=channels, max_duration_s=10.0))


def main(arguments: list[str]) -> None:
    """Serve the caller at the other end of a socket pair."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the caller's to hear
    control = socket.socket(fileno=int(arguments[0]))
    warm_up()
    gc.collect()
    gc.freeze()
    control.sendall(b"!")
    Host(control).serve()


if __name__ == "__main__":
    main(sys.argv[1:])
