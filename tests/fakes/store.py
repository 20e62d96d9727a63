"""`MemoryStore`: a blob store that forgets everything."""

import hashlib
import io
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from pipelines.core import BlobRef
from pipelines.errors import BlobMissing, StorageError, StoreUnavailable
from pipelines.storage.key_rules import deletable_prefix, validated_key, validated_prefix, validated_range


class MemoryStore:
    """Keeps blobs in a dict. While ``outage`` holds a text, every call raises `StoreUnavailable`."""

    def __init__(self) -> None:
        self.outage = ""
        self._blobs: dict[str, bytes] = {}
        self._owner = ""
        self._lock = threading.Lock()

    def put(self, key: str, data: bytes, *, sha256: str = "") -> BlobRef:
        """Store ``data``, replacing what was there."""
        self.check()
        with self._lock:
            self._blobs[validated_key(key)] = bytes(data)
        return BlobRef(key=key, n_bytes=len(data), sha256=sha256 or hashlib.sha256(data).hexdigest())

    def put_all(self, blobs: Mapping[str, bytes]) -> None:
        """Store several blobs, each replacing what was there."""
        for key in blobs:
            validated_key(key)
        for key, data in blobs.items():
            self.put(key, data)

    def put_file(self, key: str, path: Path, *, sha256: str = "") -> BlobRef:
        """Store a file's content, known by ``sha256``; raises `StorageError` when ``path`` cannot be read."""
        validated_key(key)
        try:
            data = path.read_bytes()
        except OSError as error:
            raise StorageError(f"cannot read {path}: {error.strerror or error}") from error
        return self.put(key, data, sha256=sha256)

    def put_blocks(self, key: str, blocks: Iterable[bytes]) -> BlobRef:
        """Store what comes in blocks."""
        return self.put(key, b"".join(blocks))

    def get(self, key: str) -> bytes:
        """Return the whole blob; raises `BlobMissing`."""
        self.check()
        try:
            return self._blobs[validated_key(key)]
        except KeyError:
            raise BlobMissing(f"no blob {key}") from None

    def get_range(self, key: str, offset: int, n_bytes: int) -> bytes:
        """Return ``n_bytes`` from ``offset``; raises `BlobMissing`, `StorageError` where the blob ends earlier."""
        validated_range(key, offset, n_bytes)
        data = self.get(key)[offset : offset + n_bytes]
        if len(data) < n_bytes:
            raise StorageError(f"blob {key} ends before byte {offset + n_bytes}")
        return data

    def open(self, key: str) -> BinaryIO:
        """Open the blob as a seekable binary stream; raises `BlobMissing`."""
        return io.BytesIO(self.get(key))

    def exists(self, key: str) -> bool:
        """Say whether the key holds a blob."""
        self.check()
        return validated_key(key) in self._blobs

    def list(self, prefix: str, *, after: str = "") -> Iterator[str]:
        """Yield the keys that start with ``prefix``, ascending; only those that come ``after`` a key."""
        self.check()
        validated_prefix(prefix)
        with self._lock:
            found = sorted(key for key in self._blobs if key.startswith(prefix) and key > after)
        yield from found

    def delete(self, key: str) -> None:
        """Remove the blob; a missing one is no error."""
        self.check()
        with self._lock:
            self._blobs.pop(validated_key(key), None)

    def delete_prefix(self, prefix: str) -> int:
        """Remove all blobs whose key starts with ``prefix``; return how many."""
        keys = list(self.list(deletable_prefix(prefix)))
        with self._lock:
            return sum(self._blobs.pop(key, None) is not None for key in keys)

    def upload_url(self, key: str, n_bytes: int, lifetime_s: float) -> str | None:
        """None: nobody else writes here."""
        validated_key(key)
        return None

    def folder(self) -> Path | None:
        """None: on no disk."""
        return None

    def check(self) -> None:
        """Raise `StoreUnavailable` during an outage."""
        if self.outage:
            raise StoreUnavailable(self.outage)

    def conditional_writes(self) -> bool:
        """Let a lock keep writers apart."""
        return True

    def claim(self, owner: str) -> str:
        """Make ``owner`` the store's if it has none; return whose it is."""
        self.check()
        with self._lock:
            self._owner = self._owner or owner
            return self._owner

    def owner_mark(self) -> str:
        """Nowhere to be found."""
        return "memory"
