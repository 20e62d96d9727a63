"""Processes by id and time of start: together they name one process, an id alone whichever has it now."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

UNKNOWN = "unknown"
"""The time of start of any living process where the system has no /proc."""


def started_at(pid: int) -> str:
    """Return the boot and the tick in it at which a living process started; empty when there is no such process."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return UNKNOWN if _exists(pid) else ""
    try:
        # The program's name, in brackets, may hold anything; the fields after it do not.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    state, tick = fields[0], fields[19]
    return "" if state in "ZX" else f"{boot}/{tick}"


def send_signal(pid: int, started: str, number: signal.Signals) -> bool:
    """Send a signal to the process that started then; False when it has ended, whoever has its id since."""
    try:
        with _handle(pid) as descriptor:
            if not started or started_at(pid) != started:
                return False
            if descriptor is None:
                os.kill(pid, number)
            else:
                signal.pidfd_send_signal(descriptor, number)
    except ProcessLookupError:
        return False
    return True


@contextlib.contextmanager
def _handle(pid: int) -> Iterator[int | None]:
    """Hold the process itself, so that its id cannot go to another between a look and a signal; None without pidfds."""
    if not hasattr(os, "pidfd_open"):
        yield None
        return
    descriptor = os.pidfd_open(pid)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
