"""`MeasuredStore`: a blob store that measures how long its calls take, for reports."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeVar

from pipelines.core import BlobRef
from pipelines.errors import StoreUnavailable
from pipelines.storage.protocol import BlobStore

T = TypeVar("T")

MAX_CALLS = 4096
"""Calls that are kept until they are taken; the oldest are dropped first."""


@dataclass(frozen=True, kw_only=True)
class StoreCall:
    """One call of a store; ``failed`` when the store could not do its work (a missing blob is no failure)."""

    operation: str
    seconds: float
    failed: bool = False


class MeasuredStore:
    """Measures the calls of another `pipelines.storage.protocol.BlobStore`. Thread-safe, as that one is."""

    def __init__(self, store: BlobStore) -> None:
        self._store = store
        self._calls: deque[StoreCall] = deque(maxlen=MAX_CALLS)

    def take_calls(self) -> tuple[StoreCall, ...]:
        """Return the calls since this was asked last."""
        taken = []
        while self._calls:
            taken.append(self._calls.popleft())
        return tuple(taken)

    def put(self, key: str, data: bytes, *, sha256: str = "") -> BlobRef:
        return self._timed("put", lambda: self._store.put(key, data, sha256=sha256))

    def put_all(self, blobs: Mapping[str, bytes]) -> None:
        self._timed("put", lambda: self._store.put_all(blobs))

    def put_file(self, key: str, path: Path, *, sha256: str = "") -> BlobRef:
        return self._timed("put", lambda: self._store.put_file(key, path, sha256=sha256))

    def put_blocks(self, key: str, blocks: Iterable[bytes]) -> BlobRef:
        return self._store.put_blocks(key, blocks)  # its time is also that of who makes the blocks

    def get(self, key: str) -> bytes:
        return self._timed("get", lambda: self._store.get(key))

    def get_range(self, key: str, offset: int, n_bytes: int) -> bytes:
        return self._timed("get", lambda: self._store.get_range(key, offset, n_bytes))

    def open(self, key: str) -> BinaryIO:
        return self._timed("open", lambda: self._store.open(key))

    def exists(self, key: str) -> bool:
        return self._timed("exists", lambda: self._store.exists(key))

    def list(self, prefix: str, *, after: str = "") -> Iterator[str]:
        return self._store.list(prefix, after=after)  # its time is also its reader's

    def delete(self, key: str) -> None:
        self._timed("delete", lambda: self._store.delete(key))

    def delete_prefix(self, prefix: str) -> int:
        return self._timed("delete", lambda: self._store.delete_prefix(prefix))

    def upload_url(self, key: str, n_bytes: int, lifetime_s: float) -> str | None:
        return self._store.upload_url(key, n_bytes, lifetime_s)

    def folder(self) -> Path | None:
        return self._store.folder()

    def check(self) -> None:
        self._store.check()

    def conditional_writes(self) -> bool:
        return self._store.conditional_writes()

    def claim(self, owner: str) -> str:
        return self._store.claim(owner)

    def owner_mark(self) -> str:
        return self._store.owner_mark()

    def _timed(self, operation: str, call: Callable[[], T]) -> T:
        started_s = time.perf_counter()
        failed = False
        try:
            return call()
        except StoreUnavailable:
            failed = True
            raise
        finally:
            seconds = time.perf_counter() - started_s
            self._calls.append(StoreCall(operation=operation, seconds=seconds, failed=failed))
