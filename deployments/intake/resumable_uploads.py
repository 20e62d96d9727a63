"""`ResumableUploads`: recordings that arrive in pieces over a bad link, kept on disk until they are whole.

An upload is two files below the spool folder: what arrived so far, whose size is the offset, and a record of what it
will be. Both outlive the process; nothing else has to be remembered. Everything blocks.
"""

import fcntl
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from deployments.intake.resumable_records import FOLDER, PART_SUFFIX, RECORD_SUFFIX, Resumable, read_record
from deployments.intake.spool_space import SpoolSpace, check_room, faults_of_the_spool, write_whole
from deployments.limits import TenantLimits
from pipelines.audio.first_bytes import FirstBytes
from pipelines.codec import encode
from pipelines.errors import NotFound, Overloaded, TooLarge, UploadBusy
from pipelines.file_hash import hash_stream
from pipelines.jobs.job import JobOptions
from pipelines.jobs.reference import NO_REFERENCE, Reference
from pipelines.storage.atomic_write import write_atomic

BLOCK_BYTES = 1 << 16
COPY_BYTES = 1 << 20
LIFETIME_S = 24 * 3600.0
RETRY_AFTER_S = 60.0


class WholeUpload:
    """Hands the bytes of a complete upload to `deployments.intake.accept.Intake`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("rb") as file:
            self.n_bytes, self.sha256 = hash_stream(file)

    def discard(self) -> None:
        """Delete the file, unless the store has moved it away."""
        self.path.unlink(missing_ok=True)


class ResumableUploads:
    """Keeps the uploads under way; a tenant has ``max_open`` at most."""

    def __init__(
        self,
        spool_dir: Path,
        *,
        clock: Callable[[], float],
        new_id: Callable[[], str],
        min_free_bytes: int,
        max_open: int,
    ) -> None:
        self._folder = spool_dir / FOLDER
        self._clock = clock
        self._new_id = new_id
        self._space = SpoolSpace(folder=spool_dir, min_free_bytes=min_free_bytes, clock=clock)
        self._max_open = max_open

    def create(
        self,
        tenant: str,
        n_bytes: int,
        filename: str,
        options: JobOptions,
        limits: TenantLimits,
        reference: Reference = NO_REFERENCE,
        concat: str = "",
    ) -> Resumable:
        """Begin an upload and claim the room for it; raises `TooLarge`, `Overloaded`, `StoreFull`."""
        with faults_of_the_spool():
            self._folder.mkdir(parents=True, exist_ok=True)
        self.sweep()
        most = min(limits.max_upload_bytes, limits.max_open_upload_bytes)
        if n_bytes > most:
            raise TooLarge(f"The recording is larger than the {most} bytes this server takes.")
        with self._space.locked():
            self._check_room(tenant, n_bytes, limits)
            record = Resumable(
                id=self._new_id(),
                tenant=tenant,
                n_bytes=n_bytes,
                filename=filename,
                options=options,
                reference=reference,
                expires_at_s=round(self._clock() + LIFETIME_S, 3),
                concat=concat,
            )
            with faults_of_the_spool():
                self.data(record).touch()
                self._write(record)
        return record

    def _check_room(self, tenant: str, n_bytes: int, limits: TenantLimits) -> None:
        """Raise `Overloaded` when the tenant has too much open, `StoreFull` when the disk has no room for it.

        What has arrived of an upload counts against its tenant as well: it stays until the upload ends or expires.
        """
        uploads = self._space.open_uploads()
        own = [upload for upload in uploads if upload.record.tenant == tenant]
        if len(own) >= self._max_open:
            raise Overloaded(f"{len(own)} of your uploads are open already; end or finish some.", RETRY_AFTER_S)
        room = self._space.room_bytes()
        n_own = sum(upload.record.n_bytes for upload in own)
        share = limits.open_upload_share(max(0, room) + sum(upload.record.n_bytes for upload in uploads))
        if own and n_own + n_bytes > share:
            raise Overloaded(
                f"Your open uploads may have {share} bytes; {len(own)} have {n_own} of them. End or finish some.",
                RETRY_AFTER_S,
            )
        check_room(n_bytes, room)

    def get(self, tenant: str, upload_id: str) -> tuple[Resumable, int]:
        """Return an upload and its offset; raises `NotFound`."""
        record = self._read(upload_id)
        if record is None or record.tenant != tenant or record.expires_at_s < self._clock():
            raise NotFound(f"There is no upload {upload_id!r}.")
        if record.job_id:
            return record, record.n_bytes
        return record, self.n_there(record)

    def n_there(self, record: Resumable) -> int:
        """Return how many bytes of an upload that has become no job have arrived."""
        path = self.data(record)
        return path.stat().st_size if path.exists() else 0

    def first_bytes(self, record: Resumable) -> FirstBytes:
        """Return the look at what has arrived so far; raises `UnsupportedFormat`."""
        look = FirstBytes()
        with self.data(record).open("rb") as file:
            while look.kind is None and (block := file.read(BLOCK_BYTES)):
                look.feed(block)
        return look

    @contextmanager
    def appending(self, record: Resumable) -> Iterator["Piece"]:
        """Hold an upload while a piece is appended. Raises `UploadBusy`."""
        with faults_of_the_spool():
            descriptor = os.open(self.data(record), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        piece = Piece(descriptor, self._space)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UploadBusy(f"Another request writes to upload {record.id}.") from None
            yield piece
        finally:
            piece.close()

    def finish(self, record: Resumable, job_id: str) -> None:
        """Note the job that an upload became; its record stays until it expires, for clients that heard no answer.

        What the job is called and wants is the job's from now on, and goes with it.
        """
        options = JobOptions(model=record.options.model)
        self._write(replace(record, job_id=job_id, filename="", options=options, reference=NO_REFERENCE))

    def put_together(self, record: Resumable, parts: Sequence[Resumable]) -> None:
        """Append the bytes of parts to an upload in their order, and forget the parts; raises `StoreFull`."""
        with self.appending(record) as piece:
            for part in parts:
                with self.data(part).open("rb") as file:
                    while block := file.read(COPY_BYTES):
                        piece.append(block)
        for part in parts:
            self.delete(part)

    def delete(self, record: Resumable) -> None:
        """Forget an upload."""
        self.data(record).unlink(missing_ok=True)
        self._record_path(record.id).unlink(missing_ok=True)

    def sweep(self) -> None:
        """Forget uploads that expired."""
        for record in list(self._records()):
            if record.expires_at_s < self._clock():
                self.delete(record)

    def data(self, record: Resumable) -> Path:
        """Return the file of what arrived so far."""
        return self._folder / f"{record.id}{PART_SUFFIX}"

    def _record_path(self, upload_id: str) -> Path:
        return self._folder / f"{upload_id}{RECORD_SUFFIX}"

    def _records(self) -> Iterator[Resumable]:
        for path in self._folder.glob(f"*{RECORD_SUFFIX}"):
            if (record := self._read(path.stem)) is not None:
                yield record

    def _read(self, upload_id: str) -> Resumable | None:
        return read_record(self._folder, upload_id)

    def _write(self, record: Resumable) -> None:
        write_atomic(self._record_path(record.id), encode(record))


class Piece:
    """Appends a piece to an upload. If its request is cancelled while a thread writes, that thread closes the file."""

    def __init__(self, descriptor: int, space: SpoolSpace) -> None:
        self._descriptor = descriptor
        self._space = space
        self._state = threading.Lock()  # never held while the disk works
        self._is_writing = False
        self._is_closed = False
        self._keep_bytes: int | None = None

    def append(self, block: bytes) -> None:
        """Write a block whole, unless the piece is closed.

        Raises `StoreFull` when the disk is full or nearly so, and `NotFound` when the upload was ended or has expired:
        nobody counts what would be written to it.
        """
        with self._state:
            if self._is_closed:
                return
            self._is_writing = True
        try:
            if not os.fstat(self._descriptor).st_nlink:
                raise NotFound("The upload was ended while this piece was sent.")
            self._space.check(len(block))
            write_whole(self._descriptor, block)
        finally:
            with self._state:
                self._is_writing = False
                if self._is_closed:
                    self._end()

    def undo(self, n_bytes: int) -> None:
        """Cut off what was appended after ``n_bytes`` when the piece is closed."""
        self._keep_bytes = n_bytes

    def close(self) -> None:
        """Take no more, and let others append once what is being written is there; may be called twice."""
        with self._state:
            if self._is_closed:
                return
            self._is_closed = True
            if not self._is_writing:
                self._end()

    def _end(self) -> None:
        try:
            if self._keep_bytes is not None:
                with faults_of_the_spool():
                    os.ftruncate(self._descriptor, self._keep_bytes)
        finally:
            os.close(self._descriptor)
