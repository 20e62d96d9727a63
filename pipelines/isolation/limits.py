"""`ProcessLimits`, and `confine`, which takes from a process all that computing does not need."""

import ctypes
import os
import resource
import signal
from dataclasses import dataclass

from pipelines.isolation.seccomp import restrict_to_computing

CHILD_SOCKET = 3
"""The descriptor of a child's socket to its caller; 0 to 2 are the null device."""

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
_PRCTL = ctypes.CDLL(None).prctl


@dataclass(frozen=True, kw_only=True)
class ProcessLimits:
    """Limits of one process: seconds of processor time, and bytes of memory beyond its host's."""

    cpu_s: int
    memory_bytes: int


def confine(limits: ProcessLimits) -> None:
    """Leave this process, for good, its memory, its processor time and the descriptors that are open.

    Beyond ``cpu_s`` it gets SIGXCPU, beyond ``memory_bytes`` a ``MemoryError``. Kernels without a filter of system
    calls leave the limits, which let it open nothing either.
    """
    _PRCTL(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    _PRCTL(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    statm = os.open("/proc/self/statm", os.O_RDONLY)
    now_bytes = int(os.read(statm, 200).split()[0]) * resource.getpagesize()
    os.close(statm)
    resource.setrlimit(resource.RLIMIT_CPU, (limits.cpu_s, limits.cpu_s + 1))  # SIGXCPU tells what it was
    for what, limit in {
        resource.RLIMIT_AS: now_bytes + limits.memory_bytes,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NPROC: 0,
        resource.RLIMIT_NOFILE: CHILD_SOCKET + 1,  # 0 to 3 are taken: no file and no connection
    }.items():
        resource.setrlimit(what, (limit, limit))
    restrict_to_computing()  # last: it refuses all of the above
