"""What a GPU machine installs, as far as it goes without a GPU: the package of cuBLAS, and a driver compiled here."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.models.cuda_libraries import CUBLAS, CUBLAS_PACKAGE
from tests.acceptance.conftest import RunningMeetMemo
from tests.servers import free_port
from tests.support.compiled_driver import COMPILER, compile_driver

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.full, pytest.mark.timeout(900)]
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="needs a C compiler: cc")

# torch first or last: both orders occur. cuBLAS tells its own version without a GPU.
LOADED = """
import ctypes, json, sys
if sys.argv[1] == "torch-first": import torch
from pipelines.models.cuda_libraries import CUBLAS, load_cublas
found = load_cublas()
import ctranslate2, torch
version = ctypes.c_int()
ctypes.CDLL(CUBLAS[-1]).cublasGetProperty(0, ctypes.byref(version))
with open("/proc/self/maps") as maps:
    mapped = sorted({line.split()[-1] for line in maps if any(name in line for name in CUBLAS)})
print(json.dumps({"found": found, "version": version.value, "mapped": mapped, "sum": float(torch.ones(3).sum())}))
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package that the extra names, in the version that the constraints pin, in a folder of its own."""
    folder = tmp_path_factory.mktemp("site")
    install = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "-c", "constraints.txt")
    command = [sys.executable, *install, "--target", str(folder), CUBLAS_PACKAGE]
    subprocess.run(command, cwd=ROOT, check=True)
    return folder


def run(*arguments: str, site: Path | None = None, **environment: str) -> "subprocess.CompletedProcess[str]":
    paths = [str(ROOT), *([str(site)] if site else [])]
    return subprocess.run(
        [sys.executable, "-W", "ignore", *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("order", ["torch-first", "torch-last"])
def test_cublas_loads_beside_torch(site: Path, order: str) -> None:
    """Afterwards the bare name finds it, as CTranslate2 asks for it; torch computes as before."""
    done = run("-c", LOADED, order, site=site)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["found"] == str(site / "nvidia" / "cublas" / "lib")
    assert told["version"] == 12
    assert told["mapped"] == sorted(str(site / "nvidia" / "cublas" / "lib" / name) for name in CUBLAS)
    assert told["sum"] == 3.0


@needs_compiler
@pytest.mark.parametrize(
    ("version", "cuda", "expected"),
    [
        ("580.65.06", 13000, "NVIDIA driver: 580.65.06, for CUDA up to 13.0"),
        ("570.86.15", 12080, "NVIDIA driver: 570.86.15, for CUDA up to 12.8"),
        ("470.82.01", 11040, "NVIDIA driver: 470.82.01, for CUDA up to 11.4. Update it: CUDA 1"),
    ],
)
def test_the_check_reads_a_driver_by_its_own_interface(
    site: Path, tmp_path: Path, version: str, cuda: int, expected: str
) -> None:
    """Its version, what it runs, and cuBLAS beside it; whether torch is made for CUDA depends on the machine."""
    done = run("-m", "pipelines.models.cuda_check", site=site, **compile_driver(tmp_path, version=version, cuda=cuda))
    driver, torch, ctranslate2 = done.stdout.splitlines()
    assert driver.startswith(expected)
    assert torch.startswith("torch's CUDA: ")
    assert ctranslate2.startswith("CTranslate2's CUDA: cuBLAS for CUDA 12 loads from ")


@needs_compiler
@pytest.mark.cluster
def test_a_gpu_that_cannot_be_used_leaves_a_cluster_to_the_cpu(tmp_path: Path) -> None:
    """Ray would count it by the driver alone, and the Transcriber would wait for it; the start says what is missing."""
    libraries, home = tmp_path / "lib", tmp_path / "home"
    libraries.mkdir()
    home.mkdir()
    more = compile_driver(libraries, version="450.80.02", cuda=11000, init_error=100)
    running = RunningMeetMemo(home=home, port=free_port(), more={**more, "RAY_AUTH_MODE": "disabled"})
    running.start()
    try:
        job = running.finished(running.submit("short.mp3")["id"])
        assert job["state"] == "succeeded", job
        assert "This machine's GPUs stay unused" in (home / "up.log").read_text()
    finally:
        running.stop()
