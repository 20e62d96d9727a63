"""The caller's side: `ProcessHost` starts a host with the first order, and another one when that has died.

Each order has a process of its own, `ConfinedProcess`.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import structlog

from pipelines.errors import ReplicaLost
from pipelines.isolation.fork_host import READY, STATUS
from pipelines.isolation.seccomp import is_supported

START_TIMEOUT_S = 120.0
_ROOT = Path(__file__).resolve().parents[2]
_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL")

log = structlog.get_logger()


class ProcessHost:
    """Starts a host (``python -m module FD``) and asks it to fork processes. Thread-safe; its calls block."""

    def __init__(self, module: str) -> None:
        self._module = module
        self._lock = threading.Lock()
        self._host: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    @property
    def pid(self) -> int | None:
        """The host's process id; None before the first order."""
        return self._host.pid if self._host is not None else None

    def start_process(self, order: bytes, send_buffer_bytes: int = 0) -> "ConfinedProcess":
        """Have the host fork a process for an order; raises `ReplicaLost` when none can be had.

        ``send_buffer_bytes`` is the size of both send buffers of its socket, 0: the system's own.
        """
        ours, theirs = socket.socketpair()
        status, theirs_status = os.pipe()
        try:
            if send_buffer_bytes:
                for end in (ours, theirs):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer_bytes)
            process = self._hand_over(order, (theirs.fileno(), theirs_status))
        except BaseException:
            ours.close()
            os.close(status)
            raise
        finally:
            theirs.close()
            os.close(theirs_status)
        return ConfinedProcess(ours, status=status, process=process)

    def _hand_over(self, order: bytes, descriptors: Sequence[int]) -> int:
        """Send an order with the child's socket and the pipe for its exit status; return a pidfd of the child."""
        with self._lock:
            for _ in range(2):
                try:
                    control = self._control or self._start()
                    socket.send_fds(control, [order], list(descriptors))
                    answer, handles, _, _ = socket.recv_fds(control, 1, 1)
                    if answer and handles:
                        return handles[0]
                except OSError:
                    pass
                self._end()
        raise ReplicaLost(f"no process of {self._module} can be started")

    def serve_by(self, control: socket.socket) -> None:
        """Take the host at the other end of a socket instead of starting one."""
        self._control = control

    def close(self) -> None:
        """End the host and all its children; the next order starts another one."""
        with self._lock:
            self._end()

    def _start(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        with theirs:
            self._host = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-P", "-m", self._module, str(theirs.fileno())],
                env={**environment, "PYTHONPATH": str(_ROOT), "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )
        ours.settimeout(START_TIMEOUT_S)
        if ours.recv(1) != READY:
            raise OSError(f"{self._module} did not start")
        if not is_supported():
            log.warning("the kernel has no system call filter", action="no_call_filter", module=self._module)
        self._control = ours
        return ours

    def _end(self) -> None:
        if self._control is not None:
            self._control.close()
        if self._host is not None:
            self._host.kill()
            self._host.wait()
        self._host = self._control = None

    def __del__(self) -> None:
        with contextlib.suppress(Exception):
            self._end()


class ConfinedProcess:
    """Holds the connection to a process that a `ProcessHost` forked. Closing it ends the process."""

    def __init__(self, connection: socket.socket, *, status: int, process: int) -> None:
        self.connection = connection
        self._status = status
        self._process = process
        self._lock = threading.Lock()
        self._closed = False

    def kill(self) -> None:
        """End the process; may be called from any thread, and again."""
        with self._lock:
            if not self._closed:
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(self._process, signal.SIGKILL)

    def wait(self) -> tuple[int, float]:
        """Wait for the end of the process; return its exit code and its processor seconds.

        The code is negative for a signal: SIGKILL also where its host is gone as well.
        """
        data = os.read(self._status, STATUS.size)
        if len(data) < STATUS.size:
            return -int(signal.SIGKILL), 0.0
        code, cpu_s = STATUS.unpack(data)
        return int(code), float(cpu_s)

    def close(self) -> None:
        """End the process and forget it; may be called twice."""
        self.kill()
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self.connection.close()
            os.close(self._status)
            os.close(self._process)

    def __del__(self) -> None:
        self.close()
