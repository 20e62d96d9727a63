"""What every blob store must do."""

import hashlib
import io
import os
import pickle
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipelines.errors import BlobMissing, NotFound, StorageError
from pipelines.storage.protocol import BlobStore

CONTENT = bytes(range(256)) * 8


class StoreContract:
    """Needs a fixture ``store`` that gives an empty store."""

    atomic_claims = True
    by_folder = False
    """Whether ``a/b`` is listed before ``a-b``, as a tree of folders is walked."""

    def test_put_then_get(self, store: BlobStore) -> None:
        """What was put comes back, and the reference tells its size and SHA-256."""
        ref = store.put("acme/j1/source", CONTENT)
        assert store.get("acme/j1/source") == CONTENT
        assert (ref.key, ref.n_bytes) == ("acme/j1/source", len(CONTENT))
        assert ref.sha256 == hashlib.sha256(CONTENT).hexdigest()

    def test_put_replaces(self, store: BlobStore) -> None:
        """A second put under the same key wins, also when it is shorter."""
        store.put("a/b", b"long content")
        store.put("a/b", b"new")
        assert store.get("a/b") == b"new"

    def test_put_all(self, store: BlobStore) -> None:
        """Several blobs are stored at once, of one folder and of others, each in place of what was there; or none."""
        store.put("acme/j1/results/a.json", b"longer than the new one")
        blobs = {"acme/j1/results/a.json": CONTENT, "acme/j1/results/b": b"", "acme/j2/work/c": b"c", "d": b"d"}
        store.put_all(blobs)
        assert {key: store.get(key) for key in store.list("")} == blobs
        store.put_all({})
        assert len(list(store.list(""))) == len(blobs)

    def test_put_all_of_what_is_no_key(self, store: BlobStore) -> None:
        """One name that is no key keeps them all out."""
        with pytest.raises(StorageError):
            store.put_all({"a/b": b"", "../c": b""})
        assert list(store.list("")) == []

    def test_empty_blob(self, store: BlobStore) -> None:
        """A blob of no bytes exists and reads as no bytes."""
        store.put("a/empty", b"")
        assert store.exists("a/empty")
        assert store.get("a/empty") == b""
        assert store.get_range("a/empty", 0, 0) == b""
        with store.open("a/empty") as stream:
            assert stream.read() == b""

    def test_put_file(self, store: BlobStore, tmp_path: Path) -> None:
        """A file's content is stored with its size and SHA-256."""
        path = tmp_path / "spool"
        path.write_bytes(CONTENT * 100)
        ref = store.put_file("acme/j1/source", path)
        assert store.get("acme/j1/source") == CONTENT * 100
        assert ref.n_bytes == len(CONTENT) * 100
        assert ref.sha256 == hashlib.sha256(CONTENT * 100).hexdigest()

    def test_put_file_of_a_known_digest(
        self, store: BlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A digest that is given is the reference's, and the store does not compute one of the file."""
        path, content = tmp_path / "spool", CONTENT * 100
        path.write_bytes(content)
        sha256 = hashlib.sha256(content).hexdigest()
        monkeypatch.setattr(hashlib, "file_digest", None)
        ref = store.put_file("acme/j1/source", path, sha256=sha256)
        assert (ref.key, ref.n_bytes, ref.sha256) == ("acme/j1/source", len(content), sha256)
        assert store.get("acme/j1/source") == content

    @pytest.mark.parametrize("blocks", [[], [b""], [CONTENT], [b"", CONTENT, b"x", CONTENT * 3000, CONTENT * 9000]])
    def test_put_blocks(self, store: BlobStore, blocks: list[bytes]) -> None:
        """What comes in blocks is one blob; the reference tells its size and SHA-256. Blocks are taken once."""
        store.put("acme/j1/source", b"before")
        ref = store.put_blocks("acme/j1/source", iter(blocks))
        content = b"".join(blocks)
        assert store.get("acme/j1/source") == content
        assert (ref.key, ref.n_bytes, ref.sha256) == (
            "acme/j1/source",
            len(content),
            hashlib.sha256(content).hexdigest(),
        )

    @pytest.mark.parametrize("n_blocks", [0, 1, 40])
    def test_put_blocks_that_break_off(self, store: BlobStore, n_blocks: int) -> None:
        """An error of who gives the blocks passes through, and what was there stays."""

        def blocks() -> Iterator[bytes]:
            for _ in range(n_blocks):
                yield CONTENT * 512
            raise NotFound("gone")

        store.put("a/b", b"before")
        with pytest.raises(NotFound):
            store.put_blocks("a/b", blocks())
        assert list(store.list("")) == ["a/b"]
        assert store.get("a/b") == b"before"

    @pytest.mark.parametrize("sha256", ["", hashlib.sha256(b"").hexdigest()])
    def test_put_file_that_is_not_there(self, store: BlobStore, tmp_path: Path, sha256: str) -> None:
        """A file that cannot be read is an error and leaves no blob, whether its digest is known or not."""
        for path in (tmp_path / "missing", tmp_path):
            with pytest.raises(StorageError, match="cannot read"):
                store.put_file("a/b", path, sha256=sha256)
        assert not store.exists("a/b")

    @pytest.mark.parametrize(("offset", "n_bytes"), [(0, 1), (0, 2048), (100, 700), (2047, 1), (2048, 0)])
    def test_get_range(self, store: BlobStore, offset: int, n_bytes: int) -> None:
        """A range inside the blob comes back exactly."""
        store.put("a/b", CONTENT)
        assert store.get_range("a/b", offset, n_bytes) == CONTENT[offset : offset + n_bytes]

    @pytest.mark.parametrize(("offset", "n_bytes"), [(2047, 2), (2048, 1), (5000, 10), (-1, 5), (5, -1)])
    def test_range_outside_the_blob(self, store: BlobStore, offset: int, n_bytes: int) -> None:
        """A range that leaves the blob is an error, never a silently shorter answer."""
        store.put("a/b", CONTENT)
        with pytest.raises(StorageError) as caught:
            store.get_range("a/b", offset, n_bytes)
        assert not isinstance(caught.value, BlobMissing)

    def test_missing_blob(self, store: BlobStore) -> None:
        """Every way to read a key that holds nothing says so."""
        store.put("a/b", CONTENT)
        for key in ("a/c", "x/y/z", "a", "a/b/c"):
            assert not store.exists(key)
            for read in (store.get, store.open, lambda key: store.get_range(key, 0, 1)):
                with pytest.raises(BlobMissing):
                    read(key)
            with pytest.raises(BlobMissing):
                store.get_range(key, 0, 0)

    def test_open_is_seekable(self, store: BlobStore) -> None:
        """The stream reads, seeks from all three origins and tells where it is, as decoders need."""
        store.put("a/b", CONTENT)
        with store.open("a/b") as stream:
            assert stream.seekable()
            assert stream.read(10) == CONTENT[:10]
            assert stream.tell() == 10
            assert stream.seek(-16, os.SEEK_END) == len(CONTENT) - 16
            assert stream.read(100) == CONTENT[-16:]
            assert stream.read(100) == b""
            assert stream.seek(500) == 500
            assert stream.seek(5, os.SEEK_CUR) == 505
            buffer = bytearray(7)
            assert isinstance(stream, io.RawIOBase | io.BufferedIOBase)
            assert stream.readinto(buffer) == 7
            assert bytes(buffer) == CONTENT[505:512]
            assert stream.read() == CONTENT[512:]
            stream.seek(len(CONTENT) + 100)
            assert stream.read(1) == b""

    def test_list_is_ordered_by_key(self, store: BlobStore) -> None:
        """Keys come in byte order of the whole key, where ``-`` sorts before ``/`` and ``/`` before ``0``.

        In a store of folders each name is compared by itself: those of one folder come together in either.
        """
        keys = ["t/a-b", "t/a/1", "t/a/10", "t/a/2", "t/a0", "t/b/c/d", "u/x"]
        if self.by_folder:
            keys.sort(key=lambda key: key.split("/"))
        for key in reversed(keys):
            store.put(key, b"x")
        assert list(store.list("")) == keys
        assert list(store.list("t/")) == keys[:-1]
        assert list(store.list("t/a/")) == ["t/a/1", "t/a/10", "t/a/2"]

    def test_list_goes_on_behind_a_key(self, store: BlobStore) -> None:
        """Whatever the order, a list in portions is the whole list; the key before a portion may be gone."""
        keys = ["t/a-b", "t/a/1", "t/a/10", "t/a/2", "t/a0", "t/b/c/d", "t/b/c/e/f", "u/x"]
        for key in keys:
            store.put(key, b"x")
        found = list(store.list(""))
        assert sorted(found) == keys
        for place, key in enumerate(found):
            assert list(store.list("", after=key)) == found[place + 1 :]
        assert list(store.list("t/a/", after="t/a/1")) == ["t/a/10", "t/a/2"]
        assert list(store.list("t/b/", after="t/a/2")) == ["t/b/c/d", "t/b/c/e/f"]
        store.delete("t/a/10")
        assert list(store.list("t/a/", after="t/a/10")) == ["t/a/2"]
        assert list(store.list("t/b/", after="t/b/b")) == ["t/b/c/d", "t/b/c/e/f"]

    def test_list_takes_any_prefix(self, store: BlobStore) -> None:
        """A prefix may end in the middle of a name, and one that nothing starts with yields nothing."""
        for key in ("t/job1/a", "t/job10/a", "t/job2/a"):
            store.put(key, b"x")
        assert list(store.list("t/job1")) == ["t/job1/a", "t/job10/a"]
        assert list(store.list("t/job1/")) == ["t/job1/a"]
        assert list(store.list("nobody/")) == []
        assert list(store.list("t/job1/a/")) == []

    def test_delete(self, store: BlobStore) -> None:
        """A deleted blob is gone, and deleting again is no error."""
        store.put("a/b/c", b"x")
        store.delete("a/b/c")
        store.delete("a/b/c")
        store.delete("never/was")
        assert not store.exists("a/b/c")
        assert list(store.list("")) == []

    def test_delete_prefix(self, store: BlobStore) -> None:
        """All blobs under the prefix go, all others stay, and the number is told."""
        for key in ("t/j1/pcm/0", "t/j1/pcm/1", "t/j1/source", "t/j10/source", "t/j2/source"):
            store.put(key, b"x")
        assert store.delete_prefix("t/j1/") == 3
        assert list(store.list("")) == ["t/j10/source", "t/j2/source"]
        assert store.delete_prefix("t/j1/") == 0

    def test_empty_prefix_is_not_deleted(self, store: BlobStore) -> None:
        """No slip of a caller empties the whole store."""
        store.put("a/b", b"x")
        with pytest.raises(StorageError, match="empty prefix"):
            store.delete_prefix("")
        assert store.exists("a/b")

    @pytest.mark.parametrize(
        "key",
        ["", "/", "/a", "a/", "a//b", "..", "a/../b", ".", "a/./b", "a b", "a\\b", "ä", "a\nb", "a\0b", "~a", "a" * 256,
         "/".join(["a" * 200] * 6)],
    )  # fmt: skip
    def test_what_is_no_key(self, store: BlobStore, key: str) -> None:
        """Keys that could leave the store, collide with its own files or differ between stores are refused."""
        for call in (store.get, store.open, store.exists, store.delete, lambda key: store.put(key, b"x")):
            with pytest.raises(StorageError, match="not a blob key"):
                call(key)

    @pytest.mark.parametrize("prefix", ["/", "/a", "a//", "../", "a/../b", "ä", "~"])
    def test_what_is_no_prefix(self, store: BlobStore, prefix: str) -> None:
        """Prefixes follow the rules of keys."""
        with pytest.raises(StorageError, match="not a prefix"):
            list(store.list(prefix))

    def test_hidden_names_are_keys(self, store: BlobStore) -> None:
        """A name may start with a dot and is listed like any other."""
        store.put("t/j/results/.transcript", b"x")
        assert list(store.list("t/j/")) == ["t/j/results/.transcript"]
        assert list(store.list("t/j/results/.")) == ["t/j/results/.transcript"]

    def test_writes_are_atomic(self, store: BlobStore) -> None:
        """A reader sees one whole version while writers replace the blob all the time."""
        versions = [bytes([value]) * 100_000 for value in range(4)]
        store.put("a/b", versions[0])
        stop = threading.Event()

        def write(version: bytes) -> None:
            while not stop.is_set():
                store.put("a/b", version)

        with ThreadPoolExecutor(4) as pool:
            writers = [pool.submit(write, version) for version in versions[1:]]
            try:
                seen = {store.get("a/b") for _ in range(30)}
            finally:
                stop.set()
        for writer in writers:
            writer.result()
        assert seen <= set(versions)

    def test_puts_and_deletes_at_once(self, store: BlobStore) -> None:
        """Removing one blob never disturbs the writing of its neighbours."""

        def churn(n: int) -> None:
            for i in range(20):
                store.put(f"t/j/{n}/x", b"x")
                store.delete(f"t/j/{n}/x")
                store.put(f"t/j/kept/{n}-{i:02d}", b"y")

        with ThreadPoolExecutor(6) as pool:
            for done in [pool.submit(churn, n) for n in range(6)]:
                done.result()
        assert list(store.list("t/")) == [f"t/j/kept/{n}-{i:02d}" for n in range(6) for i in range(20)]

    def test_check(self, store: BlobStore) -> None:
        """A store that works passes its check and keeps nothing of it."""
        store.check()
        assert list(store.list("")) == []

    def test_one_owner(self, store: BlobStore) -> None:
        """Of those who claim the store in the same moment one gets it, all are told who, and it stays so."""
        with ThreadPoolExecutor(6) as pool:
            told = {done.result() for done in [pool.submit(store.claim, f"ledger-{n}") for n in range(6)]}
        owner = store.claim("anybody")
        assert owner in told if self.atomic_claims else owner.startswith("ledger-")
        assert len(told) == 1 or not self.atomic_claims
        assert store.claim("late") == owner == store.claim(owner)
        assert list(store.list("")) == []
        store.put("t/j/x", b"x")
        store.delete_prefix("t/")
        assert store.claim("later") == owner
        assert store.owner_mark()

    def test_conditional_writes(self, store: BlobStore) -> None:
        """Stores keep writers apart, and trying it leaves nothing behind."""
        assert store.conditional_writes()
        assert list(store.list("")) == []


class DurableStoreContract(StoreContract):
    """Also for stores that other processes use."""

    def test_pickles(self, store: BlobStore) -> None:
        """A store travels to another process, even after it was used, and finds the same blobs there."""
        store.put("a/b", CONTENT)
        assert pickle.loads(pickle.dumps(store)).get("a/b") == CONTENT
