"""Reads a device's memory and utilisation while others use it."""

import ctypes
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from types import TracebackType
from typing import Protocol

from pipelines.models.nvidia_driver import OpenLibrary

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_PAUSE_S = 0.05


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A look at a device: bytes of its memory in use; share of the last moment in which it computed, if known."""

    memory_bytes: int
    utilisation: float | None = None


class Gauge(Protocol):
    """Looks at a device."""

    def read(self, process_ids: Sequence[int]) -> Reading | None:
        """Look at it now; None where that does not work. ``process_ids`` are those that use it for the benchmark."""


class _Memory(ctypes.Structure):
    """``nvmlMemory_t``."""

    _fields_ = (("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong))


class _Utilisation(ctypes.Structure):
    """``nvmlUtilization_t``, in percent."""

    _fields_ = (("gpu", ctypes.c_uint), ("memory", ctypes.c_uint))


class NvmlGauge:
    """Asks the driver's management library (NVML), which needs no context on the device."""

    def __init__(self, uuid: str, index: int, open_library: OpenLibrary = ctypes.CDLL) -> None:
        """Find a GPU by ``uuid``, which counts as the driver does, or else by ``index``. Raises OSError without it."""
        self._library = open_library("libnvidia-ml.so.1")
        if self._library.nvmlInit_v2():
            raise OSError("NVML does not begin")
        self._handle = ctypes.c_void_p()
        by_uuid = uuid and not self._library.nvmlDeviceGetHandleByUUID(
            f"GPU-{uuid.removeprefix('GPU-')}".encode(), ctypes.byref(self._handle)
        )
        if not by_uuid and self._library.nvmlDeviceGetHandleByIndex_v2(index, ctypes.byref(self._handle)):
            raise OSError(f"NVML knows no GPU {index}")

    def read(self, process_ids: Sequence[int]) -> Reading | None:
        """See `Gauge`. The memory is everybody's: subtract what was in use before."""
        memory, utilisation = _Memory(), _Utilisation()
        if self._library.nvmlDeviceGetMemoryInfo(self._handle, ctypes.byref(memory)):
            return None
        unknown = self._library.nvmlDeviceGetUtilizationRates(self._handle, ctypes.byref(utilisation))
        return Reading(memory_bytes=memory.used, utilisation=None if unknown else utilisation.gpu / 100)


class TorchGauge:
    """Asks torch, which holds a context on the device for it; where NVML is not to be had."""

    def __init__(self, index: int) -> None:
        self._index = index

    def read(self, process_ids: Sequence[int]) -> Reading | None:
        """See `Gauge`. The memory is everybody's."""
        import torch

        free, total = torch.cuda.mem_get_info(self._index)
        return Reading(memory_bytes=total - free)


class ProcessGauge:
    """Adds up the resident memory of processes: what stands for a device's memory on a CPU."""

    def read(self, process_ids: Sequence[int]) -> Reading | None:
        """See `Gauge`; a process that has ended has none."""
        return Reading(memory_bytes=sum(_resident_bytes(process_id) for process_id in process_ids))


def _resident_bytes(process_id: int) -> int:
    try:
        return int(Path(f"/proc/{process_id}/statm").read_text().split()[1]) * _PAGE_BYTES
    except OSError:
        return 0


def gauge_for(kind: str, index: int) -> Gauge:
    """Return what reads a device best."""
    if kind == "cpu":
        return ProcessGauge()
    import torch

    try:
        return NvmlGauge(str(getattr(torch.cuda.get_device_properties(index), "uuid", "")), index)
    except (OSError, AttributeError):  # a container without the library, or a driver too old for a function
        return TorchGauge(index)


class Watch:
    """Reads a gauge again and again in a thread between enter and exit.

    ``peak_bytes`` is the most memory above ``base_bytes``, ``utilisation`` the mean since the last `begin`; None where
    nothing was read.
    """

    def __init__(self, gauge: Gauge, process_ids: Callable[[], Sequence[int]], base_bytes: int = 0) -> None:
        self._gauge, self._process_ids, self._base_bytes = gauge, process_ids, base_bytes
        self._readings: list[Reading] = []
        self._n_before = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    @property
    def peak_bytes(self) -> int | None:
        memory = [reading.memory_bytes for reading in self._readings]
        return max(0, max(memory) - self._base_bytes) if memory else None

    @property
    def utilisation(self) -> float | None:
        known = [reading.utilisation for reading in self._readings[self._n_before :] if reading.utilisation is not None]
        return mean(known) if known else None

    def begin(self) -> None:
        """Count utilisation from here on: what came before was loading."""
        self._n_before = len(self._readings)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        while True:
            if reading := self._gauge.read(self._process_ids()):
                self._readings.append(reading)
            if self._stop.wait(_PAUSE_S):
                return
