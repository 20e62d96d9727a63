"""A GPU machine without a GPU: NVIDIA's driver, torch and CTranslate2 as far as `pipelines.models` asks them."""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from pipelines.models.nvidia_driver import Driver

GIB = 1 << 30
INIT_MISMATCH = 803
MISMATCH = "system has unsupported display driver / cuda driver combination"


@dataclass(frozen=True, kw_only=True)
class FakeDriver:
    """NVIDIA's two libraries, opened by name. ``cuda`` is the newest it runs, as CUDA counts it: 13.0 is 13000."""

    version: str | None = "580.65.06"
    cuda: int = 13000
    init_error: int = 0

    def open(self, name: str) -> Any:
        if name == "libcuda.so.1":
            return self
        if name == "libnvidia-ml.so.1" and self.version is not None:
            return _FakeManagement(self.version)
        raise OSError(f"{name}: cannot open shared object file: No such file or directory")

    def cuDriverGetVersion(self, number: Any) -> int:
        number._obj.value = self.cuda
        return 0

    def cuInit(self, flags: int) -> int:
        assert flags == 0
        return self.init_error

    def cuGetErrorString(self, code: int, words: Any) -> int:
        words._obj.value = MISMATCH.encode() if code == INIT_MISMATCH else None
        return 0


class _FakeManagement:
    def __init__(self, version: str) -> None:
        self._version = version

    def nvmlInit_v2(self) -> int:
        return 0

    def nvmlSystemGetDriverVersion(self, text: "ctypes.Array[ctypes.c_char]", n_bytes: int) -> int:
        text.value = self._version.encode()[: n_bytes - 1]
        return 0

    def nvmlShutdown(self) -> int:
        return 0


def driver(version: str = "580.65.06", cuda: tuple[int, int] = (13, 0), fault: str = "") -> Driver:
    """Return a driver as `find_driver` finds it."""
    return Driver(version=version, cuda=cuda, fault=fault)


def gpu(name: str = "NVIDIA L4", capability: tuple[int, int] = (8, 9), memory_bytes: int = 24 * GIB) -> Any:
    """Return what torch tells of a GPU."""
    return SimpleNamespace(name=name, major=capability[0], minor=capability[1], total_memory=memory_bytes)


def torch_module(cuda: str | None = "13.0", gpus: Sequence[Any] = ()) -> Any:
    """Return a torch that is made for ``cuda``."""
    return SimpleNamespace(
        version=SimpleNamespace(cuda=cuda),
        cuda=SimpleNamespace(
            is_available=lambda: bool(gpus),
            device_count=lambda: len(gpus),
            get_device_properties=lambda index: gpus[index],
            get_arch_list=lambda: ["sm_75", "sm_80", "sm_90", "sm_100", "sm_120", "compute_120"] if cuda else [],
        ),
    )


def ctranslate2_module(n_gpus: int, compute_types: Sequence[str]) -> Any:
    """Return a CTranslate2 whose GPUs support ``compute_types``."""

    def supported(kind: str, index: int) -> set[str]:
        if kind == "cuda" and index >= n_gpus:
            raise ValueError(f"Invalid CUDA device index: {index}")
        return set(compute_types)

    return SimpleNamespace(get_cuda_device_count=lambda: n_gpus, get_supported_compute_types=supported)


@dataclass(kw_only=True)
class FakeNvml:
    """The management library of a machine with GPUs, whose memory and utilisation a test sets.

    ``uuids`` in the driver's order; ``used_bytes`` of memory are in use on the first one; a ``percent`` of None is a
    GPU that does not tell how busy it is.
    """

    uuids: Sequence[str] = ("11111111-2222-3333-4444-555555555555",)
    used_bytes: int = 0
    percent: int | None = 0
    init_error: int = 0

    def open(self, name: str) -> "FakeNvml":
        assert name == "libnvidia-ml.so.1"
        return self

    def nvmlInit_v2(self) -> int:
        return self.init_error

    def nvmlDeviceGetHandleByUUID(self, uuid: bytes, handle: Any) -> int:
        known = [f"GPU-{each}".encode() for each in self.uuids]
        if uuid not in known:
            return 6  # NVML_ERROR_NOT_FOUND
        handle._obj.value = 1 + known.index(uuid)
        return 0

    def nvmlDeviceGetHandleByIndex_v2(self, index: int, handle: Any) -> int:
        if index >= len(self.uuids):
            return 2  # NVML_ERROR_INVALID_ARGUMENT
        handle._obj.value = 1 + index
        return 0

    def nvmlDeviceGetMemoryInfo(self, handle: Any, memory: Any) -> int:
        memory._obj.used = self.used_bytes if handle.value == 1 else 0
        return 0

    def nvmlDeviceGetUtilizationRates(self, handle: Any, rates: Any) -> int:
        if self.percent is None:
            return 3  # NVML_ERROR_NOT_SUPPORTED
        rates._obj.gpu = self.percent
        return 0
