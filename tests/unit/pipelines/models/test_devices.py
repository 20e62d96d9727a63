"""Device discovery: what is counted, and how limits cut it."""

import os
from pathlib import Path

import pytest

from pipelines.errors import ConfigurationError
from pipelines.models.devices import choose_compute_type, find_devices, memory_limit_bytes, usable_cores


def allowed_cores() -> int:
    return len(os.sched_getaffinity(0))


def test_cpu_is_always_found() -> None:
    """The last device is the CPU, with a name and the memory of the machine."""
    cpu = find_devices()[-1]
    assert cpu.kind == "cpu"
    assert cpu.name
    assert cpu.memory_bytes > 1 << 20


def test_affinity_mask_bounds_the_cores() -> None:
    """A process pinned to one core may use one."""
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert usable_cores() == 1
    finally:
        os.sched_setaffinity(0, before)


@pytest.mark.parametrize(("cpu_max", "cores"), [("max 100000", None), ("50000 100000", 1), ("100000 100000", 1)])
def test_cgroup_2_quota_cuts_the_cores(tmp_path: Path, cpu_max: str, cores: int | None) -> None:
    """A container with half a core gets one thread; an unlimited one gets the mask."""
    (tmp_path / "cpu.max").write_text(cpu_max + "\n")
    assert usable_cores(tmp_path) == (allowed_cores() if cores is None else cores)


@pytest.mark.parametrize(("quota", "cores"), [("-1", None), ("150000", 1)])
def test_cgroup_1_quota_cuts_the_cores(tmp_path: Path, quota: str, cores: int | None) -> None:
    """The older control groups are understood too; -1 means no limit."""
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text(quota)
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000")
    assert usable_cores(tmp_path) == (allowed_cores() if cores is None else cores)


def test_memory_is_cut_to_the_cgroup_limit(tmp_path: Path) -> None:
    """A container's memory limit counts, not the machine's memory."""
    whole = memory_limit_bytes(tmp_path)
    (tmp_path / "memory.max").write_text("1048576")
    assert memory_limit_bytes(tmp_path) == 1 << 20 < whole


def test_automatic_compute_type_on_cpu_is_int8() -> None:
    """Every CPU that CTranslate2 runs on has int8."""
    assert choose_compute_type("cpu") == "int8"


def test_supported_compute_type_is_kept() -> None:
    """What was asked for and works is taken."""
    assert choose_compute_type("cpu", wanted="float32") == "float32"


def test_unsupported_compute_type_is_refused() -> None:
    """A type the CPU cannot do is an error that lists those it can."""
    with pytest.raises(ConfigurationError, match=r"float16.*float32"):
        choose_compute_type("cpu", wanted="float16")


def test_absent_gpu_is_refused() -> None:
    """Asking for a GPU that is not there is a configuration error, not a crash."""
    absent = sum(device.kind == "cuda" for device in find_devices())
    with pytest.raises(ConfigurationError, match="cannot be used"):
        choose_compute_type("cuda", index=absent)
