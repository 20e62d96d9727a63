"""NVIDIA's driver as two small libraries that are compiled for a test: what the loader finds by name is real."""

import os
import shutil
import subprocess
from pathlib import Path

COMPILER = shutil.which("cc")

_CUDA = """
int cuDriverGetVersion(int *version) { *version = CUDA; return 0; }
int cuInit(unsigned flags) { return INIT; }
int cuGetErrorString(int code, const char **words) { *words = "no CUDA-capable device is detected"; return 0; }
"""

_MANAGEMENT = """
#include <string.h>
int nvmlInit_v2(void) { return 0; }
int nvmlInitWithFlags(unsigned flags) { return 0; }
int nvmlShutdown(void) { return 0; }
int nvmlSystemGetDriverVersion(char *text, unsigned n_bytes) { strncpy(text, VERSION, n_bytes); return 0; }
int nvmlDeviceGetCount_v2(unsigned *n_gpus) { *n_gpus = 1; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **gpu) { *gpu = gpu; return 0; }
int nvmlDeviceGetName(void *gpu, char *text, unsigned n_bytes) { strncpy(text, "NVIDIA L4", n_bytes); return 0; }
"""


def compile_driver(folder: Path, *, version: str, cuda: int, init_error: int = 0) -> dict[str, str]:
    """Compile a driver of a machine with one GPU; return the environment in which it is found.

    ``cuda`` is the newest CUDA that it runs, as CUDA counts them: 13.0 is 13000.
    """
    _compile(folder / "libcuda.so.1", _CUDA, f"-DCUDA={cuda}", f"-DINIT={init_error}")
    _compile(folder / "libnvidia-ml.so.1", _MANAGEMENT, f'-DVERSION="{version}"')
    return {"LD_LIBRARY_PATH": os.pathsep.join(filter(None, (str(folder), os.environ.get("LD_LIBRARY_PATH"))))}


def _compile(library: Path, source: str, *macros: str) -> None:
    assert COMPILER
    command = [COMPILER, "-shared", "-fPIC", *macros, "-x", "c", "-", "-o", str(library)]
    subprocess.run(command, input=source, text=True, check=True)
