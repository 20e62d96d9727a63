"""NVIDIA's driver: whether it is there and answers, and which CUDA it runs."""

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

OLDEST_DRIVERS = {12: 525, 13: 580}
"""The oldest branch of the driver that runs programs made for a major version of CUDA: NVIDIA's table in
https://docs.nvidia.com/deploy/cuda-compatibility/minor-version-compatibility.html (30 November 2026)."""

_VERSION_BYTES = 80  # NVML_SYSTEM_DRIVER_VERSION_BUFFER_SIZE

OpenLibrary = Callable[[str], Any]


@dataclass(frozen=True, kw_only=True)
class Driver:
    """An installed driver. ``cuda``: the newest CUDA it runs, as (major, minor); ``fault``: why it does not answer."""

    version: str
    cuda: tuple[int, int]
    fault: str = ""

    def runs(self, cuda_major: int) -> bool:
        """Tell whether programs made for any minor version of a CUDA run: a major version is enough."""
        return self.cuda[0] >= cuda_major


def find_driver(open_library: OpenLibrary = ctypes.CDLL) -> Driver | None:
    """Ask the driver's own library, which comes with no package of Python's; None where it is not there."""
    try:
        library = open_library("libcuda.so.1")
    except OSError:
        return None
    newest = ctypes.c_int()
    library.cuDriverGetVersion(ctypes.byref(newest))
    return Driver(
        version=_version(open_library) or "of unknown version",
        cuda=(newest.value // 1000, newest.value % 1000 // 10),
        fault=_fault(library),
    )


def _fault(library: Any) -> str:
    """Return CUDA's words for why it cannot begin: no device, or a library of another version than the kernel's."""
    code = library.cuInit(0)
    if not code:
        return ""
    words = ctypes.c_char_p()
    library.cuGetErrorString(code, ctypes.byref(words))
    return words.value.decode() if words.value else f"error {code}"


def _version(open_library: OpenLibrary) -> str:
    try:
        management = open_library("libnvidia-ml.so.1")
    except OSError:  # a container may be given the one library without the other
        return ""
    if management.nvmlInit_v2():
        return ""
    text = ctypes.create_string_buffer(_VERSION_BYTES)
    refused = management.nvmlSystemGetDriverVersion(text, _VERSION_BYTES)
    management.nvmlShutdown()
    return "" if refused else text.value.decode()
