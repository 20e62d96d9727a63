"""Processes as the kernel lists them (Linux): who belongs to a session, what it calls itself, how to end it.

Everything that Ray starts for a node stays in the session of the process that started the node; its actors write
their names into their command lines.
"""

import contextlib
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Process:
    """A running process: its id, its session's, and its command line."""

    pid: int
    session: int
    title: str


def in_sessions(sessions: set[int]) -> list[Process]:
    """List the living processes of these sessions, oldest id first."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal():
            continue
        try:
            # The name, in brackets, may hold anything; the fields after it do not.
            state, _, _, session = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
            title = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:  # it ended while we looked
            continue
        if int(session) in sessions and state not in "ZX":
            found.append(Process(pid=int(folder.name), session=int(session), title=title))
    return sorted(found, key=lambda process: process.pid)


def kill(pid: int, how: signal.Signals = signal.SIGKILL) -> None:
    """Send a signal; a process that is gone already is no error."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, how)


def kill_sessions(sessions: set[int], timeout_s: float = 30.0) -> int:
    """Kill all processes of these sessions, also those that are being forked meanwhile; return how many there were."""
    killed: set[int] = set()
    deadline = time.monotonic() + timeout_s
    while members := in_sessions(sessions):
        for process in members:
            kill(process.pid)
            killed.add(process.pid)
        if time.monotonic() > deadline:
            raise TimeoutError(f"processes survive SIGKILL: {members}")
        time.sleep(0.02)
    return len(killed)
