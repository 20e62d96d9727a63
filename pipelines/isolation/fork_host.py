"""The host's side: a process that has its libraries loaded, has seen no hostile data, and forks a child for each order.

A child is there within milliseconds. It has one socket to its caller and may do nothing but compute, see
`pipelines.isolation.limits`; it knows no secrets, for the host is started with an empty environment. An order comes
with two descriptors, the child's socket and a pipe for its exit status.
"""

import contextlib
import ctypes
import gc
import os
import selectors
import signal
import socket
import struct
from collections.abc import Callable

from pipelines.isolation import seccomp
from pipelines.isolation.limits import CHILD_SOCKET, ProcessLimits, confine

MAX_ORDER_BYTES = 4096
ORPHAN_CHECK_S = 5.0
STATUS = struct.Struct("<id")  # exit code, negative for a signal; processor seconds
READY, STARTED = b"!", b"+"
_LIBC = ctypes.CDLL(None)
_fork = ctypes.PyDLL(None, use_errno=True).fork
"""Fork without the work of ``os.fork`` in a child, which sees to locks that other threads held: there is no other."""

Work = Callable[[socket.socket], None]
"""What a child does with the socket to its caller."""


class ForkHost:
    """Forks a child for each order and passes its exit status on. Single-threaded, so that forking is safe.

    ``accept`` reads an order: what the child does, and within which limits.
    """

    def __init__(self, control: socket.socket, accept: Callable[[bytes], tuple[Work, ProcessLimits]]) -> None:
        self._control = control
        self._accept = accept
        self._null = os.open(os.devnull, os.O_RDWR)
        self._owner = os.getppid()
        self._selector = selectors.DefaultSelector()
        self._selector.register(control, selectors.EVENT_READ)
        seccomp.prepare()

    def serve(self) -> None:
        """Serve until the caller has ended, even if processes that it forked hold copies of its socket."""
        while os.getppid() == self._owner:
            for key, _ in self._selector.select(ORPHAN_CHECK_S):
                if key.fileobj is not self._control:
                    self._reap(key)
                elif not self._take_order():
                    return

    def _take_order(self) -> bool:
        data, descriptors, _, _ = socket.recv_fds(self._control, MAX_ORDER_BYTES, 2)
        if not data:
            return False
        connection, status = descriptors
        # Here rather than in the child, which has to copy each page that it changes.
        task = self._task(data)
        pid = _fork()
        if pid == 0:
            self._be_child(connection, task)
        if pid < 0:
            raise OSError(ctypes.get_errno(), "cannot fork")
        os.close(connection)
        handle = os.pidfd_open(pid)
        socket.send_fds(self._control, [STARTED], [handle])
        self._selector.register(handle, selectors.EVENT_READ, (pid, status))
        return True

    def _task(self, order: bytes) -> tuple[Work, ProcessLimits] | None:
        try:
            return self._accept(order)
        except Exception:  # its child ends at once, and the others go on
            return None

    def _be_child(self, connection_fd: int, task: tuple[Work, ProcessLimits] | None) -> None:
        """Do what runs in the child; never returns."""
        code = 1
        try:
            if task is None:
                return
            work, limits = task
            for standard in (0, 1, 2):
                os.dup2(self._null, standard)
            # Both may be in the way of each other's new place.
            connection_fd = os.dup2(connection_fd, 200) if connection_fd != CHILD_SOCKET else connection_fd
            os.dup2(connection_fd, CHILD_SOCKET)
            os.closerange(CHILD_SOCKET + 1, 4096)
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, CHILD_SOCKET)
            confine(limits)
            work(connection)
            code = 0
        except BaseException:  # the caller sees the end of the connection and the exit status
            code = 1
        finally:
            os._exit(code)

    def _reap(self, key: selectors.SelectorKey) -> None:
        pid, status = key.data
        self._selector.unregister(key.fileobj)
        os.close(key.fd)
        _, wait_status, used = os.wait4(pid, 0)
        with contextlib.suppress(OSError):  # the caller has lost interest
            os.write(status, STATUS.pack(os.waitstatus_to_exitcode(wait_status), used.ru_utime + used.ru_stime))
        os.close(status)


def run_host(descriptor: int, warm_up: Callable[[], None], serve: Callable[[socket.socket], None]) -> None:
    """Serve the caller at the other end of a socket pair, after what is loaded late was loaded by ``warm_up``."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the caller handles Ctrl-C
    control = socket.socket(fileno=descriptor)
    warm_up()
    gc.collect()
    gc.freeze()
    if hasattr(_LIBC, "malloc_trim"):
        _LIBC.malloc_trim(0)  # a child's start and end take the longer, the more memory its host has
    control.sendall(READY)
    serve(control)
