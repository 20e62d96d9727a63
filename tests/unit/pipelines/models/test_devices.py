"""Device discovery: what is counted, and how limits cut it."""

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from pipelines.errors import ConfigurationError
from pipelines.models import devices
from pipelines.models.devices import choose_compute_type, find_devices, memory_limit_bytes, usable_cores
from tests.fakes.cuda import GIB, ctranslate2_module, gpu, torch_module

AMPERE = ("float32", "int8", "int8_float32", "float16", "int8_float16", "bfloat16", "int8_bfloat16")
PASCAL = ("float32", "int8", "int8_float32")
L4, A100 = gpu(), gpu("NVIDIA A100-SXM4-80GB", (8, 0), 80 * GIB)


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


@pytest.fixture
def gpu_machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Make this a machine with GPUs, as torch and CTranslate2 see them; what of CUDA is missing is another test's."""

    def make(gpus: Sequence[Any], *, n_for_ctranslate2: int, compute_types: Sequence[str] = AMPERE) -> None:
        monkeypatch.setitem(sys.modules, "torch", torch_module(gpus=gpus))
        monkeypatch.setitem(sys.modules, "ctranslate2", ctranslate2_module(n_for_ctranslate2, compute_types))
        monkeypatch.setattr(devices, "require_cuda", lambda: None)

    devices.supported_compute_types.cache_clear()
    yield make
    devices.supported_compute_types.cache_clear()


def test_gpus_come_before_the_cpu(gpu_machine: Any) -> None:
    """Each with its own name and memory, by index."""
    gpu_machine([L4, A100], n_for_ctranslate2=2)
    found = find_devices()
    assert [(device.kind, device.index, device.name) for device in found[:-1]] == [
        ("cuda", 0, "NVIDIA L4"),
        ("cuda", 1, "NVIDIA A100-SXM4-80GB"),
    ]
    assert [device.memory_bytes for device in found[:-1]] == [24 * GIB, 80 * GIB]
    assert found[-1].kind == "cpu"


def test_gpus_that_one_of_the_two_cannot_use_do_not_count(gpu_machine: Any) -> None:
    """torch makes features and CTranslate2 decodes them, in the memory of one device."""
    gpu_machine([L4, A100], n_for_ctranslate2=1)
    assert [device.name for device in find_devices()[:-1]] == ["NVIDIA L4"]
    gpu_machine([L4], n_for_ctranslate2=0)
    assert [device.kind for device in find_devices()] == ["cpu"]
    gpu_machine([], n_for_ctranslate2=1)
    assert [device.kind for device in find_devices()] == ["cpu"]


@pytest.mark.parametrize("who", ["torch", "ctranslate2"])
def test_gpus_that_cuda_does_not_tell_of_do_not_count(
    gpu_machine: Any, monkeypatch: pytest.MonkeyPatch, who: str
) -> None:
    """Another process may have one for itself, or the driver may not begin: a model for the CPU runs all the same."""

    def refuse(*_: object) -> Any:
        raise RuntimeError("CUDA error: CUDA-capable device(s) is/are busy or unavailable\nCompile with ...")

    gpu_machine([L4], n_for_ctranslate2=1)
    if who == "torch":
        monkeypatch.setattr(sys.modules["torch"].cuda, "get_device_properties", refuse)
    else:
        monkeypatch.setattr(sys.modules["ctranslate2"], "get_cuda_device_count", refuse)
    with capture_logs() as logs:
        assert [device.kind for device in find_devices()] == ["cpu"]
    assert [entry["error"] for entry in logs] == ["CUDA error: CUDA-capable device(s) is/are busy or unavailable"]


def test_a_gpu_computes_in_half_precision_where_it_can(gpu_machine: Any) -> None:
    """An old one without it takes int8, as a CPU does."""
    gpu_machine([L4], n_for_ctranslate2=1)
    assert choose_compute_type("cuda") == "float16"
    assert choose_compute_type("cuda", wanted="int8_float16") == "int8_float16"
    devices.supported_compute_types.cache_clear()
    gpu_machine([L4], n_for_ctranslate2=1, compute_types=PASCAL)
    assert choose_compute_type("cuda") == "int8"
    with pytest.raises(ConfigurationError, match=r"'float16' is not supported on cuda:0"):
        choose_compute_type("cuda", wanted="float16")


def test_a_gpu_beyond_the_last_is_refused(gpu_machine: Any) -> None:
    """CTranslate2's words for it come along."""
    gpu_machine([L4], n_for_ctranslate2=1)
    with pytest.raises(ConfigurationError, match=r"cuda:1 cannot be used: Invalid CUDA device index"):
        choose_compute_type("cuda", index=1)


def test_missing_parts_of_cuda_are_told_before_anything_is_loaded(
    gpu_machine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A CPU asks for none of them."""

    def refuse() -> None:
        raise ConfigurationError("CTranslate2's CUDA: libcublas.so.12 does not load")

    gpu_machine([L4], n_for_ctranslate2=1)
    monkeypatch.setattr(devices, "require_cuda", refuse)
    with pytest.raises(ConfigurationError, match=r"cuda:0 cannot be used: CTranslate2's CUDA: libcublas"):
        choose_compute_type("cuda")
    assert choose_compute_type("cpu") == "int8"
