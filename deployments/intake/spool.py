"""A request's body on its way to a spool file: counted, hashed, bounded in memory, written off the event loop."""

import asyncio
import fcntl
import math
import threading
import uuid
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from io import FileIO
from pathlib import Path
from typing import Protocol, Self

import anyio
import anyio.to_thread

from deployments.intake.gates import Gate
from deployments.intake.spool_space import SUFFIX, SpoolSpace, check_room, faults_of_the_spool, with_claim, write_whole
from deployments.limits import LiveLimits, UploadPace
from deployments.sources.blocks import BLOCK_BYTES
from pipelines.errors import InvalidRequest, TooLarge, UploadStalled
from pipelines.file_hash import HashingWriter

CLAIM_STEP_BYTES = 64 << 20  # a body of unknown length claims so much more of the disk at a time
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
    """Spools one upload to a temporary file, which is deleted when the spool is discarded.

    Entering it opens the file, leaving it discards it: on an event loop both are for a thread, see `UploadGates.spool`.
    The file is locked for as long as its process lives, so that `deployments.intake.spool_sweep` can find what a killed
    process left behind. Its name says how much of the disk it was promised, see `SpoolSpace`. ``n_bytes`` and
    ``sha256`` describe what was written so far. Raises `TooLarge` at the first byte beyond ``max_bytes`` and
    `StoreFull` when the disk is full, or others were promised what is left of it.
    """

    def __init__(
        self,
        folder: Path,
        max_bytes: int,
        min_free_bytes: int = 0,
        threads: anyio.CapacityLimiter | None = None,
        promised: Callable[[], int] = lambda: 0,
    ) -> None:
        """Write on the threads of a limiter; None: on those that everything shares. ``promised``: see `SpoolSpace`."""
        self.path = folder / f"{uuid.uuid4().hex}{SUFFIX}"
        self.n_bytes = 0
        self._max_bytes = max_bytes
        self._space = SpoolSpace(folder=folder, min_free_bytes=min_free_bytes, promised=promised)
        self._threads = threads
        self._written = HashingWriter(self._append)
        self._waiting: list[bytes] = []
        self._n_waiting = 0
        self._n_claimed = 0
        self._gone = False
        self._lock = threading.Lock()  # a cancelled request discards while a thread may still open, claim or write
        self._file: FileIO | None = None

    def open(self) -> None:
        """Create the file; raises `StoreFull`."""
        with self._lock, faults_of_the_spool():
            if self._gone:
                return
            unlocked = self.path.with_suffix("")  # the sweep does not take this name for a dead process' file
            self._file = unlocked.open("xb", buffering=0)
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX)
                unlocked.rename(self.path)
            except OSError:
                unlocked.unlink(missing_ok=True)
                raise

    @property
    def sha256(self) -> str:
        return self._written.sha256

    def expect(self, n_bytes: int) -> None:
        """Claim the room for an announced body, or refuse it: too large, or more than the disk can hold. Blocks."""
        self._check_size(n_bytes)
        with self._lock:
            if not self._gone:
                self._claim(n_bytes)

    async def announce(self, n_bytes: int) -> None:
        """Call `expect` off the event loop."""
        await anyio.to_thread.run_sync(self.expect, n_bytes, limiter=self._threads)

    async def write(self, data: bytes) -> None:
        """Append; returns at once until a block is full."""
        self.n_bytes += len(data)
        self._check_size(self.n_bytes)
        self._waiting.append(data)
        self._n_waiting += len(data)
        if self._n_waiting >= BLOCK_BYTES:
            await self._flush()

    async def finish(self) -> None:
        """Write what is left; afterwards the file holds ``n_bytes``, and wants no more."""
        await self._flush()
        if self._n_claimed - self._written.n_bytes >= BLOCK_BYTES:
            await anyio.to_thread.run_sync(self._give_up_rest, limiter=self._threads)

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

    def _claim(self, n_bytes: int, step_bytes: int = 0) -> None:
        """Claim the room for ``n_bytes`` in all, and ``step_bytes`` more where they are there; raises `StoreFull`."""
        with self._space.locked():
            self._space.check(n_bytes - self._written.n_bytes)
            room = self._space.room_bytes(besides=self.path) + self._written.n_bytes
            check_room(n_bytes, room)
            self._note_claim(min(n_bytes + step_bytes, room))

    def _give_up_rest(self) -> None:
        with self._lock:
            if not self._gone:
                self._note_claim(self._written.n_bytes)

    def _note_claim(self, n_bytes: int) -> None:
        claimed = with_claim(self.path, n_bytes)
        with faults_of_the_spool():
            self.path.rename(claimed)
        self.path, self._n_claimed = claimed, n_bytes

    async def _flush(self) -> None:
        blocks, self._waiting, self._n_waiting = self._waiting, [], 0
        if blocks:
            await anyio.to_thread.run_sync(self._write, blocks, limiter=self._threads)

    def _write(self, blocks: list[bytes]) -> None:
        with self._lock:
            if self._gone or self._file is None:
                return
            n_bytes = sum(map(len, blocks))
            if self._written.n_bytes + n_bytes > self._n_claimed:
                self._claim(self._written.n_bytes + n_bytes, CLAIM_STEP_BYTES)
            else:  # others than uploads may have filled the disk meanwhile
                self._space.check(n_bytes)
            for block in blocks:
                self._written.write(block)

    def _append(self, block: bytes) -> None:
        assert self._file is not None, "blocks are written while it is open"
        write_whole(self._file.fileno(), block)


class UploadGates:
    """Bounds the uploads under way, in all and for each tenant; belongs to one event loop."""

    def __init__(self, limits: LiveLimits, promised: Callable[[], int] = lambda: 0) -> None:
        self._limits = limits
        self._promised = promised
        self._gate = Gate(
            limits.now.max_concurrent_uploads, "uploads", lambda tenant: limits.of(tenant).max_concurrent_uploads
        )
        self._writers = anyio.CapacityLimiter(_DISK_THREADS)  # none of the threads that other requests need
        self._openers = ThreadPoolExecutor(_DISK_THREADS, "spool")

    @asynccontextmanager
    async def spool(self, tenant: str) -> AsyncIterator[Spool]:
        """Open a spool file of the size this tenant may send; raises `Overloaded` when too many uploads are under way.

        However often the request is cancelled meanwhile, the file is deleted.
        """
        now = self._limits.now
        with self._gate.acquire(tenant):
            most = now.of(tenant).max_upload_bytes
            spool = Spool(now.spool_dir, most, now.min_free_bytes, self._writers, self._promised)
            try:
                await self._to_its_end(spool.open)
                yield spool
            finally:
                await self._to_its_end(spool.discard)

    async def _to_its_end(self, call: Callable[[], None]) -> None:
        """Run a call in a thread: the disk's journal may keep it waiting for seconds.

        It is handed to its thread before anything is awaited. A call that waits for a thread first never begins when
        the request is cancelled at that moment, as happens when its client and its server give it up at once.
        """
        await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._openers, call))


async def body_of(stream: AsyncIterator[bytes], content_length: int | None, pace: UploadPace) -> AsyncIterator[bytes]:
    """Pass a request's body on.

    Raises `UploadStalled` when nothing comes for too long or all of it comes too slowly, and `InvalidRequest` when the
    body ends before its announced length. Only time in which the client is waited for counts: a slow disk of ours is
    not the client's fault.
    """
    clock = asyncio.get_running_loop().time
    n_bytes = 0
    credit_s = most_s = pace.grace_s if pace.min_bytes_per_s else math.inf  # each byte is worth some time, up to this
    while True:
        began_s = clock()
        try:
            async with asyncio.timeout(min(pace.idle_timeout_s, credit_s)):
                block = await anext(stream, None)
        except TimeoutError:
            raise _stalled(pace, slow=credit_s < pace.idle_timeout_s) from None
        if block is None:
            break
        n_bytes += len(block)
        if pace.min_bytes_per_s:
            left_s = max(0.0, credit_s - (clock() - began_s))
            credit_s = min(most_s, left_s + len(block) / pace.min_bytes_per_s)
        if block:
            yield block
    if content_length is not None and n_bytes != content_length:
        raise InvalidRequest(f"The body ended after {n_bytes} of {content_length} bytes.")


def _stalled(pace: UploadPace, *, slow: bool) -> UploadStalled:
    if slow:
        return UploadStalled(
            f"The body came more slowly than {pace.min_bytes_per_s:g} bytes a second for {pace.grace_s:g} seconds."
        )
    return UploadStalled(f"No byte of the body arrived for {pace.idle_timeout_s:g} seconds.")
