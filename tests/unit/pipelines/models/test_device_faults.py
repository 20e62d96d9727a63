"""Which of a device's errors mean fewer rows, which a new process, and which the row alone."""

import pytest

from pipelines.models.device_faults import is_device_lost, is_out_of_memory

SHORT = [
    "CUDA failed with error out of memory",
    "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 22.06 GiB",
    "cuBLAS failed with status CUBLAS_STATUS_ALLOC_FAILED",
    "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
    "CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported at some other API call",
]
LOST = [
    "CUDA error: device-side assert triggered\nCUDA kernel errors might be asynchronously reported",
    "CUDA failed with error an illegal memory access was encountered",
    "CUDA failed with error unspecified launch failure",
    "CUDA failed with error uncorrectable ECC error encountered",
    "CUDA error: invalid device context",
    "CUDA error: CUDA-capable device(s) is/are busy or unavailable",
    "CUDA failed with error no CUDA-capable device is detected",
    "CUDA error: unknown error",
    "cuBLAS failed with status CUBLAS_STATUS_EXECUTION_FAILED",
    "CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`",
    "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR",
]
OF_THE_ROW = [
    "CUDA error: invalid argument",
    "CUDA failed with error invalid configuration argument",
    "all prompts must have the same number of task tokens",
    "poison",
]


@pytest.mark.parametrize("text", SHORT)
def test_short_memory_loses_no_device(text: str) -> None:
    """The next call with fewer rows may succeed."""
    assert is_out_of_memory(RuntimeError(text))
    assert not is_device_lost(RuntimeError(text))


@pytest.mark.parametrize("text", LOST)
def test_a_broken_context_is_lost(text: str) -> None:
    """Whatever is tried next fails as well."""
    assert is_device_lost(RuntimeError(text))
    assert not is_out_of_memory(RuntimeError(text))


@pytest.mark.parametrize("text", OF_THE_ROW)
def test_a_rows_own_error_is_neither(text: str) -> None:
    """It is found by halving, and fails alone."""
    assert not is_device_lost(RuntimeError(text))
    assert not is_out_of_memory(RuntimeError(text))
