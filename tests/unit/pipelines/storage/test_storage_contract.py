"""The blob stores that need no server, and what only the one in a folder does."""

import os
import resource
import subprocess
import sys
import textwrap
import time

import pytest

from pipelines.errors import BlobMissing, ConfigurationError, StoreUnavailable
from pipelines.storage.folder import TEMPORARY_LIFETIME_S, LocalStore
from pipelines.storage.open import open_store
from pipelines.storage.s3 import S3Store
from tests.contracts.store import CONTENT, DurableStoreContract, StoreContract
from tests.fakes.store import MemoryStore


class TestMemoryStore(StoreContract):
    @pytest.fixture
    def store(self):
        return MemoryStore()

    def test_outage(self, store):
        """During an outage every call fails as a real store would, and afterwards everything is there again."""
        store.put("a/b", CONTENT)
        store.outage = "switched off"
        for call in (
            store.check,
            lambda: store.get("a/b"),
            lambda: store.put("a/c", b""),
            lambda: list(store.list("")),
        ):
            with pytest.raises(StoreUnavailable, match="switched off"):
                call()
        store.outage = ""
        assert store.get("a/b") == CONTENT


class TestLocalStore(DurableStoreContract):
    @pytest.fixture
    def store(self, tmp_path):
        return open_store((tmp_path / "blobs with space").as_uri())

    def test_plain_file_is_moved(self, store, tmp_path):
        """A spooled file is renamed into the store, not copied: the blob is the same inode."""
        path = tmp_path / "spool"
        path.write_bytes(CONTENT)
        inode = path.stat().st_ino
        store.put_file("a/b", path)
        assert (store.root / "a/b").stat().st_ino == inode
        assert not path.exists()

    @pytest.mark.parametrize("link", [os.link, os.symlink])
    def test_linked_file_is_copied(self, store, tmp_path, link):
        """A file that has another name stays where it is, so that changing it does not change the blob."""
        original, path = tmp_path / "original", tmp_path / "spool"
        original.write_bytes(CONTENT)
        link(original, path)
        store.put_file("a/b", path)
        original.write_bytes(b"changed")
        assert store.get("a/b") == CONTENT

    def test_file_of_another_file_system(self, store):
        """A file that no rename can bring into the store is copied."""
        shared = "/dev/shm"
        if not os.path.isdir(shared) or os.stat(shared).st_dev == os.stat(store.root.parent).st_dev:
            pytest.skip("there is no second file system to move a file from")
        path = store.root.parent / "spool"
        store_there = LocalStore(type(path)(shared) / f"meetmemo-test-{os.getpid()}", min_free_bytes=0)
        path.write_bytes(CONTENT)
        try:
            store_there.put_file("a/b", path)
            assert store_there.get("a/b") == CONTENT
            assert path.exists()
        finally:
            store_there.delete_prefix("a/")
            (store_there.root / "~tmp").rmdir()
            store_there.root.rmdir()

    def test_deleting_leaves_no_folders(self, store):
        """Folders that a deletion empties go with it; the store's own folder stays."""
        store.put("t/j/pcm/0-1", b"x")
        store.put("t/j/chunks/0.json", b"x")
        store.delete("t/j/pcm/0-1")
        assert not (store.root / "t/j/pcm").exists()
        store.delete_prefix("t/")
        assert [path.name for path in store.root.iterdir()] == ["~tmp"]

    def test_blobs_are_private(self, store):
        """Recordings can be read by the user who runs MeetMemo and nobody else."""
        store.put("t/j/source", b"x")
        assert (store.root / "t/j/source").stat().st_mode & 0o077 == 0
        assert (store.root / "t/j").stat().st_mode & 0o077 == 0

    def test_what_is_on_the_disk_before_put_all_returns(self, store, monkeypatch):
        """Each file before it has its name, each new folder's name, and each folder's names once, after the last."""
        synced, named = [], []
        fsync, replace = os.fsync, os.replace

        def noting_fsync(descriptor):
            fsync(descriptor)
            path = os.readlink(f"/proc/self/fd/{descriptor}")
            synced.append("file" if "~tmp/" in path else os.path.relpath(path, store.root))

        def noting_replace(source, target):
            replace(source, target)
            named.append((os.path.relpath(target, store.root), len(synced)))

        store.put("t/j/source", b"")
        monkeypatch.setattr(os, "fsync", noting_fsync)
        monkeypatch.setattr(os, "replace", noting_replace)
        store.put_all({"t/j/results/a": b"a", "t/j/results/b": b"b", "t/j/c": b"c"})
        assert synced == ["file", "file", "file", "t/j", "t/j/results", "t/j"]
        assert named == [("t/j/results/a", 4), ("t/j/results/b", 4), ("t/j/c", 4)]

    def test_failed_put_all_leaves_no_files_behind(self, store):
        """Where one of them cannot be written, the others are whole or absent, and nothing is left under way."""
        store.put("t/j/source", b"x")
        with pytest.raises(StoreUnavailable):
            store.put_all({"t/j/a": b"a", "t/j/source/deeper": b"x", "t/j/b": b"b"})
        assert store.get("t/j/a") == b"a"
        assert list(store.list("")) == ["t/j/a", "t/j/source"]
        assert list((store.root / "~tmp").iterdir()) == []

    def test_failed_write_leaves_nothing(self, store):
        """A blob cannot take the name of a folder; the attempt leaves the store as it was."""
        store.put("t/j/source", b"x")
        with pytest.raises(StoreUnavailable):
            store.put("t/j", b"x")
        with pytest.raises(StoreUnavailable):
            store.put("t/j/source/deeper", b"x")
        assert list(store.list("")) == ["t/j/source"]
        assert list((store.root / "~tmp").iterdir()) == []

    def test_leftovers_of_killed_writers(self, store):
        """A new process removes temporary files that nobody has written to for a day, and no younger ones."""
        store.put("a/b", b"x")
        old, young = store.root / "~tmp/old", store.root / "~tmp/young"
        for path in (old, young):
            path.write_bytes(b"half a bl")
        long_ago_s = time.time() - TEMPORARY_LIFETIME_S - 60
        os.utime(old, (long_ago_s, long_ago_s))
        LocalStore(store.root).put("a/c", b"y")
        assert not old.exists()
        assert young.exists()

    def test_leftovers_go_without_a_restart(self, store, monkeypatch):
        """A process that runs for long looks for them again, once an hour."""
        store.put("a/b", b"x")
        old = store.root / "~tmp/old"
        old.write_bytes(b"half a bl")
        long_ago_s = time.time() - TEMPORARY_LIFETIME_S - 60
        os.utime(old, (long_ago_s, long_ago_s))
        store.put("a/c", b"y")
        assert old.exists()
        monkeypatch.setattr("pipelines.storage.folder.SWEEP_INTERVAL_S", 0.0)
        store.put("a/d", b"z")
        assert not old.exists()

    def test_file_size_limit(self, store, tmp_path):
        """When the system refuses to write more, the store says it is unavailable and keeps what was there."""
        store.put("a/b", b"before")
        script = textwrap.dedent(
            f"""
            from pathlib import Path
            from pipelines.errors import StoreUnavailable
            from pipelines.storage.folder import LocalStore
            store = LocalStore(Path({str(store.root)!r}))
            for write in (lambda: store.put("a/b", bytes(100_000)), lambda: store.put("a/c", bytes(100_000))):
                try:
                    write()
                except StoreUnavailable as error:
                    print("refused:", error)
            """
        )
        limited = subprocess.run(
            [sys.executable, "-c", script],
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000)),
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONPATH": os.getcwd(), "PYTHONDONTWRITEBYTECODE": "1"},
        )
        assert limited.stdout.count("cannot be written") == 2
        assert store.get("a/b") == b"before"
        assert list(store.list("")) == ["a/b"]
        assert list((store.root / "~tmp").iterdir()) == []

    def test_full_disk(self, store):
        """The check fails while less than the required space is free."""
        with pytest.raises(StoreUnavailable, match="bytes free"):
            LocalStore(store.root, min_free_bytes=2**62).check()

    def test_store_that_disappears(self, store, tmp_path):
        """An unmounted store is unavailable; its blobs are not reported as missing."""
        store.put("a/b", b"x")
        store.root.rename(tmp_path / "elsewhere")
        store.root.mkdir()
        for call in (lambda: store.get("a/b"), lambda: store.exists("a/b"), lambda: list(store.list(""))):
            with pytest.raises(StoreUnavailable):
                call()

    def test_folder_that_cannot_be_made(self, tmp_path):
        """A store whose folder is a file is unavailable to readers and writers."""
        (tmp_path / "file").write_text("x")
        store = LocalStore(tmp_path / "file/blobs")
        for call in (store.check, lambda: store.put("a/b", b"x")):
            with pytest.raises(StoreUnavailable):
                call()

    def test_reading_before_the_first_write(self, tmp_path):
        """A store nobody has written to is empty, and looking does not create it."""
        store = LocalStore(tmp_path / "blobs")
        assert list(store.list("")) == []
        assert not store.exists("a/b")
        with pytest.raises(BlobMissing):
            store.get("a/b")
        assert store.delete_prefix("a/") == 0
        assert not store.root.exists()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "blobs",
        "/var/blobs",
        "ftp://host/path",
        "file://",
        "file://relative/path",
        "file:///blobs?x=1",
        "s3://",
        "s3:///prefix",
        "s3://key:secret@bucket/prefix",
        "s3://bucket?endpoint=localhost:9000",
        "s3://bucket?endpoint=http://user:pass@host",
        "s3://bucket?unknown=1",
        "s3://bucket?endpoint=",
    ],
)
def test_urls_that_name_no_store(url):
    """A URL that names no store is a configuration error, and a password in it is not repeated."""
    with pytest.raises(ConfigurationError) as caught:
        open_store(url)
    assert "secret" not in str(caught.value)


def test_url_of_a_bucket():
    """Bucket, prefix, endpoint and region come out of the URL; nothing is contacted."""
    store = open_store("s3://bucket/some/prefix/?endpoint=http://127.0.0.1:1&region=eu-central-1")
    assert isinstance(store, S3Store)
    assert (store.bucket, store.prefix) == ("bucket", "some/prefix/")
    assert (store.endpoint, store.region) == ("http://127.0.0.1:1", "eu-central-1")
