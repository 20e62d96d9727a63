"""CTranslate2's CUDA libraries: it opens cuBLAS by name at the first decoding, whatever CUDA torch is made for.

torch brings libraries of its own CUDA, which may be of another major version. `load_cublas` finds those that
CTranslate2 wants, in a package of their own or where the system has them, and loads them: an open library is found by
its name. Names and versioned symbols keep the two apart in one process.
"""

import ctypes
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from pipelines.errors import ConfigurationError
from pipelines.models.nvidia_driver import OpenLibrary

CUDA_MAJOR = 12
"""The CUDA that CTranslate2 4 is made for."""
CUBLAS_PACKAGE = f"nvidia-cublas-cu{CUDA_MAJOR}"
CUBLAS = tuple(f"{name}.so.{CUDA_MAJOR}" for name in ("libcublasLt", "libcublas"))
"""In this order: the second needs the first, and would look for it elsewhere."""


def load_cublas(open_library: OpenLibrary = ctypes.CDLL) -> str:
    """Load the libraries for the rest of this process, and return where they came from.

    Loads without a GPU too. Raises `ConfigurationError` where there are none, or they do not load.
    """
    folder = _package_folder()
    for name in CUBLAS:
        try:  # by default for those alone who open them by name: torch has symbols of the same names
            open_library(str(folder / name) if folder else name)
        except OSError as error:
            raise ConfigurationError(f"{name} does not load: {error}") from error
    return str(folder or "the system's library path")


def _package_folder() -> Path | None:
    try:
        folder = Path(str(distribution(CUBLAS_PACKAGE).locate_file("nvidia/cublas/lib")))
    except PackageNotFoundError:
        return None
    return folder if (folder / CUBLAS[-1]).exists() else None
