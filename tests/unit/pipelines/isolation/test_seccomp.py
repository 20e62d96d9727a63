"""The system call filter: what a confined process may still do, and what the kernel refuses it; on every machine."""

import ctypes
import errno
import mmap
import os
import platform
import signal
import socket
import struct
import threading
import time

import pytest

from pipelines.isolation import seccomp

ALLOWED, REFUSED, KILLED = 0x7FFF0000, 0x00050000 | errno.EPERM, 0x80000000
PID = 4711
LOAD, RETURN = 0x20, 0x06  # linux/bpf_common.h: BPF_LD | BPF_W | BPF_ABS, BPF_RET | BPF_K
IF_EQUAL, IF_AT_LEAST, IF_BITS = 0x15, 0x35, 0x45  # BPF_JMP | BPF_K with BPF_JEQ, BPF_JGE, BPF_JSET
LIBC = ctypes.CDLL(None, use_errno=True)


def judged(machine, number, *arguments, audit=None):
    """What the kernel's filter machine makes of a call (linux/filter.h); only the steps that we use."""
    call = struct.pack("<iIQ6Q", number, audit or machine.audit, 0, *[*arguments, 0, 0, 0, 0, 0, 0][:6])
    steps, position, value = list(seccomp.filter_steps(machine, PID)), 0, 0
    while True:
        code, if_true, if_false, operand = steps[position]
        position += 1
        if code == LOAD:
            (value,) = struct.unpack_from("<I", call, operand)
        elif code == RETURN:
            return operand
        else:
            met = {
                IF_EQUAL: value == operand,
                IF_AT_LEAST: value >= operand,
                IF_BITS: bool(value & operand),
            }[code]
            position += if_true if met else if_false


@pytest.fixture(params=seccomp.MACHINES)
def machine(request):
    return seccomp.MACHINES[request.param]


@pytest.mark.parametrize("pid", [1, PID, (1 << 22) - 1])
def test_a_prepared_program_is_of_the_process_that_takes_it(machine, pid):
    """What was worked out before a fork is, with the child's own number, the filter that it would have made."""
    seccomp.prepare()
    made = b"".join(struct.pack("=HBBI", *step) for step in seccomp.filter_steps(machine, pid))
    assert seccomp.filter_program(machine, pid) == made


def test_only_what_is_listed(machine):
    """Of all numbers a call may have, those on the list pass, and no other."""
    passing = {number for number in range(1024) if judged(machine, number, PID) == ALLOWED}
    listed = {number for name, number in machine.numbers.items() if name != "sched_getaffinity"}
    assert passing == listed


def test_other_processes_are_out_of_reach(machine):
    """Signals go to the process itself: to no other, no group, not to all; nor is anybody's affinity looked at."""
    for name in ("kill", "tgkill"):
        number = machine.numbers[name]
        assert judged(machine, number, PID, 9) == ALLOWED
        assert judged(machine, number, PID | 7 << 32, 9) == ALLOWED  # the kernel looks at the lower half, too
        for other in (0, 1, PID + 1, (1 << 64) - 1, (1 << 64) - PID):
            assert judged(machine, number, other, 9) == REFUSED
    assert judged(machine, machine.numbers["sched_getaffinity"], 0) == ALLOWED
    assert judged(machine, machine.numbers["sched_getaffinity"], 1) == REFUSED


def test_no_memory_is_executable(machine):
    """Memory can be had and its protection changed, but not to run code from it."""
    for name in ("mmap", "mprotect"):
        number = machine.numbers[name]
        assert judged(machine, number, 0, 4096, mmap.PROT_READ | mmap.PROT_WRITE) == ALLOWED
        assert judged(machine, number, 0, 4096, mmap.PROT_READ | mmap.PROT_EXEC) == REFUSED


def test_other_tables_of_calls(machine):
    """A 32-bit call kills the process: its number means another call. The x32 forms are refused."""
    assert judged(machine, machine.numbers["read"], audit=0x40000003) == KILLED
    assert judged(machine, machine.numbers["read"] | 0x40000000) == REFUSED
    assert judged(machine, -1) == REFUSED


def confined(act):
    """What an act brings in a process that is restricted: "possible", or the name of the error."""
    here, there = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        text = b"not restricted"
        try:
            if seccomp.restrict_to_computing():
                act()
                text = b"possible"
        except (OSError, RuntimeError, MemoryError) as error:
            text = errno.errorcode.get(getattr(error, "errno", 0) or 0, type(error).__name__).encode()
        there.sendall(text)
        os._exit(0)
    there.close()
    with here:
        said = here.recv(100).decode()
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return said or f"ended by {signal.Signals(-status).name}"


def call(name, *arguments):
    """Call the C library; raise `OSError` when it fails."""
    if getattr(LIBC, name)(*arguments) < 0:
        raise OSError(ctypes.get_errno(), name)


NUMBERS = {
    "x86_64": {
        "bpf": 321,
        "keyctl": 250,
        "memfd_create": 319,
        "perf_event_open": 298,
        "rt_sigqueueinfo": 129,
        "shmget": 29,
        "tkill": 200,
        "unshare": 272,
        "userfaultfd": 323,
    },
    "aarch64": {
        "bpf": 280,
        "keyctl": 219,
        "memfd_create": 279,
        "perf_event_open": 241,
        "rt_sigqueueinfo": 138,
        "shmget": 194,
        "tkill": 130,
        "unshare": 97,
        "userfaultfd": 282,
    },
}[platform.machine()] | {"pidfd_send_signal": 424, "io_uring_setup": 425, "pidfd_open": 434, "clone3": 435}
ACTS = {
    "signal its parent": lambda: os.kill(os.getppid(), 0),
    "kill all": lambda: os.kill(-1, 0),
    "open a file": lambda: os.open("/etc/hostname", os.O_RDONLY),
    "open a relative file": lambda: os.open("hostname", os.O_RDONLY, dir_fd=0),
    "look at a file": lambda: os.stat("/"),
    "open a socket": lambda: socket.socket(),
    "connect a pair": lambda: socket.socketpair(),
    "fork": lambda: os.fork(),
    "start a program": lambda: os.execv("/bin/true", ["true"]),
    "trace": lambda: call("ptrace", 16, os.getppid(), 0, 0),
    "read another's memory": lambda: call("process_vm_readv", os.getppid(), None, 0, None, 0, 0),
    "write another's memory": lambda: call("process_vm_writev", os.getppid(), None, 0, None, 0, 0),
    "limit another": lambda: call("prlimit", os.getppid(), 7, None, None),
    "slow another down": lambda: os.setpriority(os.PRIO_PROCESS, os.getppid(), 19),
    "have signals sent": lambda: call("fcntl", 0, 8, os.getppid()),
    "set an owner": lambda: call("ioctl", 0, 0x8901, None),
    "give up the filter": lambda: call("prctl", 22, 0, 0, 0, 0),
    "change its dump flag": lambda: call("prctl", 4, 1, 0, 0, 0),
    "remove a file": lambda: os.unlink("/tmp/nothing-here"),
    "run code from memory": lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC),
}


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
def test_refused(act):
    """Files, sockets, programs, other processes: the kernel answers EPERM, and the process goes on."""
    assert confined(act) == "EPERM"


@pytest.mark.parametrize("number", NUMBERS.values(), ids=NUMBERS)
def test_refused_by_number(number):
    """Calls without a name in the C library, or with several ways to them."""
    assert confined(lambda: call("syscall", number, 0, 0, 0, 0, 0)) == "EPERM"


def test_no_threads():
    """A thread cannot be started."""
    assert confined(threading.Thread(target=print).start) == "RuntimeError"


def compute():
    data = bytearray(64 << 20)
    data[::4096] = b"x" * len(data[::4096])
    time.sleep(0.001)
    time.monotonic()
    os.urandom(8)
    os.kill(os.getpid(), 0)
    assert os.sched_getaffinity(0)
    del data


def test_computing():
    """Memory, clocks, random numbers, its own processors and signals to itself are left."""
    assert confined(compute) == "possible"


def test_it_may_abort():
    """A library that gives up ends the process as it does elsewhere."""
    assert confined(os.abort) == "ended by SIGABRT"


def test_machines_without_a_filter(monkeypatch):
    """On a machine that is not known nothing is changed, and that is told."""
    assert seccomp.is_supported()
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    assert not seccomp.is_supported()
    assert not seccomp.restrict_to_computing()
    assert os.stat("/")


def test_a_kernel_without_filters(monkeypatch):
    """A kernel that knows no filters says so, by another error than a filter at no address brings."""

    def prctl(*arguments):
        ctypes.set_errno(errno.EINVAL)
        return -1

    monkeypatch.setattr(seccomp, "PRCTL", prctl)
    assert not seccomp.is_supported()
    assert not seccomp.restrict_to_computing()
