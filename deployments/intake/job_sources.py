"""Sources of a new job's recording: spooled bytes, pieces in the store, a URL, or an upload that is there already.

`deployments.intake.accept.Intake` brings the recording to its place, writes the job, and has the source commit or roll
back.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Protocol

import structlog

from deployments.artifacts.presigned_uploads import DirectUploads
from deployments.intake.spool import StoredUpload
from pipelines.errors import MeetMemoError, UploadIncomplete
from pipelines.jobs.job import Job
from pipelines.ledger.protocol import Ledger
from pipelines.storage.protocol import BlobStore

log = structlog.get_logger(__name__)


class JobSource(Protocol):
    """The recording of one new job; every method blocks."""

    def bring(self, job: Job) -> Job:
        """Bring the recording to its place; return the job with what is known of the recording then."""

    def commit(self, job: Job, stored: Job) -> None:
        """End the source once the ledger has ``stored``, which is another job than ``job`` for a repeated request."""

    def rollback(self, job: Job) -> None:
        """Leave nothing of the recording behind, unless the ledger holds the job after all."""


@dataclass(frozen=True, kw_only=True)
class UrlSource:
    """A recording that the Segmenter pulls later."""

    def bring(self, job: Job) -> Job:
        """Return the job as it is."""
        return job

    def commit(self, job: Job, stored: Job) -> None:
        """Keep nothing."""

    def rollback(self, job: Job) -> None:
        """Keep nothing."""


@dataclass(frozen=True, kw_only=True)
class SpooledSource:
    """A recording in a file on this machine's disk, which is gone when the source has ended."""

    spool: StoredUpload
    store: BlobStore
    ledger: Ledger

    def bring(self, job: Job) -> Job:
        """Put the file into the store; raises `StoreUnavailable`."""
        return replace(job, source=self.store.put_file(job.source.key, self.spool.path, sha256=self.spool.sha256))

    def commit(self, job: Job, stored: Job) -> None:
        """Delete the file, and the blob of a repeated request."""
        self.spool.discard()
        if stored.id != job.id:
            _forget(self.store, job)

    def rollback(self, job: Job) -> None:
        """Delete the file and the blob."""
        try:
            if not _holds(self.ledger, job):
                _forget(self.store, job)
        finally:
            self.spool.discard()


class Pieces(Protocol):
    """A recording that lies in the store in pieces."""

    @property
    def n_bytes(self) -> int: ...

    def blocks(self) -> Iterable[bytes]:
        """Yield its bytes in their order."""


@dataclass(frozen=True, kw_only=True)
class PiecesSource:
    """A recording that came in pieces, which stay until the job is written; the upload's id is the job's."""

    pieces: Pieces
    store: BlobStore
    ledger: Ledger

    def bring(self, job: Job) -> Job:
        """Put the pieces together; raises `StoreUnavailable`, `NotFound` where the upload has ended meanwhile."""
        if _holds(self.ledger, job):
            return job
        source = self.store.put_blocks(job.source.key, self.pieces.blocks())
        if source.n_bytes != self.pieces.n_bytes:
            raise UploadIncomplete(f"The upload has {source.n_bytes} of {self.pieces.n_bytes} bytes.")
        return replace(job, source=source)

    def commit(self, job: Job, stored: Job) -> None:
        """Delete the blob where another job answers for the upload."""
        if stored.id != job.id:
            _forget(self.store, job)

    def rollback(self, job: Job) -> None:
        """Delete the blob; the pieces stay, so that the request can be repeated."""
        if not _holds(self.ledger, job):
            _forget(self.store, job)


@dataclass(frozen=True, kw_only=True)
class UploadedSource:
    """A recording that was put to a URL of an upload; the upload's id is the job's."""

    uploads: DirectUploads
    ledger: Ledger

    def bring(self, job: Job) -> Job:
        """Take size and name from the upload; raises `NotFound`, `UploadIncomplete`, `StoreUnavailable`."""
        if _holds(self.ledger, job):
            return job
        upload = self.uploads.whole(job.tenant, job.id)
        return replace(
            job, source=replace(job.source, n_bytes=upload.n_bytes), filename=job.filename or upload.filename
        )

    def commit(self, job: Job, stored: Job) -> None:
        """Close the upload; delete its bytes where another job answers for it."""
        try:
            self.uploads.forget(job.tenant, job.id, with_bytes=stored.id != job.id)
        except MeetMemoError:
            log.warning("mark of an upload left behind", action="upload_orphaned", upload_id=job.id)

    def rollback(self, job: Job) -> None:
        """Leave the upload open, so that the request can be repeated."""


def _forget(store: BlobStore, job: Job) -> None:
    try:
        store.delete(job.source.key)
    except MeetMemoError:
        log.warning("blob left behind", action="blob_orphaned", key=job.source.key)


def _holds(ledger: Ledger, job: Job) -> bool:
    """Say whether the ledger has the job after all: a commit may succeed although its answer is lost."""
    try:
        ledger.get(job.tenant, job.id)
    except MeetMemoError:
        return False  # the client is told to send again, and then the bytes come again too
    return True
