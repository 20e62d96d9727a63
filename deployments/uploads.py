"""A request's body on its way to a spool file: counted, hashed, bounded in memory, written off the event loop."""

import asyncio
import fcntl
import hashlib
import os
import shutil
import threading
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from io import FileIO
from pathlib import Path
from typing import Protocol, Self

import anyio
import anyio.to_thread

from deployments.limits import LiveLimits
from pipelines.errors import InvalidRequest, Overloaded, StoreFull, TooLarge, UploadStalled
from pipelines.full_disk import writing_fault

SUFFIX = ".upload"
BLOCK_BYTES = 1 << 20  # one hop to a thread per MiB: hashing and writing it take a few milliseconds
UPLOAD_RETRY_AFTER_S = 5.0
_DISK_THREADS = 16


class StoredUpload(Protocol):
    """A recording on this machine's disk, whole; its name ends when it is discarded or moved into the store."""

    @property
    def path(self) -> Path: ...

    @property
    def n_bytes(self) -> int: ...

    @property
    def sha256(self) -> str: ...

    def discard(self) -> None:
        """Delete the file, unless the store has moved it away; may be called twice."""


class Spool:
    """A temporary file that holds one upload; its name ends when the spool is discarded.

    Entering it opens the file, leaving it discards it: on an event loop both are for a thread, see `UploadGates.spool`.
    The file is locked for as long as its process lives, so that `sweep` can tell what a killed process left behind.
    ``n_bytes`` and ``sha256`` describe what was written so far. Raises `TooLarge` at the first byte beyond
    ``max_bytes`` and `StoreFull` when the disk is full.
    """

    def __init__(
        self, folder: Path, max_bytes: int, min_free_bytes: int = 0, threads: anyio.CapacityLimiter | None = None
    ) -> None:
        """``threads`` bounds those that write; None: those that everything shares."""
        self.path = folder / f"{uuid.uuid4().hex}{SUFFIX}"
        self.n_bytes = 0
        self._max_bytes = max_bytes
        self._min_free_bytes = min_free_bytes
        self._threads = threads
        self._digest = hashlib.sha256()
        self._waiting: list[bytes] = []
        self._n_waiting = 0
        self._gone = False
        self._lock = threading.Lock()  # a cancelled request discards while a thread may still open or write
        self._file: FileIO | None = None

    def open(self) -> None:
        """Create the file; raises `StoreFull`."""
        with self._lock, _full_disk_is_an_outage():
            if self._gone:
                return
            unlocked = self.path.with_suffix("")  # `sweep` does not look at this name
            self._file = unlocked.open("xb", buffering=0)
            fcntl.flock(self._file, fcntl.LOCK_EX)
            unlocked.rename(self.path)

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def expect(self, n_bytes: int) -> None:
        """Refuse an announced body at once: too large, or more than the disk can hold."""
        self._check_size(n_bytes)
        if shutil.disk_usage(self.path.parent).free - n_bytes < self._min_free_bytes:
            raise StoreFull("The spool folder's disk is nearly full.")

    async def write(self, data: bytes) -> None:
        """Append; returns at once until a block is full."""
        self.n_bytes += len(data)
        self._check_size(self.n_bytes)
        self._waiting.append(data)
        self._n_waiting += len(data)
        if self._n_waiting >= BLOCK_BYTES:
            await self._flush()

    async def finish(self) -> None:
        """Write what is left; afterwards the file holds ``n_bytes``."""
        await self._flush()

    def discard(self) -> None:
        """Delete the file, unless the store has moved it away; may be called twice."""
        with self._lock:
            self._gone = True
            self.path.unlink(missing_ok=True)
            if self._file is not None:
                self._file.close()

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *error: object) -> None:
        self.discard()

    def _check_size(self, n_bytes: int) -> None:
        if n_bytes > self._max_bytes:
            raise TooLarge(f"The recording is larger than the {self._max_bytes} bytes this server takes.")

    async def _flush(self) -> None:
        blocks, self._waiting, self._n_waiting = self._waiting, [], 0
        if blocks:
            await anyio.to_thread.run_sync(self._write, blocks, limiter=self._threads)

    def _write(self, blocks: list[bytes]) -> None:
        with self._lock, _full_disk_is_an_outage():
            for block in blocks:
                if self._gone or self._file is None:
                    return
                self._digest.update(block)
                view = memoryview(block)
                while view:
                    view = view[os.write(self._file.fileno(), view) :]


@contextmanager
def _full_disk_is_an_outage() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise writing_fault(error, "The spool folder") from error


def sweep(folder: Path) -> int:
    """Create the spool folder, delete what processes that are gone left in it; return how many files."""
    folder.mkdir(parents=True, exist_ok=True)
    n_deleted = 0
    for path in folder.glob(f"*{SUFFIX}"):
        try:
            with path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
                n_deleted += 1
        except (BlockingIOError, FileNotFoundError):
            continue  # a living process writes it, or has just discarded it
    return n_deleted


class Gate:
    """Lets at most ``limit`` in at once and refuses the others; belongs to one event loop."""

    def __init__(self, limit: int, what: str) -> None:
        self._limit = limit
        self._what = what
        self.n_inside = 0

    def check(self) -> None:
        """Raise `Overloaded` when nobody more may enter."""
        if self.n_inside >= self._limit:
            raise Overloaded(
                f"{self._limit} {self._what} are already under way; try again in {UPLOAD_RETRY_AFTER_S:.0f} seconds.",
                UPLOAD_RETRY_AFTER_S,
            )

    def __enter__(self) -> Self:
        self.check()
        self.n_inside += 1
        return self

    def __exit__(self, *error: object) -> None:
        self.n_inside -= 1


class UploadGates:
    """One gate for all uploads and one for each tenant's; belongs to one event loop."""

    def __init__(self, limits: LiveLimits) -> None:
        self._limits = limits
        self._all = Gate(limits.now.max_concurrent_uploads, "uploads")
        self._tenants: dict[str, Gate] = {}
        self._disk = anyio.CapacityLimiter(_DISK_THREADS)  # none of those that other requests need

    @asynccontextmanager
    async def spool(self, tenant: str) -> AsyncIterator[Spool]:
        """A spool file of the size this tenant may send; raises `Overloaded` when too many uploads are under way.

        The disk's journal may keep whoever creates or deletes a file waiting for seconds: that is for threads.
        """
        limits = self._limits.of(tenant)
        own = self._tenants.setdefault(tenant, Gate(limits.max_concurrent_uploads, "of your uploads"))
        now = self._limits.now
        spool = Spool(now.spool_dir, limits.max_upload_bytes, now.min_free_bytes, self._disk)
        try:
            with own, self._all:
                try:
                    await anyio.to_thread.run_sync(spool.open, limiter=self._disk)
                    yield spool
                finally:
                    await anyio.to_thread.run_sync(spool.discard, limiter=self._disk)
        finally:
            if not own.n_inside:
                self._tenants.pop(tenant, None)


async def body_of(
    stream: AsyncIterator[bytes], content_length: int | None, idle_timeout_s: float
) -> AsyncIterator[bytes]:
    """Pass a request's body on.

    Raises `UploadStalled` when nothing comes for ``idle_timeout_s`` seconds, and `InvalidRequest` when the body ends
    before its announced length.
    """
    n_bytes = 0
    while True:
        try:
            async with asyncio.timeout(idle_timeout_s):
                block = await anext(stream, None)
        except TimeoutError:
            raise UploadStalled(f"No byte of the body arrived for {idle_timeout_s:g} seconds.") from None
        if block is None:
            break
        n_bytes += len(block)
        if block:
            yield block
    if content_length is not None and n_bytes != content_length:
        raise InvalidRequest(f"The body ended after {n_bytes} of {content_length} bytes.")
