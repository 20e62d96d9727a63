"""Starts a process for every template: ``python -m pipelines.export.template_host FD``.

It has the language loaded and has seen no template, so that a child is there within milliseconds. A child can do
nothing but compute: it has one socket to its caller and may open nothing more, no file and no connection; its memory
and its processor time are bounded. It knows no secrets: this process is started with an empty environment.
"""

import contextlib
import ctypes
import gc
import os
import resource
import selectors
import signal
import socket
import sys

from pipelines.errors import TemplateInvalid
from pipelines.export.template_protocol import (
    MAX_ANSWER_BYTES,
    MAX_REFUSAL_CHARACTERS,
    STATUS,
    TemplateAnswer,
    TemplateLimits,
    TemplateOrder,
    receive,
    send,
)
from pipelines.export.templated import CLASSIC, check_template, lay_out, shipped

MAX_LIMITS_BYTES = 4096
MAX_ORDER_BYTES = 64 << 20
ORPHAN_CHECK_S = 5.0
_CHILD_SOCKET = 3
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
_PRCTL = ctypes.CDLL(None).prctl


def answered(order: TemplateOrder) -> TemplateAnswer:
    """Try a template or lay out by it."""
    try:
        if order.values is None:
            check_template(order.template)
            return TemplateAnswer()
        return TemplateAnswer(layout=lay_out(order.template, order.values))
    except TemplateInvalid as error:
        text = str(error)[:MAX_REFUSAL_CHARACTERS]
        return TemplateAnswer(refusal=text.encode("utf-8", "replace").decode())


def answer_to(connection: socket.socket) -> None:
    """Read the order and answer it."""
    try:
        answer = answered(TemplateOrder.decoded(receive(connection, MAX_ORDER_BYTES))).encoded()
    except MemoryError:
        answer = _TOO_MUCH_MEMORY
    send(connection, answer if len(answer) <= MAX_ANSWER_BYTES else _TOO_MUCH_MEMORY)


_TOO_MUCH_MEMORY = TemplateAnswer(refusal="it takes too much memory").encoded()


def confine(limits: TemplateLimits) -> None:
    """Take from this process, for good, all that templates do not need."""
    _PRCTL(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    _PRCTL(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    with open("/proc/self/statm") as file:
        now_bytes = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_CPU, (limits.cpu_s, limits.cpu_s + 1))  # SIGXCPU tells what it was
    for what, limit in {
        resource.RLIMIT_AS: now_bytes + limits.memory_bytes,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NPROC: 0,
        resource.RLIMIT_NOFILE: _CHILD_SOCKET + 1,  # 0 to 3 are taken: no file and no connection
    }.items():
        resource.setrlimit(what, (limit, limit))


def _be_child(connection_fd: int, limits: TemplateLimits) -> None:
    """Do what runs in the child; never returns."""
    code = 1
    try:
        null = os.open(os.devnull, os.O_RDWR)
        for standard in (0, 1, 2):
            os.dup2(null, standard)
        # Both may be in the way of each other's new place.
        connection_fd = os.dup2(connection_fd, 200) if connection_fd != _CHILD_SOCKET else connection_fd
        os.dup2(connection_fd, _CHILD_SOCKET)
        os.closerange(_CHILD_SOCKET + 1, 4096)
        confine(limits)
        answer_to(socket.socket(fileno=_CHILD_SOCKET))
        code = 0
    except BaseException:  # the caller sees the end of the connection and the exit status
        code = 1
    finally:
        os._exit(code)


class Host:
    """Forks a child for each order and passes its exit status on. Single-threaded, so that forking is safe."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._owner = os.getppid()
        self._selector = selectors.DefaultSelector()
        self._selector.register(control, selectors.EVENT_READ)

    def serve(self) -> None:
        """Serve until the caller is gone; a copy of its socket, in a process that it forked, keeps nobody alive."""
        while os.getppid() == self._owner:
            for key, _ in self._selector.select(ORPHAN_CHECK_S):
                if key.fileobj is not self._control:
                    self._bury(key)
                elif not self._take_order():
                    return

    def _take_order(self) -> bool:
        data, descriptors, _, _ = socket.recv_fds(self._control, MAX_LIMITS_BYTES, 2)
        if not data:
            return False
        connection, status = descriptors
        pid = os.fork()
        if pid == 0:
            _be_child(connection, TemplateLimits.decoded(data))
        os.close(connection)
        handle = os.pidfd_open(pid)
        socket.send_fds(self._control, [b"+"], [handle])
        self._selector.register(handle, selectors.EVENT_READ, (pid, status))
        return True

    def _bury(self, key: selectors.SelectorKey) -> None:
        pid, status = key.data
        self._selector.unregister(key.fileobj)
        os.close(key.fd)
        _, wait_status = os.waitpid(pid, 0)
        with contextlib.suppress(OSError):  # the caller has lost interest
            os.write(status, STATUS.pack(os.waitstatus_to_exitcode(wait_status)))
        os.close(status)


def warm_up() -> None:
    """Fill and refuse templates, so that whatever is loaded late is loaded before anything is confined."""
    for language in ("en", "zh"):
        check_template(shipped(CLASSIC, language))
    for order in (TemplateOrder(template="# {{ title }}\n\n|a|\n|-|\n|b|", values={"title": "x"}),):
        TemplateAnswer.decoded(answered(TemplateOrder.decoded(order.encoded())).encoded())
    for wrong in ("{{ nothing }}", "{% if"):
        answered(TemplateOrder(template=wrong, values=None)).encoded()


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
