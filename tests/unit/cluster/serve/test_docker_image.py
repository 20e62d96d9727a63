"""The Dockerfile, layer by layer without an engine: its stages are followed, its commands run with stand-ins."""

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from pipelines.models.nvidia_driver import OLDEST_DRIVERS

ROOT = Path(__file__).parents[4]
DOCKERFILE = ROOT / "configs" / "docker" / "Dockerfile"
VARIANTS = ("cpu", "cuda")
COMPOSE_FILES = ("compose.yaml", "compose.cuda.yaml")
STAND_INS = ("pip", "useradd", "chown", "mkdir")


class Image:
    """The layers of one variant, from its first stage to its last; ``calls`` are those of `STAND_INS`, in order."""

    def __init__(self, variant: str, folder: Path) -> None:
        programs = folder / "bin"
        programs.mkdir()
        for name in STAND_INS:
            (programs / name).write_text(
                f'#!/bin/sh\nprintf "%s|" {name} "$@" >> "{folder}/calls"\necho >> "{folder}/calls"\n'
            )
            (programs / name).chmod(0o755)
        self._folder = folder
        self.environment = {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
        arguments = {"VARIANT": variant}
        stages = _stages(arguments)
        for instruction, text in _layers(stages, list(stages)[-1]):
            if instruction == "COPY":
                self._copy(text.split())
            elif instruction == "ARG":
                self.environment.update([tuple(text.split("=", 1))])  # type: ignore[list-item]  # a name and its value
            elif instruction == "ENV":
                self.environment.update(_pairs(text))
            elif instruction == "RUN":
                subprocess.run(["sh", "-ec", text], cwd=folder, env=self.environment, check=True)
        self.calls = [line.split("|")[:-1] for line in (folder / "calls").read_text().splitlines()]
        self.installs = [call[call.index("install") + 1 :] for call in self.calls if call[:2] == ["pip", "install"]]

    def _copy(self, names: list[str]) -> None:
        for name in names[:-1]:
            source = ROOT / name
            assert source.exists(), name
            if source.is_file():
                (self._folder / name).write_bytes(source.read_bytes())


def _stages(arguments: dict[str, str]) -> dict[str, tuple[str, list[tuple[str, str]]]]:
    """Each stage's base and instructions by its name; the last one has none."""
    stages: dict[str, tuple[str, list[tuple[str, str]]]] = {}
    name = ""
    for line in DOCKERFILE.read_text().splitlines():
        instruction, _, text = line.partition(" ")
        if instruction == "FROM":
            for argument, value in arguments.items():
                text = text.replace(f"${{{argument}}}", value)
            base, _, name = text.partition(" AS ")
            stages[name] = (base, [])
        elif stages and instruction and instruction != "#":
            stages[name][1].append((instruction, text))
    return stages


def _layers(stages: dict[str, tuple[str, list[tuple[str, str]]]], name: str) -> list[tuple[str, str]]:
    base, own = stages[name]
    return [*(_layers(stages, base) if base in stages else []), *own]


def _pairs(text: str) -> dict[str, str]:
    return dict(re.findall(r"(\w+)=(\S*)", text))


@pytest.fixture(params=VARIANTS)
def image(request: pytest.FixtureRequest, tmp_path: Path) -> Image:
    return Image(request.param, tmp_path)


@pytest.fixture
def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().split()
    return {name: version for name, _, version in (line.partition("==") for line in lines)}


def test_torch_comes_before_the_program(image: Image, pins: dict[str, str]) -> None:
    """A change of the program does not fetch gigabytes anew; the variants differ in where torch comes from."""
    torch, program = image.installs
    assert program[-1] in (".", ".[cuda]")
    if program[-1] == ".":
        assert torch[-1] == f"torch=={pins['torch']}"
        assert torch[torch.index("--index-url") + 1].endswith("/cpu")
    else:
        assert torch[-3:] == ["-c", "constraints.txt", "torch"]
        assert "--index-url" not in torch
    assert program[-3:-1] == ["-c", "constraints.txt"]


def test_the_cuda_variant_has_what_ctranslate2_needs(tmp_path: Path) -> None:
    """Its extra, and the parts of the driver that the container toolkit brings in."""
    image = Image("cuda", tmp_path)
    assert image.installs[-1][-1] == ".[cuda]"
    assert image.environment["NVIDIA_VISIBLE_DEVICES"] == "all"
    assert set(image.environment["NVIDIA_DRIVER_CAPABILITIES"].split(",")) == {"compute", "utility"}


def test_the_cpu_variant_asks_for_no_gpu(tmp_path: Path) -> None:
    """A head or a CPU node gets nothing of NVIDIA's."""
    image = Image("cpu", tmp_path)
    assert image.installs[-1][-1] == "."
    assert not [name for name in image.environment if name.startswith("NVIDIA")]


def test_the_extra_and_its_constraint_agree(pins: dict[str, str]) -> None:
    """What ``[cuda]`` installs is pinned."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    names = [re.split(r"[<>=;! ]", requirement)[0] for requirement in extras["cuda"]]
    assert names == ["nvidia-cublas-cu12"]
    assert set(names) <= pins.keys()


@pytest.mark.parametrize(
    "name",
    [
        "README.md",
        "docs/install.md",
        "configs/docker/Dockerfile",
        "configs/docker/compose.cuda.yaml",
        "docs/kubernetes.md",
        "configs/ray-up/aws.yaml",
    ],
)
def test_everybody_names_the_same_driver(name: str) -> None:
    """The oldest that runs torch's CUDA stands in the code once, and in what is read before anything is installed."""
    named = re.findall(r"\b(\d{3}) or\W+newer", (ROOT / name).read_text())
    assert named, name
    assert {int(number) for number in named} == {max(OLDEST_DRIVERS.values())}


def test_the_gpu_overlay_fits_the_compose_file() -> None:
    """It changes services that are there: the image's variant, and GPUs of the host for it."""
    base, overlay = (yaml.safe_load((DOCKERFILE.parent / name).read_text()) for name in COMPOSE_FILES)
    assert overlay["services"].keys() <= base["services"].keys()
    service = overlay["services"]["meetmemo"]
    assert service["build"]["args"] == {"VARIANT": "cuda"}
    (gpus,) = service["deploy"]["resources"]["reservations"]["devices"]
    assert gpus == {"driver": "nvidia", "count": "all", "capabilities": ["gpu"]}
