"""A blob store in a folder: one file per blob, written beside the others and renamed into place."""

import errno
import hashlib
import os
import shutil
import stat
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from pipelines.core import BlobRef
from pipelines.errors import BlobMissing, StorageError, StoreUnavailable
from pipelines.file_hash import HashingWriter, hash_stream
from pipelines.storage.atomic_write import durable_file, sync, write_durably
from pipelines.storage.disk_faults import writing_fault
from pipelines.storage.key_rules import (
    OWNER_NAME,
    PRIVATE_MARK,
    deletable_prefix,
    validated_key,
    validated_prefix,
    validated_range,
)

TEMPORARY_FOLDER = f"{PRIVATE_MARK}tmp"
TEMPORARY_LIFETIME_S = 24 * 3600.0  # a writer that has not touched its file for this long counts as killed
SWEEP_INTERVAL_S = 3600.0
MIN_FREE_BYTES = 64 * 2**20

_COPY_BLOCK_BYTES = 2**20
_RENAME_ATTEMPTS = 20
_NO_SUCH_FILE = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR)


class LocalStore:
    """Stores blobs in the folder ``root``, which is made at the first write; files are private to the user.

    Unfinished writes live in ``root/~tmp``, on the same file system, so the last step is one rename; what killed
    writers left there is removed after a day. ``check`` also fails when less than ``min_free_bytes`` are free.
    """

    def __init__(self, root: Path, *, min_free_bytes: int = MIN_FREE_BYTES) -> None:
        self.root = Path(os.path.abspath(root))
        self.min_free_bytes = min_free_bytes
        self._root_name = str(self.root)  # names are joined as text: a path object for each costs more than the call
        self._temporary = os.path.join(self._root_name, TEMPORARY_FOLDER)
        self._prepared = False
        self._swept_s = 0.0  # Unix seconds

    def put(self, key: str, data: bytes, *, sha256: str = "") -> BlobRef:
        """Store ``data`` durably, replacing what was there."""
        self._put_all({key: data})
        return BlobRef(key=key, n_bytes=len(data), sha256=sha256 or hashlib.sha256(data).hexdigest())

    def put_all(self, blobs: Mapping[str, bytes]) -> None:
        """Store several blobs durably, each replacing what was there; a folder is synced once for all its blobs."""
        self._put_all(blobs)

    def put_file(self, key: str, path: Path, *, sha256: str = "") -> BlobRef:
        """Store a file's content with bounded memory; moves a plain file of the same file system, else copies it.

        A file that is moved is not read where its ``sha256`` is given. Raises `StorageError` when ``path`` cannot be
        read.
        """
        target = self._path(key)
        n_bytes, sha256 = measure_file(path, sha256)
        with self._writing(key):
            self._prepare()
            if self._movable(path):
                sync(path)
                try:
                    self._rename(path, target)
                except PermissionError:  # the folder it lies in is not ours to change
                    self._copy(path, target)
                else:
                    sync(path.parent)
            else:
                self._copy(path, target)
        return BlobRef(key=key, n_bytes=n_bytes, sha256=sha256)

    def put_blocks(self, key: str, blocks: Iterable[bytes]) -> BlobRef:
        """Store what comes in blocks, replacing what was there."""
        target = self._path(key)
        with self._writing(key), self._replacing(target) as file:
            written = HashingWriter(file.write)
            for block in blocks:
                written.write(block)
        return BlobRef(key=key, n_bytes=written.n_bytes, sha256=written.sha256)

    def get(self, key: str) -> bytes:
        """Return the whole blob; raises `BlobMissing`."""
        path = self._path(key)
        with self._reading(key), open(path, "rb", buffering=0) as file:
            return file.read()

    def get_range(self, key: str, offset: int, n_bytes: int) -> bytes:
        """Return ``n_bytes`` from ``offset``; raises `BlobMissing`, `StorageError` where the blob ends earlier."""
        validated_range(key, offset, n_bytes)
        with self.open(key) as file, self._reading(key):
            data = b""
            while len(data) < n_bytes:
                block = os.pread(file.fileno(), n_bytes - len(data), offset + len(data))
                if not block:
                    raise StorageError(f"blob {key} ends before byte {offset + n_bytes}")
                data = data + block if data else block
            return data

    def open(self, key: str) -> BinaryIO:
        """Open the blob as a seekable binary stream; raises `BlobMissing`."""
        path = self._path(key)
        with self._reading(key):
            return open(path, "rb")

    def exists(self, key: str) -> bool:
        """Say whether the key holds a blob."""
        path = self._path(key)
        try:
            with self._reading(key):
                os.stat(path)
                return os.path.isfile(path)
        except BlobMissing:
            return False

    def list(self, prefix: str, *, after: str = "") -> Iterator[str]:
        """Yield the keys that start with ``prefix``, ascending in byte order; only those that come ``after`` a key."""
        folder, _, start = validated_prefix(prefix).rpartition("/")
        with self._reading(prefix):
            if not self._mounted():
                raise FileNotFoundError(errno.ENOENT, "the folder is gone")
            yield from self._walk(os.path.join(self._root_name, folder), f"{folder}/" if folder else "", start, after)

    def delete(self, key: str) -> None:
        """Remove the blob; a missing one is no error."""
        path = self._path(key)
        with self._writing(key):
            self._unlink(path)
            self._prune(os.path.dirname(path))

    def delete_prefix(self, prefix: str) -> int:
        """Remove all blobs whose key starts with ``prefix`` and the folders this empties; return how many blobs."""
        n_deleted = 0
        folder = ""
        for key in self.list(deletable_prefix(prefix)):
            path = f"{self._root_name}/{key}"
            within = path[: path.rindex("/")]
            with self._writing(key):
                n_deleted += self._unlink(path)
                if folder and folder != within:
                    self._prune(folder)
            folder = within
        if folder:
            with self._writing(prefix):
                self._prune(folder)
        return n_deleted

    def upload_url(self, key: str, n_bytes: int, lifetime_s: float) -> str | None:
        """Return None: clients cannot write to a folder."""
        validated_key(key)
        return None

    def folder(self) -> Path:
        """Return the folder of the blobs."""
        return self.root

    def check(self) -> None:
        """Raise `StoreUnavailable` unless a small write and read succeed and enough space is free."""
        probe = uuid.uuid4().bytes
        with self._writing("the write probe"):
            with self._temporary_name() as temporary:
                with durable_file(temporary) as file:
                    file.write(probe)
                if Path(temporary).read_bytes() != probe:
                    raise StoreUnavailable(f"{self.root} does not return what was written")
            free_bytes = shutil.disk_usage(self.root).free
        if free_bytes < self.min_free_bytes:
            raise StoreUnavailable(f"{self.root} has {free_bytes} bytes free, less than {self.min_free_bytes}")

    def conditional_writes(self) -> bool:
        """Let the file system keep writers apart."""
        return True

    def claim(self, owner: str) -> str:
        """Make ``owner`` the store's if it has none; return whose it is."""
        mark = self.root / OWNER_NAME
        with self._writing(OWNER_NAME), self._temporary_name() as temporary:
            with durable_file(temporary) as file:
                file.write(owner.encode())
            with suppress(FileExistsError):  # a link, unlike a new file, appears with its content
                os.link(temporary, mark)
                sync(self.root)
            return mark.read_text()

    def owner_mark(self) -> str:
        """Return where the owner's name is kept, for people."""
        return str(self.root / OWNER_NAME)

    def _path(self, key: str) -> str:
        return f"{self._root_name}/{validated_key(key)}"

    def _put_all(self, blobs: Mapping[str, bytes]) -> None:
        targets = [self._path(key) for key in blobs]
        if not targets:
            return
        with self._writing(next(iter(blobs))):
            self._prepare()
            written: list[str] = []
            try:
                for data in blobs.values():
                    written.append(f"{self._temporary}/{uuid.uuid4().hex}")
                    write_durably(written[-1], data)
                for temporary, target in zip(written, targets, strict=True):
                    self._move(temporary, target)
            except BaseException:
                for temporary in written:
                    with suppress(FileNotFoundError):
                        os.unlink(temporary)
                raise
            for folder in dict.fromkeys(map(os.path.dirname, targets)):
                _sync_names(folder)

    @contextmanager
    def _reading(self, key: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno in _NO_SUCH_FILE and self._mounted():
                raise BlobMissing(f"no blob {key}") from error
            raise StoreUnavailable(f"cannot read {key} in {self.root}: {error.strerror or error}") from error

    @contextmanager
    def _writing(self, key: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise writing_fault(error, f"{key} in {self.root}") from error

    def _mounted(self) -> bool:
        """Distinguish a missing blob from a missing store: a share that was unmounted looks like an empty folder."""
        if self._prepared:
            return os.path.isdir(self._temporary)
        return self.root.is_dir() or not self.root.exists()

    def _prepare(self) -> None:
        now_s = time.time()
        if self._prepared and now_s - self._swept_s < SWEEP_INTERVAL_S:
            return
        if not self._prepared:
            self._make_folder(self._temporary)
        self._swept_s = now_s
        oldest_s = now_s - TEMPORARY_LIFETIME_S
        for leftover in Path(self._temporary).iterdir():
            with suppress(FileNotFoundError):  # another process sweeps too
                if leftover.stat().st_mtime < oldest_s:
                    leftover.unlink()
        self._prepared = True

    @contextmanager
    def _temporary_name(self) -> Iterator[str]:
        """Give a name for a new file on the store's file system, and delete the file if it still has that name."""
        self._prepare()
        temporary = f"{self._temporary}/{uuid.uuid4().hex}"
        try:
            yield temporary
        finally:
            with suppress(FileNotFoundError):
                os.unlink(temporary)

    @contextmanager
    def _replacing(self, target: str) -> Iterator[BinaryIO]:
        """Open a new file that takes the name ``target`` when the block ends, and is deleted when it raises."""
        self._prepare()
        temporary = f"{self._temporary}/{uuid.uuid4().hex}"
        try:
            with durable_file(temporary) as file:
                yield file
            self._rename(temporary, target)
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(temporary)
            raise

    def _movable(self, path: Path) -> bool:
        """Return a file that nobody else names and that one rename can bring here."""
        status = path.lstat()
        return path.is_file() and not path.is_symlink() and status.st_nlink == 1 and self._same_device(status)

    def _same_device(self, status: os.stat_result) -> bool:
        return status.st_dev == os.stat(self._temporary).st_dev

    def _copy(self, path: Path, target: str) -> None:
        with open(path, "rb") as source, self._replacing(target) as file:
            shutil.copyfileobj(source, file, _COPY_BLOCK_BYTES)

    def _rename(self, source: Path | str, target: str) -> None:
        self._move(source, target)
        _sync_names(os.path.dirname(target))

    def _move(self, source: Path | str, target: str) -> None:
        """Give a file its name, which is durable after `_sync_names` of its folder."""
        folder = os.path.dirname(target)
        for attempt in range(_RENAME_ATTEMPTS):
            try:
                if attempt:
                    self._make_folder(folder)
                os.replace(source, target)
                break
            except FileNotFoundError:  # there is no folder yet, or a concurrent delete pruned it between the two steps
                if attempt + 1 == _RENAME_ATTEMPTS or not os.path.exists(source):
                    raise

    def _make_folder(self, folder: str) -> None:
        """Make a folder and the missing ones above it, each durable in its parent.

        Raises `FileNotFoundError` when a concurrent delete has pruned a folder already.
        """
        parent = os.path.dirname(folder)
        try:
            os.mkdir(folder, 0o700)
        except FileExistsError:
            if not stat.S_ISDIR(os.stat(folder).st_mode):
                raise NotADirectoryError(errno.ENOTDIR, "a blob has the name of this folder", folder) from None
            return
        except FileNotFoundError:
            self._make_folder(parent)
            with suppress(FileExistsError):
                os.mkdir(folder, 0o700)
        sync(parent)

    def _unlink(self, path: str) -> bool:
        try:
            os.unlink(path)
        except OSError as error:
            if error.errno in (*_NO_SUCH_FILE, errno.EPERM) and not os.path.isfile(path):
                return False
            raise
        return True

    def _prune(self, folder: str) -> None:
        """Remove ``folder`` and those above it as long as they are empty."""
        while folder != self._root_name:
            try:
                os.rmdir(folder)
            except FileNotFoundError:
                pass
            except OSError as error:
                if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                    return
                raise
            folder = os.path.dirname(folder)

    def _walk(self, folder: str, prefix: str, start: str, after: str) -> Iterator[str]:
        try:
            with os.scandir(folder) as entries:
                # A folder sorts as its keys do, with the slash: "a-b" < "a/b" < "a0".
                names = sorted(
                    f"{entry.name}/" if entry.is_dir(follow_symlinks=False) else entry.name
                    for entry in entries
                    if entry.name.startswith(start) and not entry.name.startswith(PRIVATE_MARK)
                )
        except (FileNotFoundError, NotADirectoryError):
            return
        for name in names:
            key = prefix + name
            if name.endswith("/"):
                if key > after or after.startswith(key):
                    yield from self._walk(f"{folder}/{name[:-1]}", key, "", after)
            elif key > after:
                yield key


def _sync_names(folder: str) -> None:
    with suppress(FileNotFoundError):  # the blobs were deleted since, and their folder with them
        sync(folder)


def measure_file(path: Path, sha256: str = "") -> tuple[int, str]:
    """Return a file's size in bytes and SHA-256: the one given, else computed; raises `StorageError`."""
    try:
        with open(path, "rb") as file:
            return (os.fstat(file.fileno()).st_size, sha256) if sha256 else hash_stream(file)
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror or error}") from error
