"""cuBLAS for CTranslate2: where it is looked for, and in which order it is loaded."""

from pathlib import Path

import pytest

from pipelines.errors import ConfigurationError
from pipelines.models import cuda_libraries
from pipelines.models.cuda_libraries import CUBLAS, load_cublas


class Loader:
    """Records what is opened; what is in ``missing`` cannot be."""

    def __init__(self, *missing: str) -> None:
        self.opened: list[str] = []
        self._missing = missing

    def __call__(self, name: str) -> None:
        if Path(name).name in self._missing:
            raise OSError(f"{name}: cannot open shared object file: No such file or directory")
        self.opened.append(name)


def test_ctranslate2_opens_the_library_by_this_name() -> None:
    """The name stands in CTranslate2's own library: another version of it may want another one."""
    import ctranslate2

    folder = Path(ctranslate2.__file__).parent
    libraries = [*folder.parent.glob("ctranslate2.libs/libctranslate2*"), *folder.glob("*ctranslate2*")]
    named = [path for path in libraries if path.is_file() and CUBLAS[-1].encode() in path.read_bytes()]
    assert named, libraries


def test_the_packages_libraries_come_first_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By their whole paths, the one that the other needs first."""
    folder = tmp_path / "nvidia" / "cublas" / "lib"
    folder.mkdir(parents=True)
    for name in CUBLAS:
        (folder / name).touch()
    info = tmp_path / "nvidia_cublas_cu12-12.9.3.13.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: nvidia-cublas-cu12\nVersion: 12.9.3.13\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    loader = Loader()
    assert load_cublas(loader) == str(folder)
    assert loader.opened == [str(folder / name) for name in ("libcublasLt.so.12", "libcublas.so.12")]


@pytest.fixture
def no_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_libraries, "CUBLAS_PACKAGE", "no-such-package-of-cublas")


@pytest.mark.usefixtures("no_package")
def test_without_the_package_the_systems_are_taken() -> None:
    """By their names alone: the loader knows its path."""
    loader = Loader()
    assert "system" in load_cublas(loader)
    assert loader.opened == list(CUBLAS)


@pytest.mark.usefixtures("no_package")
def test_a_missing_library_is_named() -> None:
    """The error says which one, before anything is decoded."""
    with pytest.raises(ConfigurationError, match=r"libcublas\.so\.12 does not load"):
        load_cublas(Loader("libcublas.so.12"))
