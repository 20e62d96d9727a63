"""Each part of CUDA that may be missing is named, with its mend; nothing of it needs a GPU here."""

import sys
from typing import Any

import pytest

from pipelines.errors import ConfigurationError
from pipelines.models import cuda_check
from pipelines.models.cuda_check import check_cuda, require_cuda
from pipelines.models.nvidia_driver import Driver
from tests.fakes.cuda import MISMATCH, driver, gpu, torch_module


class Machine:
    """A machine with everything a GPU needs, until a test takes something away."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self.has_driver(driver())
        self.has_torch(torch_module(gpus=[gpu()]))
        monkeypatch.setattr(cuda_check, "load_cublas", lambda: "/site-packages/nvidia/cublas/lib")

    def has_driver(self, found: Driver | None) -> None:
        self._monkeypatch.setattr(cuda_check, "find_driver", lambda: found)

    def has_torch(self, module: Any) -> None:
        self._monkeypatch.setitem(sys.modules, "torch", module)

    def lacks_cublas(self) -> None:
        def refuse() -> str:
            raise ConfigurationError("libcublas.so.12 does not load: no such file")

        self._monkeypatch.setattr(cuda_check, "load_cublas", refuse)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


def failing() -> list[str]:
    return [str(part) for part in check_cuda() if part.mend]


@pytest.mark.usefixtures("machine")
def test_a_complete_machine_needs_no_mending() -> None:
    """All three parts are told."""
    require_cuda()
    assert [str(part) for part in check_cuda()] == [
        "NVIDIA driver: 580.65.06, for CUDA up to 13.0",
        "torch's CUDA: CUDA 13.0 loads",
        "CTranslate2's CUDA: cuBLAS for CUDA 12 loads from /site-packages/nvidia/cublas/lib",
    ]


def test_a_missing_driver_is_named(machine: Machine) -> None:
    """With the oldest that will do for torch, and what a container needs."""
    machine.has_driver(None)
    (fault,) = failing()
    assert fault.startswith("NVIDIA driver: not found. Install it (580 or newer);")
    assert "--gpus all" in fault
    with pytest.raises(ConfigurationError, match="not found"):
        require_cuda()


def test_a_driver_for_ctranslate2_alone_is_too_old_for_torch(machine: Machine) -> None:
    """Each half is satisfied by itself; the newer one decides."""
    machine.has_driver(driver("570.86.15", (12, 8)))
    assert failing() == ["NVIDIA driver: 570.86.15, for CUDA up to 12.8. Update it: CUDA 13 needs 580 or newer."]
    machine.has_torch(torch_module("12.8", [gpu()]))
    assert failing() == []
    machine.has_driver(driver("470.82.01", (11, 4)))
    assert failing() == ["NVIDIA driver: 470.82.01, for CUDA up to 11.4. Update it: CUDA 12 needs 525 or newer."]


def test_a_torch_for_a_cuda_of_the_future_asks_for_a_newer_driver(machine: Machine) -> None:
    """No number is made up for what NVIDIA's table did not have."""
    machine.has_torch(torch_module("14.0", [gpu()]))
    assert failing() == ["NVIDIA driver: 580.65.06, for CUDA up to 13.0. Update it: CUDA 14 needs a newer one."]


def test_a_driver_that_does_not_answer_is_told(machine: Machine) -> None:
    """In CUDA's own words, and what helps."""
    machine.has_driver(driver(fault=MISMATCH))
    (fault,) = failing()
    assert MISMATCH in fault
    assert "restart" in fault


def test_a_torch_for_the_cpu_is_told(machine: Machine) -> None:
    """CTranslate2 alone could use the GPU; features and encodings could not get there."""
    machine.has_torch(torch_module(None))
    (fault,) = failing()
    assert "made for the CPU" in fault
    assert "[cuda]" in fault


def test_a_torch_that_does_not_load_is_told(machine: Machine) -> None:
    """A CUDA library that was uninstalled, say; the loader's words name it."""

    machine.has_torch(None)  # Python raises ImportError
    (fault,) = failing()
    assert "does not begin" in fault

    def refuse(index: int) -> None:
        raise RuntimeError("CUDA error: CUDA-capable device(s) is/are busy or unavailable\nCompile with ...")

    held = torch_module(gpus=[gpu()])
    held.cuda.get_device_properties = refuse
    machine.has_torch(held)
    (fault,) = failing()
    assert "busy or unavailable. Ask nvidia-smi" in fault


def test_a_gpu_that_torch_was_not_compiled_for_is_named(machine: Machine) -> None:
    """CUDA 13 dropped the generation of the V100: its kernels would be missing at the first batch."""
    machine.has_torch(torch_module(gpus=[gpu(), gpu("Tesla V100-SXM2-16GB", (7, 0))]))
    (fault,) = failing()
    assert "no code for Tesla V100-SXM2-16GB" in fault


def test_a_missing_cublas_is_told_with_its_package(machine: Machine) -> None:
    """What the first decoding would end with, told before it."""
    machine.lacks_cublas()
    assert failing() == [
        "CTranslate2's CUDA: libcublas.so.12 does not load: no such file. "
        "Install cuBLAS for CUDA 12: pip install -c constraints.txt -e '.[cuda]'"
    ]


def test_as_a_program_it_fails_where_a_part_does(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    """Its exit code is what a start goes by, its lines what it prints."""
    assert cuda_check.main() == 0
    machine.has_driver(None)
    assert cuda_check.main() == 1
    assert capsys.readouterr().out.count("NVIDIA driver") == 2
