"""NVIDIA's driver as two small libraries that are compiled for a test: what the loader finds by name is real."""

import os
import shutil
import subprocess
from pathlib import Path

COMPILER = shutil.which("cc")
UUID = "01234567-89ab-cdef-0123-456789abcdef"
"""Of its GPU, of whose 22 GiB of memory 3 are in use, and which is busy 87 % of the time."""

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
int nvmlDeviceGetHandleByUUID(const char *uuid, void **gpu) { *gpu = gpu; return strcmp(uuid, "GPU-" UUID) ? 6 : 0; }
int nvmlDeviceGetMemoryInfo(void *gpu, unsigned long long sizes[3]) {
    if (!gpu) return 2;
    sizes[0] = 22ull << 30; sizes[1] = 19ull << 30; sizes[2] = 3ull << 30;
    return 0;
}
int nvmlDeviceGetUtilizationRates(void *gpu, unsigned percent[2]) { percent[0] = 87; percent[1] = 40; return 0; }
int nvmlDeviceGetName(void *gpu, char *text, unsigned n_bytes) { strncpy(text, "NVIDIA L4", n_bytes); return 0; }
"""


def compile_driver(folder: Path, *, version: str, cuda: int, init_error: int = 0) -> dict[str, str]:
    """Compile a driver of a machine with one GPU; return the environment in which it is found.

    ``cuda`` is the newest CUDA that it runs, as CUDA counts them: 13.0 is 13000.
    """
    _compile(folder / "libcuda.so.1", _CUDA, f"-DCUDA={cuda}", f"-DINIT={init_error}")
    _compile(folder / "libnvidia-ml.so.1", _MANAGEMENT, f'-DVERSION="{version}"', f'-DUUID="{UUID}"')
    return {"LD_LIBRARY_PATH": os.pathsep.join(filter(None, (str(folder), os.environ.get("LD_LIBRARY_PATH"))))}


def _compile(library: Path, source: str, *macros: str) -> None:
    assert COMPILER
    command = [COMPILER, "-shared", "-fPIC", *macros, "-x", "c", "-", "-o", str(library)]
    subprocess.run(command, input=source, text=True, check=True)
