"""Runs templates of strangers in processes of their own, which they may wreck.

The language bounds what a template computes; this bounds what the language may have overlooked. See
`pipelines.export.template_host` for what such a process may do.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipelines.errors import Overloaded, ReplicaLost, TemplateInvalid, TemplateUnknown
from pipelines.export.layout import Layout
from pipelines.export.template_protocol import (
    MAX_ANSWER_BYTES,
    STATUS,
    TemplateAnswer,
    TemplateLimits,
    TemplateOrder,
    receive,
    send,
)

CPU_S = 3  # an honest template takes some milliseconds
MEMORY_BYTES = 128 << 20
WALL_S = 15.0  # beyond what processor time bounds: a machine whose processors are all busy
RETRY_AFTER_S = 5.0
START_TIMEOUT_S = 120.0
UNUSABLE = (TemplateUnknown, TemplateInvalid, Overloaded, ReplicaLost)
"""Why a template may be of no use for minutes that are there: they get the usual layout then."""

_ROOT = Path(__file__).resolve().parents[2]
_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL")


class IsolatedTemplates:
    """Starts a process for every template, by a host that is started with the first. Thread-safe; its calls block.

    Besides `TemplateInvalid` they raise `Overloaded` when the machine gives the process no time, and `ReplicaLost`
    when no process can be had.
    """

    def __init__(self, *, cpu_s: int = CPU_S, memory_bytes: int = MEMORY_BYTES, wall_s: float = WALL_S) -> None:
        self._limits = TemplateLimits(cpu_s=cpu_s, memory_bytes=memory_bytes)
        self._wall_s = wall_s
        self._lock = threading.Lock()
        self._host: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    def check(self, template: str) -> None:
        """As `pipelines.export.templated.check_template`."""
        self._answer(TemplateOrder(template=template, values=None))

    def lay_out(self, template: str, values: Mapping[str, Any]) -> Layout:
        """As `pipelines.export.templated.lay_out`."""
        layout = self._answer(TemplateOrder(template=template, values=values)).layout
        if layout is None:
            raise TemplateInvalid("its process made no layout")
        return layout

    def close(self) -> None:
        """End the host and all its children; the next template starts another one."""
        with self._lock:
            self._end_host()

    def _answer(self, order: TemplateOrder) -> TemplateAnswer:
        data = order.encoded()
        for attempt in range(2):
            try:
                answer = self._attempt(data)
                break
            except ReplicaLost:  # its host was killed, or it was by the kernel: that says nothing about the template
                if attempt:
                    raise
        if answer.refusal:
            raise TemplateInvalid(answer.refusal)
        return answer

    def _attempt(self, data: bytes) -> TemplateAnswer:
        ours, theirs = socket.socketpair()
        status, theirs_status = os.pipe()
        try:
            with ours:
                try:
                    with self._lock:
                        process = self._order([theirs.fileno(), theirs_status])
                finally:
                    theirs.close()
                    os.close(theirs_status)
                try:
                    return self._ask(ours, data, status)
                finally:
                    with contextlib.suppress(ProcessLookupError):
                        signal.pidfd_send_signal(process, signal.SIGKILL)
                    os.close(process)
        finally:
            os.close(status)

    def _ask(self, connection: socket.socket, data: bytes, status: int) -> TemplateAnswer:
        deadline_s = time.monotonic() + self._wall_s
        try:
            send(connection, data, deadline_s)
            return TemplateAnswer.decoded(receive(connection, MAX_ANSWER_BYTES, deadline_s))
        except TimeoutError:
            raise Overloaded("Templates cannot be tried now: the machine is too busy.", RETRY_AFTER_S) from None
        except (EOFError, ConnectionError):
            raise _how_it_ended(status) from None
        except ValueError:
            raise TemplateInvalid("its process said something it should not") from None

    def _order(self, descriptors: list[int]) -> int:
        """Hand an order to the host, a new one if the old one is gone; return a descriptor of the new process."""
        for _ in range(2):
            try:
                control = self._control or self._start_host()
                socket.send_fds(control, [self._limits.encoded()], descriptors)
                answer, handles, _, _ = socket.recv_fds(control, 1, 1)
                if answer and handles:
                    return handles[0]
            except OSError:
                pass
            self._end_host()
        raise ReplicaLost("the process for templates cannot be started")

    def _start_host(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        with theirs:
            self._host = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-P", "-m", "pipelines.export.template_host", str(theirs.fileno())],
                env={**environment, "PYTHONPATH": str(_ROOT)},
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )
        self._control = ours
        ours.settimeout(START_TIMEOUT_S)
        if ours.recv(1) != b"!":
            raise OSError("the host of the processes for templates did not start")
        return ours

    def _end_host(self) -> None:
        if self._control is not None:
            self._control.close()
        if self._host is not None:
            self._host.kill()
            self._host.wait()
        self._host = self._control = None

    def __del__(self) -> None:
        with contextlib.suppress(Exception):
            self._end_host()


def _how_it_ended(status: int) -> Exception:
    """Tell why the process is gone: SIGKILL comes from outside, or from the kernel for want of memory."""
    data = os.read(status, STATUS.size)
    code = STATUS.unpack(data)[0] if len(data) == STATUS.size else -signal.SIGKILL
    if code == -signal.SIGKILL:
        return ReplicaLost("the process for templates was killed")
    if code == -signal.SIGXCPU:
        return TemplateInvalid("it takes too long")
    return TemplateInvalid("its process does not survive it")
