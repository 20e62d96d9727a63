"""What an error of a device means for its next batch, told by the words of CUDA, cuBLAS and cuDNN.

Neither torch nor CTranslate2 gives codes. After most of CUDA's errors a process cannot use the device again
(https://docs.nvidia.com/cuda/cuda-runtime-api/group__CUDART__TYPES.html: "the process must be terminated and
relaunched"): what it tries next fails too, whoever's recording it is.
"""

import re

_OUT_OF_MEMORY = re.compile(r"out of memory|_STATUS_ALLOC_FAILED")
_OF_THE_DEVICE = re.compile(
    r"CUDA (failed with )?error|cu(BLAS|DNN) (failed|error)|CU(BLAS|DNN)_STATUS_", re.IGNORECASE
)
_OF_ONE_CALL = re.compile(r"invalid (configuration )?argument|too many resources requested|_STATUS_NOT_SUPPORTED")


def is_out_of_memory(error: Exception) -> bool:
    """Tell whether fewer rows may succeed on the same device."""
    return bool(_OUT_OF_MEMORY.search(str(error)))


def is_device_lost(error: Exception) -> bool:
    """Tell whether this process must be replaced: the device fails, or its context is broken for good."""
    text = str(error)
    return bool(_OF_THE_DEVICE.search(text)) and not is_out_of_memory(error) and not _OF_ONE_CALL.search(text)
