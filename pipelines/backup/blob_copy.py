"""Copy blobs from store to store, several at once, with bounded memory and their SHA-256."""

import hashlib
import itertools
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from pipelines.backup.manifest import CopiedBlob
from pipelines.core import MIB
from pipelines.errors import BlobMissing, StorageError
from pipelines.storage.atomic_write import durable_file
from pipelines.storage.protocol import BlobStore

AT_ONCE = 8
_IN_MEMORY_BYTES = 4 * MIB
_SUBMITTED = 256


@dataclass(frozen=True, kw_only=True)
class BlobCopier:
    """Copies blobs of ``source`` below ``from_prefix`` to ``target`` below ``to_prefix``. All methods block."""

    source: BlobStore
    target: BlobStore
    from_prefix: str = ""
    to_prefix: str = ""

    def copy_all(self, keys: Iterable[str]) -> Iterator[tuple[str, CopiedBlob | None]]:
        """Copy blobs, in any order of their own; yield each key with its copy, None for one that was gone."""
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="copy") as threads:
            waiting = iter(keys)
            while some := tuple(itertools.islice(waiting, _SUBMITTED)):
                yield from zip(some, threads.map(self._copied, some), strict=True)

    def _copied(self, key: str) -> CopiedBlob | None:
        try:
            return self.copy(key)
        except BlobMissing:
            return None

    def copy(self, key: str, *, expected: CopiedBlob | None = None) -> CopiedBlob:
        """Copy one blob; raises `BlobMissing`, and `StorageError` before anything is written that is not as expected.

        Large blobs pass through a temporary file.
        """
        digest, n_bytes = hashlib.sha256(), 0
        with self.source.open(self.from_prefix + key) as stream:
            data = stream.read(_IN_MEMORY_BYTES)
            digest.update(data)
            n_bytes += len(data)
            if len(data) < _IN_MEMORY_BYTES and not (more := stream.read(1)):
                return self._put(key, data, CopiedBlob(key=key, n_bytes=n_bytes, sha256=digest.hexdigest()), expected)
            with tempfile.TemporaryDirectory(prefix="meetmemo-copy-") as folder:
                path = Path(folder) / "blob"
                with durable_file(path) as file:
                    file.write(data)
                    block = more if len(data) < _IN_MEMORY_BYTES else stream.read(_IN_MEMORY_BYTES)
                    while block:
                        digest.update(block)
                        n_bytes += len(block)
                        file.write(block)
                        block = stream.read(_IN_MEMORY_BYTES)
                return self._put(key, path, CopiedBlob(key=key, n_bytes=n_bytes, sha256=digest.hexdigest()), expected)

    def _put(self, key: str, content: bytes | Path, found: CopiedBlob, expected: CopiedBlob | None) -> CopiedBlob:
        if expected is not None and found != expected:
            raise StorageError(f"the backup is damaged: {key} is not what was copied")
        if isinstance(content, bytes):
            self.target.put(self.to_prefix + key, content, sha256=found.sha256)
        else:
            self.target.put_file(self.to_prefix + key, content, sha256=found.sha256)
        return found
