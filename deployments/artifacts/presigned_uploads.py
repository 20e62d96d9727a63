"""`DirectUploads`: recordings that go straight into the store, by a URL for each. Everything blocks.

An upload's id is that of the job it will become, and its bytes lie where that job's source will: nothing is copied. A
mark in the store says what was announced, until the job exists or the upload's time is over.
"""

import hashlib
import hmac
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import structlog
from pydantic import ValidationError

from deployments.limits import TenantLimits
from pipelines.audio.first_bytes import check_accepted, kind_of_stream
from pipelines.codec import decode, encode
from pipelines.errors import BlobMissing, NotFound, Overloaded, StorageError, TooLarge, UploadIncomplete
from pipelines.ids import created_at_s
from pipelines.storage.layout import UPLOAD_MARKS, JobKeys, is_tenant
from pipelines.storage.protocol import BlobStore

log = structlog.get_logger()

URL_LIFETIME_S = 900.0
LIFETIME_S = 24 * 3600.0
MAX_OPEN = 1_000  # uploads of a tenant that have no job yet
RETRY_AFTER_S = 60.0
MAX_PUT_BYTES = 5 << 30  # S3 takes no more at once


@dataclass(frozen=True, kw_only=True)
class DirectUpload:
    """An announced upload. A PUT may begin until ``url_expires_at_s``, a job until ``expires_at_s`` (Unix seconds).

    ``token_sha256`` is of the token in the URL, "" where the store itself verifies the URL.
    """

    id: str
    tenant: str
    n_bytes: int
    filename: str
    url_expires_at_s: float
    expires_at_s: float
    token_sha256: str = field(default="", repr=False)

    @property
    def keys(self) -> JobKeys:
        """Keys of the uploaded blob."""
        return JobKeys(tenant=self.tenant, job_id=self.id)


@dataclass(frozen=True, kw_only=True)
class DirectUploads:
    """The uploads that are open."""

    store: BlobStore
    clock: Callable[[], float]
    new_id: Callable[[], str]

    def open(
        self, tenant: str, n_bytes: int, filename: str, limits: TenantLimits, free_bytes: Callable[[], int]
    ) -> tuple[DirectUpload, str, str]:
        """Announce an upload; return it with the store's URL, or else "" and the token of a URL of our own.

        Bytes that are put to a URL of our own stay on our disk, which has ``free_bytes()``, until a job has them or
        the upload expires: a tenant has its share of it. Raises `TooLarge`, `Overloaded`, `StoreUnavailable`.
        """
        most = min(limits.max_upload_bytes, limits.max_open_upload_bytes, MAX_PUT_BYTES)
        if n_bytes > most:
            raise TooLarge(f"The recording is larger than the {most} bytes that can be put at once.")
        if sum(1 for _ in self.store.list(UPLOAD_MARKS.of_tenant(tenant))) >= MAX_OPEN:
            raise Overloaded(f"{MAX_OPEN} of your uploads have no job yet; begin or abandon some.", RETRY_AFTER_S)
        now_s = round(self.clock(), 3)
        upload_id, token = self.new_id(), ""
        keys = JobKeys(tenant=tenant, job_id=upload_id)
        url = self.store.upload_url(keys.source, n_bytes, URL_LIFETIME_S) or ""
        if not url:
            self._check_share(tenant, n_bytes, limits, free_bytes)
            token = f"{secrets.token_urlsafe(32)}.{tenant}"
        upload = DirectUpload(
            id=upload_id,
            tenant=tenant,
            n_bytes=n_bytes,
            filename=filename,
            url_expires_at_s=now_s + URL_LIFETIME_S,
            expires_at_s=now_s + LIFETIME_S,
            token_sha256=_digest(token) if token else "",
        )
        self.store.put(keys.upload_mark, encode(upload))
        return upload, url, token

    def keep(
        self,
        tenant: str,
        path: Path,
        limits: TenantLimits,
        free_bytes: Callable[[], int],
        *,
        n_bytes: int,
        sha256: str,
    ) -> DirectUpload:
        """Make an upload of a recording that came to us as a file, which moves into the store; see `open`."""
        upload, _, _ = self.open(tenant, n_bytes, "", limits, free_bytes)
        try:
            self.store.put_file(upload.keys.source, path, sha256=sha256)
        except BaseException:
            self.forget(tenant, upload.id, with_bytes=True)
            raise
        return upload

    def _check_share(self, tenant: str, n_bytes: int, limits: TenantLimits, free_bytes: Callable[[], int]) -> None:
        own = [upload.n_bytes for upload in self._open(tenant)]
        share = limits.open_upload_share(max(0, free_bytes()) + sum(own))
        if own and sum(own) + n_bytes > share:
            raise Overloaded(
                f"Your uploads without a job may have {share} bytes; {len(own)} have {sum(own)} of them. "
                "Begin or abandon some.",
                RETRY_AFTER_S,
            )

    def _open(self, tenant: str) -> Iterator[DirectUpload]:
        for mark in list(self.store.list(UPLOAD_MARKS.of_tenant(tenant))):
            upload = self._read(tenant, mark.rpartition("/")[2])
            if upload is not None and self.clock() <= upload.expires_at_s:
                yield upload

    def addressed(self, upload_id: str, token: str) -> DirectUpload:
        """Return the upload that a URL of our own is for; raises `NotFound`, also when the URL's time is over."""
        upload = self._read(token.partition(".")[2], upload_id)
        if upload is None or not upload.token_sha256 or self.clock() > upload.url_expires_at_s:
            raise _unknown(upload_id)
        if not hmac.compare_digest(_digest(token), upload.token_sha256):
            raise _unknown(upload_id)
        return upload

    def whole(self, tenant: str, upload_id: str) -> DirectUpload:
        """Return an upload whose bytes are there, as many as were announced.

        Raises `NotFound`, `UploadIncomplete`, and `UnsupportedFormat` for what is no recording.
        """
        upload = self._read(tenant, upload_id)
        if upload is None or self.clock() > upload.expires_at_s:
            raise _unknown(upload_id)
        try:
            with self.store.open(upload.keys.source) as blob:
                n_bytes = blob.seek(0, 2)
        except BlobMissing:
            raise UploadIncomplete(f"Nothing was put to upload {upload_id} yet.") from None
        if n_bytes != upload.n_bytes:
            raise UploadIncomplete(f"Upload {upload_id} has {n_bytes} bytes, not the {upload.n_bytes} announced.")
        with self.store.open(upload.keys.source) as blob:
            check_accepted(kind_of_stream(blob))
        return upload

    def forget(self, tenant: str, upload_id: str, *, with_bytes: bool = False) -> None:
        """Close an upload: it became a job, or with its bytes, it will become none."""
        keys = JobKeys(tenant=tenant, job_id=upload_id)
        if with_bytes:
            self.store.delete(keys.source)
        self.store.delete(keys.upload_mark)

    def _read(self, tenant: str, upload_id: str) -> DirectUpload | None:
        """Return the upload of a tenant by its id; None for a mark that names another one: its keys are that one's."""
        if not is_tenant(tenant):
            return None
        try:
            upload = decode(DirectUpload, self.store.get(JobKeys(tenant=tenant, job_id=upload_id).upload_mark))
        except (BlobMissing, ValidationError):
            return None
        except StorageError as error:
            if type(error) is StorageError:  # what no key can be made of
                return None
            raise
        return upload if (upload.tenant, upload.id) == (tenant, upload_id) else None


def expire_uploads(store: BlobStore, *, now_s: float) -> list[str]:
    """Close uploads whose time is over; return their ids. Their bytes are then those of a job that nobody knows.

    A mark that cannot be read is closed as well, and one that is no mark at all, or another upload's, is left alone.
    """
    expired = []
    for mark in list(store.list(UPLOAD_MARKS.prefix)):
        keys = UPLOAD_MARKS.job_of(mark)
        if keys is None or created_at_s(keys.job_id) is None:
            log.error("what lies among the uploads is none", action="expire_uploads", key=mark)
            continue
        try:
            upload = decode(DirectUpload, store.get(mark))
        except BlobMissing:
            continue
        except ValidationError:
            upload = None
        if upload is not None and upload.keys != keys:
            log.error("mark of an upload names another one", action="expire_uploads", key=mark)
        elif upload is None or upload.expires_at_s < now_s:
            store.delete(mark)
            expired.append(keys.job_id)
    return expired


def _unknown(upload_id: str) -> NotFound:
    return NotFound(f"There is no upload {upload_id!r}.")


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
