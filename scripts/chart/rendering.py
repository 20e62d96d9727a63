"""Renders the chart with Helm itself, once for each file of values."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "configs" / "helm" / "meetmemo"
RENDERED = ROOT / "configs" / "helm" / "rendered"
NAMESPACE = "transcription"


def value_files() -> dict[str, list[Path]]:
    """Return the files of values over the chart's own by name of the render; ``default`` has none."""
    return {"default": []} | {path.stem: [path] for path in sorted((CHART / "values").glob("*.yaml"))}


def render(helm: str, name: str) -> str:
    """Return the manifests under a head that tells how they came about. Raises `CalledProcessError`."""
    files = value_files()[name]
    metadata = yaml.safe_load((CHART / "Chart.yaml").read_text())
    checked = metadata["annotations"]
    checked_on = checked.pop("meetmemo/checked-on")
    lines = [
        f"# `helm template meetmemo configs/helm/meetmemo{''.join(f' -f {path.relative_to(ROOT)}' for path in files)}`",
        f"# for the namespace {NAMESPACE}, made by scripts/make-chart. Checked {checked_on} against:",
        *(f"# {key.removeprefix('meetmemo/')} {value}" for key, value in checked.items()),
    ]
    return "\n".join([*lines, run(helm, "template", "meetmemo", str(CHART), *_values(files))])


def run(helm: str, *arguments: str) -> str:
    """Return the output of a command of Helm, which asks no cluster. Raises `CalledProcessError`."""
    return subprocess.run(
        [helm, *arguments, "--namespace", NAMESPACE],
        check=True,
        capture_output=True,
        text=True,
        env=os.environ | {"KUBECONFIG": os.devnull},
    ).stdout


def _values(files: Sequence[Path]) -> list[str]:
    return [argument for path in files for argument in ("-f", str(path))]
