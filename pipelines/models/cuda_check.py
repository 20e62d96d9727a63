"""Whether this machine's CUDA is complete: NVIDIA's driver, torch's CUDA, and the one that CTranslate2 needs.

Only the driver needs a GPU; the rest shows on any machine. ``python -m pipelines.models.cuda_check`` prints the parts.
"""

import sys
import warnings
from dataclasses import dataclass

from pipelines.errors import ConfigurationError
from pipelines.models.cuda_libraries import CUDA_MAJOR, load_cublas
from pipelines.models.nvidia_driver import OLDEST_DRIVERS, Driver, find_driver

INSTALL = "pip install -c constraints.txt -e '.[cuda]'"
_TORCH_MEND = f"Ask nvidia-smi who else uses the GPU; where libraries are missing: pip uninstall torch, then {INSTALL}"


@dataclass(frozen=True, kw_only=True)
class CudaPart:
    """One of the parts that a GPU needs; ``mend`` says what to do where it fails."""

    subject: str
    detail: str
    mend: str = ""

    def __str__(self) -> str:
        return f"{self.subject}: {self.detail}" + (f". {self.mend}" if self.mend else "")


@dataclass(frozen=True, kw_only=True)
class TorchCuda:
    """What torch can do. ``version``: of its CUDA, "" where it has none; ``fault``: why it does not load.

    ``too_old``: GPUs of this machine that it was not compiled for.
    """

    version: str = ""
    fault: str = ""
    too_old: tuple[str, ...] = ()

    @classmethod
    def find(cls) -> "TorchCuda":
        """Load torch, and look."""
        try:
            import torch
        except (ImportError, OSError) as error:
            return cls(fault=str(error))
        made_for = [int(digits) for name in torch.cuda.get_arch_list() if (digits := name.partition("_")[2]).isdigit()]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the driver, which is a part of its own
            n_gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
        try:
            gpus = [torch.cuda.get_device_properties(index) for index in range(n_gpus)]
        except RuntimeError as error:  # no memory left for a context, or another process has the GPU for itself
            return cls(fault=str(error).partition("\n")[0])
        too_old = [gpu.name for gpu in gpus if 10 * gpu.major + gpu.minor < min(made_for, default=0)]
        return cls(version=torch.version.cuda or "", too_old=tuple(too_old))


def check_cuda() -> tuple[CudaPart, ...]:
    """Try every part; takes seconds where torch is not loaded yet."""
    torch = TorchCuda.find()
    return (_driver(find_driver(), torch.version), _torch(torch), _ctranslate2())


def require_cuda() -> None:
    """Load what CTranslate2 needs on a GPU; raises `ConfigurationError` with the first part that fails and its mend."""
    for part in check_cuda():
        if part.mend:
            raise ConfigurationError(str(part))


def _driver(driver: Driver | None, torch_cuda: str) -> CudaPart:
    subject = "NVIDIA driver"
    newest = max(CUDA_MAJOR, int(torch_cuda.partition(".")[0] or 0))
    wanted = f"{OLDEST_DRIVERS[newest]} or newer" if newest in OLDEST_DRIVERS else "a newer one"
    if driver is None:
        mend = f"Install it ({wanted}); start containers with NVIDIA's container toolkit (docker run --gpus all)."
        return CudaPart(subject=subject, detail="not found", mend=mend)
    known = f"{driver.version}, for CUDA up to {'.'.join(map(str, driver.cuda))}"
    if not driver.runs(newest):
        mend = f"Update it: CUDA {newest} needs {wanted}."
        return CudaPart(subject=subject, detail=known, mend=mend)
    if driver.fault:
        mend = "Ask nvidia-smi; after an update of the driver restart the machine."
        return CudaPart(subject=subject, detail=f"{known}, does not answer: {driver.fault}", mend=mend)
    return CudaPart(subject=subject, detail=known)


def _torch(found: TorchCuda) -> CudaPart:
    subject = "torch's CUDA"
    if found.fault:
        return CudaPart(subject=subject, detail=f"does not begin: {found.fault}", mend=_TORCH_MEND)
    if not found.version:
        mend = f"Replace it: pip uninstall torch, then {INSTALL}"
        return CudaPart(subject=subject, detail="none, this torch is made for the CPU", mend=mend)
    if found.too_old:
        mend = "Choose a build of torch that has (pytorch.org), or set the model's device to cpu."
        detail = f"CUDA {found.version}, this build has no code for {', '.join(found.too_old)}"
        return CudaPart(subject=subject, detail=detail, mend=mend)
    return CudaPart(subject=subject, detail=f"CUDA {found.version} loads")


def _ctranslate2() -> CudaPart:
    subject = "CTranslate2's CUDA"
    try:
        found = load_cublas()
    except ConfigurationError as error:
        return CudaPart(subject=subject, detail=str(error), mend=f"Install cuBLAS for CUDA {CUDA_MAJOR}: {INSTALL}")
    return CudaPart(subject=subject, detail=f"cuBLAS for CUDA {CUDA_MAJOR} loads from {found}")


def main() -> int:
    parts = check_cuda()
    print(*parts, sep="\n")
    return 1 if any(part.mend for part in parts) else 0


if __name__ == "__main__":
    sys.exit(main())
