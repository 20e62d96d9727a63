"""This machine's devices, its usable cores, and the arithmetic each supports."""

import os
from dataclasses import dataclass
from functools import cache
from math import floor
from pathlib import Path
from typing import Literal

import structlog

from pipelines.errors import ConfigurationError
from pipelines.models.cuda_check import require_cuda

log = structlog.get_logger()

DeviceKind = Literal["cpu", "cuda"]
EncoderName = Literal["auto", "ctranslate2", "openvino", "openvino-int8", "torch"]
"""What computes a model's encoder; auto: see `pipelines.whisper.encoding.selection`."""
WindowLength = Literal["auto", "full", "short"]
"""What the encoder gets: rows filled up to 30 s, or with a few seconds of silence after them; auto: as above."""

# In order of preference: int8 halves the weights' traffic, which bounds a CPU; a GPU wants half precision.
_PREFERRED_COMPUTE_TYPES: dict[DeviceKind, tuple[str, ...]] = {
    "cpu": ("int8", "float32"),
    "cuda": ("float16", "int8_float16", "int8", "float32"),
}
_ARITHMETIC = frozenset(
    ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "avx512_fp16", "amx_bf16", "amx_int8", "amx_tile")
)
_CGROUP_ROOT = Path("/sys/fs/cgroup")


@dataclass(frozen=True, kw_only=True)
class Device:
    """A device to run models on. ``memory_bytes`` is its own memory on a GPU, the machine's on a CPU."""

    kind: DeviceKind
    index: int
    name: str
    memory_bytes: int


def find_devices() -> tuple[Device, ...]:
    """List the devices that both torch and CTranslate2 can use: GPUs by index, then the CPU, which is always there.

    Where CUDA refuses to tell of its GPUs (a driver that does not begin, or another process that has one for itself)
    none of them can be used; the log says why.
    """
    # Loaded where it is needed: most processes of a cluster compute nothing, and torch takes 2 s and 200 MB.
    import ctranslate2
    import torch

    try:
        n_gpus = min(torch.cuda.device_count(), ctranslate2.get_cuda_device_count()) if torch.cuda.is_available() else 0
        gpus = [torch.cuda.get_device_properties(index) for index in range(n_gpus)]
    except RuntimeError as error:
        log.warning("GPUs unusable", action="find_devices", error=str(error).partition("\n")[0])
        gpus = []
    return (
        *(
            Device(kind="cuda", index=index, name=gpu.name, memory_bytes=gpu.total_memory)
            for index, gpu in enumerate(gpus)
        ),
        Device(kind="cpu", index=0, name=_cpu_name(), memory_bytes=memory_limit_bytes()),
    )


def usable_cores(cgroup_root: Path = _CGROUP_ROOT) -> int:
    """Return the cores this process may keep busy: its affinity mask, cut to its cgroup's CPU quota; at least 1."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _cpu_quota(cgroup_root)
    return max(1, allowed if quota is None else min(allowed, floor(quota)))


def memory_limit_bytes(cgroup_root: Path = _CGROUP_ROOT) -> int:
    """Return bytes of memory this process may use: the machine's, cut to the limit of its control group."""
    physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limits = (_read(cgroup_root / "memory.max"), _read(cgroup_root / "memory" / "memory.limit_in_bytes"))
    return min([physical, *(int(limit) for limit in limits if limit.isdigit())])


def choose_compute_type(kind: DeviceKind, index: int = 0, wanted: str = "auto") -> str:
    """Choose CTranslate2's compute type for a device.

    ``auto`` takes the first supported of ``int8, float32`` on a CPU and of ``float16, int8_float16, int8, float32``
    on a GPU. Raises `ConfigurationError` when the device is not there or does not support the wanted type, naming
    those it does: CTranslate2 by itself would silently take another one. On a GPU also where a part of CUDA is missing
    (see `require_cuda`): CTranslate2 by itself would say so at the first decoding.
    """
    supported = supported_compute_types(kind, index)
    if wanted in supported:
        return wanted
    if wanted != "auto":
        raise ConfigurationError(
            f"compute type {wanted!r} is not supported on {kind}:{index}; supported: {', '.join(sorted(supported))}"
        )
    return next(name for name in _PREFERRED_COMPUTE_TYPES[kind] if name in supported)


@cache
def supported_compute_types(kind: DeviceKind, index: int) -> frozenset[str]:
    """Return CTranslate2's compute types of a device; raises `ConfigurationError` where it cannot be used."""
    import ctranslate2

    try:
        if kind == "cuda":
            require_cuda()
        return frozenset(ctranslate2.get_supported_compute_types(kind, index))
    except (ConfigurationError, RuntimeError, ValueError) as error:  # no CUDA, or no such device
        raise ConfigurationError(f"device {kind}:{index} cannot be used: {error}") from error


def _cpu_quota(cgroup_root: Path) -> float | None:
    """Return the CPU seconds per second that the cgroup (version 2, else 1) grants; None when unlimited."""
    quota, _, period = _read(cgroup_root / "cpu.max").partition(" ")
    if not quota:
        quota = _read(cgroup_root / "cpu" / "cpu.cfs_quota_us")
        period = _read(cgroup_root / "cpu" / "cpu.cfs_period_us")
    return int(quota) / int(period) if quota.isdigit() and period.isdigit() else None


def _cpu_name() -> str:
    lines = _read(Path("/proc/cpuinfo")).splitlines()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "CPU")


def processor_features() -> tuple[str, ...]:
    """Return the processor's name and what of its arithmetic decides which encoder is fastest, in a fixed order."""
    lines = _read(Path("/proc/cpuinfo")).splitlines()
    flags = next((line.partition(":")[2].split() for line in lines if line.startswith("flags")), [])
    return (_cpu_name(), *sorted(set(flags) & _ARITHMETIC))


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
