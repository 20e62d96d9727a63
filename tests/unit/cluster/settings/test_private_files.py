"""Files of a home are its user's alone: those of earlier versions, those made now, the folder of sockets."""

import os
import stat
import tempfile
from pathlib import Path

import pytest

from cluster.settings.private_files import (
    MAX_SOCKET_FOLDER,
    is_private,
    keep_private,
    open_to_others,
    private_folder,
    private_umask,
)
from cluster.settings.settings import Settings
from pipelines.ledger.open import connect_ledger


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A home as earlier versions made it."""
    home = tmp_path / "home"
    for folder in ("run/targets", "spool/tus", "store/acme", "models/own"):
        (home / folder).mkdir(parents=True)
    for name in ("lock", "ledger.sqlite3", "run/cluster.log", "run/targets/ray.json", "spool/a", "spool/tus/b"):
        (home / name).write_text("x")
    (home / "models" / "own" / "weights").write_text("x")
    for path in (home, *home.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return Settings(home=home)


def test_an_existing_home_is_closed(settings: Settings) -> None:
    """What others could read they cannot afterwards; models are left as they are, links are not followed."""
    outside = settings.home.parent / "outside"
    outside.write_text("x")
    outside.chmod(0o644)
    (settings.home / "linked").symlink_to(outside)
    (settings.run_dir / "linked").symlink_to(outside)
    found = open_to_others(settings)
    assert settings.home in found
    assert settings.spool_dir / "tus" / "b" in found
    said: list[str] = []
    keep_private(settings, said.append)
    assert (open_to_others(settings), said) == ([], [])
    assert (mode(settings.home), mode(settings.home / "ledger.sqlite3")) == (0o700, 0o600)
    assert (mode(settings.home / "store"), mode(settings.home / "models")) == (0o700, 0o755)
    assert mode(outside) == 0o644


def test_what_cannot_be_closed_is_said(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of all users, and one of another user, are named in a line each; neither is changed."""
    keep_private(settings, lambda line: None)
    settings.home.chmod(0o1777)
    said: list[str] = []
    keep_private(settings, said.append)
    assert mode(settings.home) == 0o1777
    assert len(said) == 1
    assert "a folder for all users" in said[0]
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    settings.run_dir.chmod(0o755)
    keep_private(settings, said.append)
    assert said[1] == f"Other users may read {settings.home} (it belongs to another user) and 1 more."


def test_a_ledger_and_a_store_elsewhere_are_named(settings: Settings, tmp_path: Path) -> None:
    """They are where an operator wanted them: told, and left as they are."""
    keep_private(settings, lambda line: None)
    ledger, store = tmp_path / "ledger.sqlite3", tmp_path / "blobs"
    ledger.write_text("x")
    store.mkdir()
    for path, open_mode in ((ledger, 0o640), (store, 0o750)):
        path.chmod(open_mode)
    beside = Settings(home=settings.home, ledger_url=f"sqlite:///{ledger}", store_url=f"file://{store}")
    assert open_to_others(beside) == [ledger, store]
    keep_private(beside, lambda line: None)
    assert open_to_others(beside) == [ledger, store]
    remote = Settings(home=settings.home, ledger_url="postgresql+psycopg://db/meetmemo", store_url="s3://bucket")
    assert open_to_others(remote) == []


def test_no_home_is_no_finding(tmp_path: Path) -> None:
    """Before the first start there is nothing to close."""
    assert open_to_others(Settings(home=tmp_path / "nothing")) == []


def test_the_umask_holds_for_the_block(tmp_path: Path) -> None:
    """Files made within are private, those made afterwards have the user's own mode."""
    before = os.umask(0o022)
    try:
        with private_umask():
            (tmp_path / "within").write_text("x")
        (tmp_path / "after").write_text("x")
    finally:
        os.umask(before)
    assert (mode(tmp_path / "within"), mode(tmp_path / "after")) == (0o600, 0o644)


def test_a_new_ledger_is_private(tmp_path: Path) -> None:
    """Commands make it as well, before any cluster runs: `meetmemo keys create`, for one."""
    before = os.umask(0o022)
    try:
        ledger = connect_ledger(f"sqlite:///{tmp_path / 'home' / 'ledger.sqlite3'}")
        ledger.migrate()
        files = list((tmp_path / "home").iterdir())
        assert files
        assert {mode(path) for path in files} == {0o600}
        ledger.close()
    finally:
        os.umask(before)
    assert mode(tmp_path / "home") == 0o700


def test_sockets_have_a_folder_that_is_kept(settings: Settings) -> None:
    """The next start finds the same one, as long as nobody else may enter it."""
    folder = private_folder(settings)
    try:
        assert is_private(folder)
        assert len(str(folder)) <= MAX_SOCKET_FOLDER
        assert private_folder(settings) == folder
        folder.chmod(0o755)
        other = private_folder(settings)
        assert other != folder
        assert (settings.run_dir / "private").readlink() == other
        other.rmdir()
    finally:
        folder.rmdir()


def test_a_folder_that_somebody_put_there_is_not_used(settings: Settings, tmp_path: Path) -> None:
    """Temporary folders vanish, and their names may go to others: a link in the folder's place, another's folder."""
    folder = private_folder(settings)
    folder.rmdir()
    folder.symlink_to(tmp_path)
    try:
        other = private_folder(settings)
        assert other != folder
        other.rmdir()
    finally:
        folder.unlink()


def test_a_long_temporary_folder_is_not_used(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its sockets' paths would be longer than the system allows."""
    long = settings.home / ("x" * 30)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    folder = private_folder(settings)
    assert folder.parent == Path("/tmp")
    assert list(long.iterdir()) == []
    folder.rmdir()
