"""`ResumableUploads`: recordings that arrive in pieces over a bad link, kept in the blob store until they are whole.

Nothing lies on an endpoint's own disk and nothing has to be remembered: every endpoint over the same store and ledger
takes the next piece. An upload's id is that of the job it becomes. Everything blocks.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import structlog

from deployments.intake.resumable.records import OpenUpload, Resumable, each_upload, open_uploads, parse_upload
from deployments.intake.resumable.records import read_upload as read_stored
from deployments.intake.spool_space import SpoolSpace, check_room
from deployments.intake.spool_sweep import SpoolUse
from deployments.limits import TenantLimits
from pipelines.audio.first_bytes import FirstBytes
from pipelines.codec import encode
from pipelines.errors import JobUnknown, NotFound, Overloaded, StoreFull, TooLarge
from pipelines.ids import created_at_s
from pipelines.jobs.job import JobOptions
from pipelines.jobs.reference import NO_REFERENCE, Reference
from pipelines.ledger.protocol import Ledger
from pipelines.storage.layout import PieceKeys
from pipelines.storage.protocol import BlobStore

COPY_BYTES = 1 << 20
LIFETIME_S = 24 * 3600.0
RETRY_AFTER_S = 60.0

log = structlog.get_logger(__name__)


def job_key(upload_id: str) -> str:
    """Return the idempotency key of the job of an upload: it is made once, whoever is told that all bytes are there."""
    return f"tus/{upload_id}"


class ResumableUploads:
    """Keeps the uploads under way; a tenant has ``max_open`` at most.

    Room is counted where the store is a folder: on its disk ``min_free_bytes`` stay free. Claims are made one after the
    other on each host (a lock in ``spool_dir``); endpoints on several hosts that claim in the same moment may together
    claim more than there is, and the piece that finds the disk full is refused then. ``use`` is what lay in the store
    when it was swept last; ``n_writers`` are the requests of this process that write to uploads.
    """

    def __init__(
        self,
        store: BlobStore,
        ledger: Ledger,
        spool_dir: Path,
        *,
        clock: Callable[[], float],
        new_id: Callable[[], str],
        min_free_bytes: int,
        max_open: int,
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._spool_dir = spool_dir
        self._clock = clock
        self._new_id = new_id
        self._min_free_bytes = min_free_bytes
        self._space = SpoolSpace(folder=spool_dir, min_free_bytes=min_free_bytes, promised=self.n_promised)
        self._max_open = max_open
        self.n_writers = 0
        self.use = SpoolUse()

    def create(
        self,
        tenant: str,
        n_bytes: int,
        filename: str,
        options: JobOptions,
        limits: TenantLimits,
        reference: Reference = NO_REFERENCE,
        concat: str = "",
        parts: Sequence[str] = (),
    ) -> Resumable:
        """Begin an upload and claim the room for it; raises `TooLarge`, `Overloaded`, `StoreFull`.

        One of ``parts`` has all its bytes already, and claims nothing.
        """
        most = min(limits.max_upload_bytes, limits.max_open_upload_bytes)
        if n_bytes > most:
            raise TooLarge(f"The recording is larger than the {most} bytes this server takes.")
        with self._space.locked():
            if not parts:
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
                parts=tuple(parts),
            )
            self._store.put(record.keys.record, encode(record))
        return record

    def _check_room(self, tenant: str, n_bytes: int, limits: TenantLimits) -> None:
        """Raise `Overloaded` when the tenant has too much open, `StoreFull` when the store's disk has no room for it.

        What has arrived of an upload counts against its tenant as well: it stays until the upload ends or expires.
        """
        room = self._room_bytes()
        # All tenants' uploads matter only for their share of a disk.
        uploads = list(open_uploads(self._store, self._clock(), tenant if room is None else ""))
        own = [upload.record.n_bytes for upload in uploads if upload.record.tenant == tenant]
        if len(own) >= self._max_open:
            raise Overloaded(f"{len(own)} of your uploads are open already; end or finish some.", RETRY_AFTER_S)
        share = limits.max_open_upload_bytes
        if room is not None:
            share = limits.open_upload_share(max(0, room) + sum(upload.record.n_bytes for upload in uploads))
        if own and sum(own) + n_bytes > share:
            raise Overloaded(
                f"Your open uploads may have {share} bytes; {len(own)} have {sum(own)} of them. End or finish some.",
                RETRY_AFTER_S,
            )
        if room is not None:
            check_room(n_bytes, room)

    def _room_bytes(self) -> int | None:
        """Return what may still be promised of the store's disk; None where it is no disk of ours."""
        folder = self._store.folder()
        if folder is None:
            return None
        if self._shares_the_spools_disk():
            return self._space.room_bytes()
        return self._disk(folder).free_bytes() - self._n_wanted()

    def n_promised(self) -> int:
        """Return what uploads under way may still bring to the disk of the spool folder."""
        return self._n_wanted() if self._shares_the_spools_disk() else 0

    def _n_wanted(self) -> int:
        return sum(upload.n_wanted for upload in open_uploads(self._store, self._clock()))

    def _shares_the_spools_disk(self) -> bool:
        folder = self._store.folder()
        return folder is not None and _existing(folder).stat().st_dev == _existing(self._spool_dir).stat().st_dev

    def _disk(self, folder: Path) -> SpoolSpace:
        return SpoolSpace(folder=_existing(folder), min_free_bytes=self._min_free_bytes)

    def get(self, tenant: str, upload_id: str) -> tuple[Resumable, int]:
        """Return an upload and its offset; raises `NotFound`."""
        found = self._read(tenant, upload_id)
        if found is None:
            return self._ended(tenant, upload_id)
        if found.record.expires_at_s < self._clock():
            raise _unknown(upload_id)
        return found.record, found.record.n_bytes if found.record.job_id else found.n_there

    def _ended(self, tenant: str, upload_id: str) -> tuple[Resumable, int]:
        """Return an upload that became the job of its id, for clients that heard no answer; raises `NotFound`."""
        if created_at_s(upload_id) is None or not self._ledger.used_keys(tenant, {job_key(upload_id)}):
            raise _unknown(upload_id)
        try:
            job = self._ledger.get(tenant, upload_id)
        except JobUnknown:
            raise _unknown(upload_id) from None
        record = Resumable(
            id=upload_id,
            tenant=tenant,
            n_bytes=job.source.n_bytes,
            filename="",
            options=JobOptions(model=job.options.model),
            expires_at_s=job.created_at_s + LIFETIME_S,
            job_id=job.id,
        )
        if record.expires_at_s < self._clock():
            raise _unknown(upload_id)
        return record, record.n_bytes

    def blocks(self, record: Resumable) -> Iterator[bytes]:
        """Yield what has arrived of an upload, or of the parts it is put together of; raises `NotFound`."""
        for upload_id in record.parts or (record.id,):
            found = self._read(record.tenant, upload_id)
            if found is None:
                raise _unknown(upload_id)
            for piece in found.pieces:
                with self._store.open(piece.key) as stream:
                    while block := stream.read(COPY_BYTES):
                        yield block

    def first_bytes(self, record: Resumable) -> FirstBytes:
        """Return the look at what has arrived so far; raises `UnsupportedFormat`."""
        look = FirstBytes()
        for block in self.blocks(record):
            look.feed(block)
            if look.kind is not None:
                break
        return look

    def keep(self, record: Resumable, offset: int, data: bytes, request: str = "") -> str:
        """Store bytes of an upload from ``offset``; return their key. They count once ``request`` is `verify`-ed.

        Raises `StoreFull` when the disk is full or nearly so, and `NotFound` when the upload was ended or has expired:
        nobody counts what would be written to it.
        """
        folder = self._store.folder()
        if folder is not None and len(data) > self._disk(folder).free_bytes():
            raise StoreFull("The blob store's disk is nearly full.")
        key = record.keys.piece(offset, len(data), request)
        self._store.put(key, data)
        if not self._store.exists(record.keys.record):
            self._store.delete(key)
            raise NotFound("The upload was ended while this piece was sent.")
        return key

    def verify(self, record: Resumable, request: str) -> None:
        """Let the pieces of a request count: their checksum was right."""
        self._store.put(record.keys.verified(request), b"")

    def drop(self, keys: Sequence[str]) -> None:
        """Delete pieces that shall not count."""
        for key in keys:
            self._store.delete(key)

    def finish(self, record: Resumable, job_id: str) -> None:
        """Forget an upload that became a job, and the parts it was put together of.

        The record stays until it expires where the job does not tell all: another one answers, of the same external id,
        or the upload was put together of parts. It has ids and no words then.
        """
        if job_id == record.id and not record.concat:
            self.delete(record)
        else:
            options = JobOptions(model=record.options.model)
            told = replace(record, job_id=job_id, filename="", options=options, reference=NO_REFERENCE, parts=())
            self._store.put(record.keys.record, encode(told))
            self.drop([key for key in self._store.list(record.keys.root) if key != record.keys.record])
        for part in record.parts:
            self._delete(PieceKeys(tenant=record.tenant, upload_id=part))

    def delete(self, record: Resumable) -> None:
        """Forget an upload."""
        self._delete(record.keys)

    def _delete(self, keys: PieceKeys) -> int:
        """Delete an upload's blobs, its record first: pieces without one are never taken for an upload."""
        self._store.delete(keys.record)
        return self._store.delete_prefix(keys.root)

    def sweep(self) -> SpoolUse:
        """Delete uploads that expired and pieces that belong to none; return what is left.

        Every endpoint may do so at any time. Pieces without a record stay for a day: one may just be written.
        """
        now_s, n_swept, n_files, n_bytes, oldest_s = self._clock(), 0, 0, 0, 0.0
        for keys, names in list(each_upload(self._store)):
            upload = parse_upload(self._store, keys, names)
            born_s = created_at_s(keys.upload_id)
            expires_s = upload.record.expires_at_s if upload else None if born_s is None else born_s + LIFETIME_S
            if expires_s is not None and expires_s < now_s:
                self._delete(keys)
                n_swept += 1
            elif upload is not None and not upload.record.job_id:
                n_files += 1
                n_bytes += sum(piece.n_bytes for piece in upload.pieces)
                oldest_s = max(oldest_s, now_s - (upload.record.expires_at_s - LIFETIME_S))
        if n_swept:
            log.info("abandoned uploads deleted", action="sweep_resumable", uploads=n_swept)
        self.use = SpoolUse(n_files=n_files, n_bytes=n_bytes, idle_s=oldest_s)
        return self.use

    def _read(self, tenant: str, upload_id: str) -> OpenUpload | None:
        return read_stored(self._store, tenant, upload_id)


def _unknown(upload_id: str) -> NotFound:
    return NotFound(f"There is no upload {upload_id!r}.")


def _existing(folder: Path) -> Path:
    """Return a folder, or the nearest one above it that exists: a store's is made at its first write."""
    return next(path for path in (folder, *folder.parents) if path.exists())
