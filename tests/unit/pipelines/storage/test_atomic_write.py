"""Files are replaced whole: by the new content, or not at all."""

import os
import stat
from pathlib import Path

import pytest

from pipelines.storage.atomic_write import write_atomic


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o700])
def test_content_and_mode(tmp_path: Path, mode: int) -> None:
    """A file is replaced with exactly the mode that was asked for, and nothing is left beside it."""
    path = tmp_path / "state.json"
    path.write_text("old")
    before = os.umask(0o077)
    try:
        write_atomic(path, "né", mode=mode)
    finally:
        os.umask(before)
    assert path.read_bytes() == "né".encode()
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("broken", ["fchmod", "fsync", "replace"])
def test_a_write_that_fails_leaves_the_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    """Wherever it fails, readers find the old content, and nothing is left beside it."""

    def fail(*_: object) -> None:
        raise OSError("no space left on device")

    path = tmp_path / "state.json"
    path.write_text("old")
    monkeypatch.setattr(os, broken, fail)
    if broken == "replace":
        monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="no space"):
        write_atomic(path, b"new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_it_is_on_the_disk_before_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """First the content is made durable, then the name in the folder."""
    path = tmp_path / "state.json"
    synced: list[tuple[bool, bool]] = []
    fsync = os.fsync

    def watch(descriptor: int) -> None:
        synced.append((stat.S_ISDIR(os.fstat(descriptor).st_mode), path.exists()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watch)
    write_atomic(path, "new")
    assert synced == [(False, False), (True, True)]
