"""`ResumableUploads`: recordings that arrive in pieces over a bad link, kept on disk until they are whole.

An upload is two files below the spool folder: what arrived so far, whose size is the offset, and a record of what it
will be. Both outlive the process; nothing else has to be remembered. Everything blocks.
"""

import fcntl
import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydantic import ValidationError

from pipelines.codec import decode, encode
from pipelines.errors import NotFound, Overloaded, StoreFull, TooLarge, UploadBusy
from pipelines.full_disk import writing_fault
from pipelines.jobs import JobOptions
from pipelines.references import NO_REFERENCE, Reference

FOLDER = "resumable"
LIFETIME_S = 24 * 3600.0
RETRY_AFTER_S = 60.0
_ID = re.compile(r"[0-9a-f]{32}")
_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Resumable:
    """What an upload will be; ``job_id`` is the job it became, "" while it is not whole. Times are Unix seconds."""

    id: str
    tenant: str
    n_bytes: int
    filename: str
    options: JobOptions
    expires_at_s: float
    reference: Reference = field(default=NO_REFERENCE)
    job_id: str = ""


class WholeUpload:
    """The bytes of an upload that is whole, as `deployments.intake.Intake` takes them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.n_bytes = path.stat().st_size
        with path.open("rb") as file:
            self.sha256 = hashlib.file_digest(file, "sha256").hexdigest()

    def discard(self) -> None:
        """Delete the file, unless the store has moved it away."""
        self.path.unlink(missing_ok=True)


class ResumableUploads:
    """Uploads under way; a tenant has ``max_open`` at most."""

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
        self._min_free_bytes = min_free_bytes
        self._max_open = max_open

    def create(
        self,
        tenant: str,
        n_bytes: int,
        filename: str,
        options: JobOptions,
        max_bytes: int,
        reference: Reference = NO_REFERENCE,
    ) -> Resumable:
        """Begin an upload; raises `TooLarge`, `Overloaded`, `StoreFull`."""
        with _full_disk():
            self._folder.mkdir(parents=True, exist_ok=True)
        self.sweep()
        if n_bytes > max_bytes:
            raise TooLarge(f"The recording is larger than the {max_bytes} bytes this server takes.")
        n_open = sum(record.tenant == tenant and not record.job_id for record in self._records())
        if n_open >= self._max_open:
            raise Overloaded(f"{n_open} of your uploads are open already; end or finish some.", RETRY_AFTER_S)
        if shutil.disk_usage(self._folder).free - n_bytes < self._min_free_bytes:
            raise StoreFull("The spool folder's disk is nearly full.")
        record = Resumable(
            id=self._new_id(),
            tenant=tenant,
            n_bytes=n_bytes,
            filename=filename,
            options=options,
            reference=reference,
            expires_at_s=round(self._clock() + LIFETIME_S, 3),
        )
        with _full_disk():
            self.data(record).touch()
            self._write(record)
        return record

    def get(self, tenant: str, upload_id: str) -> tuple[Resumable, int]:
        """Return an upload and its offset; raises `NotFound`."""
        record = self._read(upload_id)
        if record is None or record.tenant != tenant or record.expires_at_s < self._clock():
            raise NotFound(f"There is no upload {upload_id!r}.")
        if record.job_id:
            return record, record.n_bytes
        path = self.data(record)
        return record, path.stat().st_size if path.exists() else 0

    @contextmanager
    def appending(self, record: Resumable) -> Iterator[int]:
        """Hold an upload while a piece is appended; yields a descriptor at its end. Raises `UploadBusy`."""
        with _full_disk():
            descriptor = os.open(self.data(record), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UploadBusy(f"Another request writes to upload {record.id}.") from None
            yield descriptor
        finally:
            os.close(descriptor)

    def finish(self, record: Resumable, job_id: str) -> None:
        """Note the job that an upload became; its record stays until it expires, for clients that heard no answer.

        What the job is called and wants is the job's from now on, and goes with it.
        """
        self._write(
            replace(
                record,
                job_id=job_id,
                filename="",
                options=JobOptions(model=record.options.model),
                reference=NO_REFERENCE,
            )
        )

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
        """The file of what arrived so far."""
        return self._folder / f"{record.id}.part"

    def _record_path(self, upload_id: str) -> Path:
        return self._folder / f"{upload_id}.json"

    def _records(self) -> Iterator[Resumable]:
        for path in self._folder.glob("*.json"):
            if (record := self._read(path.stem)) is not None:
                yield record

    def _read(self, upload_id: str) -> Resumable | None:
        if not _ID.fullmatch(upload_id):
            return None
        try:
            record = decode(Resumable, self._record_path(upload_id).read_bytes())
        except (FileNotFoundError, ValidationError):
            return None
        return record if record.id == upload_id else None

    def _write(self, record: Resumable) -> None:
        path = self._record_path(record.id)
        temporary = path.with_suffix(".new")
        temporary.write_bytes(encode(record))
        temporary.replace(path)


def append(descriptor: int, block: bytes) -> None:
    """Write a block whole; raises `StoreFull` when the disk is full."""
    view = memoryview(block)
    with _full_disk():
        while view:
            view = view[os.write(descriptor, view) :]


def undo(descriptor: int, n_bytes: int) -> None:
    """Cut off what was appended after ``n_bytes``."""
    with _full_disk():
        os.ftruncate(descriptor, n_bytes)


@contextmanager
def _full_disk() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise writing_fault(error, "The spool folder") from error
