"""Filter the system calls of processes that read hostile data, so that they compute and use what they have open.

`restrict_to_computing` hands the kernel a program for its filter machine (seccomp(2), BPF_STMT and BPF_JUMP of
linux/filter.h) that looks at the number and the arguments of each call. It is a list of what is allowed: calls that
future kernels add are refused. What is refused fails with EPERM, so that a library may do without.
"""

import ctypes
import errno
import os
import platform
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

_PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS, _MODE_FILTER = 22, 38, 2
_ALLOW, _KILL_PROCESS, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_LOAD, _RETURN = 0x20, 0x06  # BPF_LD | BPF_W | BPF_ABS, BPF_RET | BPF_K
_IF_EQUAL, _IF_AT_LEAST, _IF_BITS = 0x15, 0x35, 0x45  # BPF_JMP | BPF_K with BPF_JEQ, BPF_JGE, BPF_JSET
_INSTRUCTION = struct.Struct("=HBBI")  # struct sock_filter: code, steps if true, steps if false, operand
_NUMBER, _MACHINE, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data; each argument has eight bytes
_X32_BIT = 0x40000000
_PROT_EXEC = 0x4
_ANY_PID = 0x7FFFFFFF  # stands for a process in a program made for none; the kernel gives none this number
PRCTL = ctypes.CDLL(None, use_errno=True).prctl


@dataclass(frozen=True, kw_only=True, eq=False)
class Machine:
    """An architecture: its name for the audit subsystem, and the numbers of its system calls."""

    audit: int
    numbers: dict[str, int]
    x32: bool = False


MACHINES = {
    "x86_64": Machine(
        audit=0xC000003E,
        x32=True,
        numbers={
            "recvfrom": 45,
            "sendto": 44,
            "read": 0,
            "write": 1,
            "poll": 7,
            "ppoll": 271,
            "close": 3,
            "munmap": 11,
            "mremap": 25,
            "madvise": 28,
            "brk": 12,
            "futex": 202,
            "clock_gettime": 228,
            "clock_getres": 229,
            "clock_nanosleep": 230,
            "nanosleep": 35,
            "gettimeofday": 96,
            "time": 201,
            "getrandom": 318,
            "getrusage": 98,
            "getpid": 39,
            "gettid": 186,
            "sched_yield": 24,
            "rt_sigaction": 13,
            "rt_sigprocmask": 14,
            "rt_sigreturn": 15,
            "sigaltstack": 131,
            "restart_syscall": 219,
            "exit": 60,
            "exit_group": 231,
            "mmap": 9,
            "mprotect": 10,
            "sched_getaffinity": 204,
            "kill": 62,
            "tgkill": 234,
        },
    ),
    "aarch64": Machine(
        audit=0xC00000B7,
        numbers={
            "recvfrom": 207,
            "sendto": 206,
            "read": 63,
            "write": 64,
            "ppoll": 73,
            "close": 57,
            "munmap": 215,
            "mremap": 216,
            "madvise": 233,
            "brk": 214,
            "futex": 98,
            "clock_gettime": 113,
            "clock_getres": 114,
            "clock_nanosleep": 115,
            "nanosleep": 101,
            "gettimeofday": 169,
            "getrandom": 278,
            "getrusage": 165,
            "getpid": 172,
            "gettid": 178,
            "sched_yield": 124,
            "rt_sigaction": 134,
            "rt_sigprocmask": 135,
            "rt_sigreturn": 139,
            "sigaltstack": 132,
            "restart_syscall": 128,
            "exit": 93,
            "exit_group": 94,
            "mmap": 222,
            "mprotect": 226,
            "sched_getaffinity": 123,
            "kill": 129,
            "tgkill": 131,
        },
    ),
}


class _Program(ctypes.Structure):
    """Mirrors ``struct sock_fprog``."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def restrict_to_computing() -> bool:
    """Leave this process, for good, memory, clocks, signals to itself, and descriptors that are open already.

    No file, socket, program, thread or process can be opened or started, no memory made executable, no other process
    signalled, traced or looked into. Call it before any thread is started: it holds for the calling thread and its
    descendants. False where the kernel, or this machine, has no such filter; nothing has changed then.
    """
    machine = _machine()
    if machine is None:
        return False
    instructions = filter_program(machine, os.getpid())
    program = _Program(len(instructions) // _INSTRUCTION.size, instructions)
    PRCTL(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)  # the kernel's condition for a filter by an unprivileged process
    return bool(PRCTL(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(program), 0, 0) == 0)


def prepare() -> None:
    """Work out now what `restrict_to_computing` hands to the kernel, for processes that are forked later."""
    if (machine := _machine()) is not None:
        _program_without_pid(machine)


def is_supported() -> bool:
    """Say whether `restrict_to_computing` would work here; changes nothing."""
    if _machine() is None:
        return False
    # A filter at no address: a kernel that knows filters complains about the address.
    refused = PRCTL(_PR_SET_SECCOMP, _MODE_FILTER, None, 0, 0) != 0
    return refused and ctypes.get_errno() == errno.EFAULT


def _machine() -> Machine | None:
    is_64_bit = sys.maxsize > 1 << 32
    return MACHINES.get(platform.machine()) if sys.platform == "linux" and is_64_bit else None


Step = tuple[int, int, int, int]


def filter_program(machine: Machine, pid: int) -> bytes:
    """Return `filter_steps` as the kernel takes them."""
    return _program_without_pid(machine).replace(_is_pid(_ANY_PID), _is_pid(pid))


@cache
def _program_without_pid(machine: Machine) -> bytes:
    return b"".join(_INSTRUCTION.pack(*step) for step in filter_steps(machine, _ANY_PID))


def _is_pid(pid: int) -> bytes:
    """Return the comparison of an argument with a process, as `_allowed_if` makes it."""
    return _INSTRUCTION.pack(_IF_EQUAL, 0, 1, pid)


def filter_steps(machine: Machine, pid: int) -> Iterator[Step]:
    """Yield the filter's steps; each call is compared in turn, those that come often first."""
    yield _LOAD, 0, 0, _MACHINE
    yield _IF_EQUAL, 1, 0, machine.audit
    yield _RETURN, 0, 0, _KILL_PROCESS  # calls of another architecture have other numbers
    yield _LOAD, 0, 0, _NUMBER
    if machine.x32:
        yield _IF_AT_LEAST, 0, 1, _X32_BIT
        yield _refusal()
    conditions = _conditions(pid)
    for name, number in machine.numbers.items():
        if name in conditions:
            yield from _allowed_if(number, *conditions[name])
        else:
            yield _IF_EQUAL, 0, 1, number
            yield _RETURN, 0, 0, _ALLOW
    yield _refusal()


def _conditions(pid: int) -> dict[str, tuple[int, int, int, bool]]:
    """Return the calls that depend on an argument: its index, the comparison, its operand, and the outcome allowed.

    The lower half of an argument is compared: the kernel reads no more of these.
    """
    return {
        "mmap": (2, _IF_BITS, _PROT_EXEC, False),
        "mprotect": (2, _IF_BITS, _PROT_EXEC, False),
        "sched_getaffinity": (0, _IF_EQUAL, 0, True),  # FFmpeg counts its own cores
        "kill": (0, _IF_EQUAL, pid, True),
        "tgkill": (0, _IF_EQUAL, pid, True),  # abort()
    }


def _allowed_if(number: int, argument: int, comparison: int, operand: int, allowed: bool) -> Iterator[Step]:
    yield _IF_EQUAL, 0, 4, number
    yield _LOAD, 0, 0, _ARGUMENTS + 8 * argument  # both machines store the lower half first
    yield (comparison, 0, 1, operand) if allowed else (comparison, 1, 0, operand)
    yield _RETURN, 0, 0, _ALLOW
    yield _refusal()


def _refusal() -> Step:
    return _RETURN, 0, 0, _ERRNO | errno.EPERM
