"""A blob store in an S3 bucket, or in whatever speaks its protocol."""

import hashlib
import os
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from pipelines.core import BlobRef
from pipelines.errors import BlobMissing, StorageError, StoreFull, StoreUnavailable
from pipelines.storage.block_stream import BlockStream
from pipelines.storage.folder import measure_file
from pipelines.storage.key_rules import (
    OWNER_NAME,
    PRIVATE_MARK,
    deletable_prefix,
    validated_key,
    validated_prefix,
    validated_range,
)
from pipelines.storage.s3_client import connect
from pipelines.storage.s3_conditional import honours_conditions, put_new
from pipelines.storage.s3_reader import open_blob

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

READ_ATTEMPTS = 3
PART_BYTES = 16 * 2**20  # a file of 10,000 parts, S3's limit, has 156 GiB; boto3 enlarges the parts beyond that
UPLOAD_THREADS = 3  # a file's upload holds at most this many parts in memory
DELETE_THREADS = 8
PUT_THREADS = 4  # of one caller's blobs, which are small: all documents of a transcript at once
CLAIM_ATTEMPTS = 5

_INSUFFICIENT_STORAGE = 507  # HTTP; MinIO's and Swift's answer
_MISSING = ("NoSuchKey", "404", "NotFound")
_CHECKSUM = "sha256"  # the name of the user metadata that holds it


class S3Store:
    """Stores blobs under ``prefix`` of a bucket; ``endpoint`` is the URL of a store other than AWS.

    Credentials come from boto3's own sources. The client is made at the first use in a process, because clients
    can be shared between threads but neither pickled nor carried over a fork. Blobs carry their SHA-256 as
    metadata, and reading a whole blob verifies it. What is damaged on its way to the store, the store refuses:
    each request is signed with the SHA-256 of its body, see `pipelines.storage.s3_client`.
    """

    def __init__(
        self, bucket: str, *, prefix: str = "", endpoint: str | None = None, region: str | None = None
    ) -> None:
        self.bucket = bucket
        self.prefix = f"{validated_key(prefix)}/" if prefix else ""
        self.endpoint = endpoint
        self.region = region
        self._lock = threading.Lock()
        self._client: S3Client | None = None
        self._client_pid = 0
        self._conditional: bool | None = None

    def __reduce__(self) -> tuple[Callable[..., "S3Store"], tuple[Any, ...]]:
        return _rebuild, (self.bucket, self.prefix.rstrip("/"), self.endpoint, self.region)

    def put(self, key: str, data: bytes, *, sha256: str = "") -> BlobRef:
        """Store ``data``, replacing what was there."""
        name, sha256 = self._name(key), sha256 or hashlib.sha256(data).hexdigest()
        with self._mapped(key):
            self._s3().put_object(Bucket=self.bucket, Key=name, Body=data, Metadata={_CHECKSUM: sha256})
        return BlobRef(key=key, n_bytes=len(data), sha256=sha256)

    def put_all(self, blobs: Mapping[str, bytes]) -> None:
        """Store several blobs, each replacing what was there, some at a time."""
        for key in blobs:
            validated_key(key)
        with ThreadPoolExecutor(PUT_THREADS) as pool:
            for _ in pool.map(self.put, blobs, blobs.values()):
                pass

    def put_file(self, key: str, path: Path, *, sha256: str = "") -> BlobRef:
        """Store a file's content, in parts read one by one; raises `StorageError` when ``path`` cannot be read."""
        name = self._name(key)
        n_bytes, sha256 = measure_file(path, sha256)
        transfer = TransferConfig(
            multipart_threshold=PART_BYTES, multipart_chunksize=PART_BYTES, max_concurrency=UPLOAD_THREADS
        )
        with self._mapped(key):
            self._s3().upload_file(
                str(path), self.bucket, name, ExtraArgs={"Metadata": {_CHECKSUM: sha256}}, Config=transfer
            )
        return BlobRef(key=key, n_bytes=n_bytes, sha256=sha256)

    def put_blocks(self, key: str, blocks: Iterable[bytes]) -> BlobRef:
        """Store what comes in blocks, in parts; the blob carries no SHA-256, which is known at its end only."""
        name, stream = self._name(key), BlockStream(blocks)
        transfer = TransferConfig(
            multipart_threshold=PART_BYTES, multipart_chunksize=PART_BYTES, max_concurrency=UPLOAD_THREADS
        )
        with self._mapped(key):
            self._s3().upload_fileobj(stream, self.bucket, name, Config=transfer)  # type: ignore[arg-type]  # it only reads
        return BlobRef(key=key, n_bytes=stream.n_bytes, sha256=stream.sha256)

    def get(self, key: str) -> bytes:
        """Return the whole blob; raises `BlobMissing`, `StoreUnavailable` when it differs from its checksum."""
        name = self._name(key)

        def attempt() -> bytes:
            reply = self._s3().get_object(Bucket=self.bucket, Key=name)
            data = _body(reply)
            expected = reply.get("Metadata", {}).get(_CHECKSUM)
            if expected and hashlib.sha256(data).hexdigest() != expected:
                raise _Torn(f"blob {key} in {self.bucket} differs from its checksum")
            return data

        return self._repeated(key, attempt)

    def get_range(self, key: str, offset: int, n_bytes: int) -> bytes:
        """Return ``n_bytes`` from ``offset``; raises `BlobMissing`, `StorageError` where the blob ends earlier."""
        validated_range(key, offset, n_bytes)
        name = self._name(key)
        too_short = StorageError(f"blob {key} ends before byte {offset + n_bytes}")
        if n_bytes == 0:
            if not self.exists(key):
                raise BlobMissing(f"no blob {key}")
            return b""

        def attempt() -> bytes:
            try:
                data = self._range(name, offset, n_bytes)
            except ClientError as error:
                if _code(error) in ("InvalidRange", "416"):
                    raise too_short from error
                raise
            if len(data) < n_bytes:
                raise too_short
            return data

        return self._repeated(key, attempt)

    def open(self, key: str) -> BinaryIO:
        """Open the blob as a seekable binary stream that reads ahead; raises `BlobMissing`.

        Reads raise `StoreUnavailable`, also when the blob is replaced or deleted in the meantime.
        """
        name = self._name(key)
        with self._mapped(key):
            head = self._s3().head_object(Bucket=self.bucket, Key=name)
        return open_blob(head["ContentLength"], lambda start, n: self._read_version(key, name, head["ETag"], start, n))

    def exists(self, key: str) -> bool:
        """Say whether the key holds a blob."""
        name = self._name(key)
        try:
            with self._mapped(key):
                self._s3().head_object(Bucket=self.bucket, Key=name)
        except BlobMissing:
            return False
        return True

    def list(self, prefix: str, *, after: str = "") -> Iterator[str]:
        """Yield the keys that start with ``prefix``, ascending; only those that come ``after`` a key."""
        start = self.prefix + validated_prefix(prefix)
        with self._mapped(prefix):
            paginator = self._s3().get_paginator("list_objects_v2")
            if after:
                beyond = self.prefix + validated_key(after)
                pages = paginator.paginate(Bucket=self.bucket, Prefix=start, StartAfter=beyond)
            else:
                pages = paginator.paginate(Bucket=self.bucket, Prefix=start)
            for page in pages:
                for item in page.get("Contents", ()):
                    key = item["Key"][len(self.prefix) :]
                    if PRIVATE_MARK not in key:
                        yield key

    def delete(self, key: str) -> None:
        """Remove the blob; a missing one is no error."""
        self._delete(self._name(key), key)

    def delete_prefix(self, prefix: str) -> int:
        """Remove all blobs whose key starts with ``prefix``; return how many."""
        keys = [*self.list(deletable_prefix(prefix))]
        # One request per key: deleting many at once needs a checksum that other stores than AWS refuse.
        with ThreadPoolExecutor(DELETE_THREADS) as pool:
            for _ in pool.map(self.delete, keys):
                pass
        return len(keys)

    def upload_url(self, key: str, n_bytes: int, lifetime_s: float) -> str | None:
        """Return a presigned URL, whose signature covers the length."""
        wanted = {"Bucket": self.bucket, "Key": self._name(key), "ContentLength": n_bytes}
        with self._mapped(key):
            return self._s3().generate_presigned_url("put_object", Params=wanted, ExpiresIn=int(lifetime_s))

    def folder(self) -> None:
        """Return None: a bucket lies elsewhere."""

    def check(self) -> None:
        """Raise `StoreUnavailable` unless a small write and read succeed."""
        name, probe = self._private("write"), uuid.uuid4().bytes
        try:
            with self._mapped("the write probe"):
                self._s3().put_object(Bucket=self.bucket, Key=name, Body=probe)
                found = _body(self._s3().get_object(Bucket=self.bucket, Key=name))
        except BlobMissing as error:
            raise StoreUnavailable(f"{self.bucket} does not return what was written") from error
        self._delete(name, "the write probe")
        if found != probe:
            raise StoreUnavailable(f"{self.bucket} does not return what was written")

    def conditional_writes(self) -> bool:
        """Say whether the store refuses to overwrite a blob when asked to; tried out once, by a probe."""
        if self._conditional is None:
            with self._mapped("the probe of conditional writes"):
                self._conditional = honours_conditions(self._s3(), self.bucket, self._private("conditions"))
        return self._conditional

    def claim(self, owner: str) -> str:
        """Make ``owner`` the store's if it has none; return whose it is.

        Without conditional writes, and with Swift, which looks before it writes and not while it does, two that claim
        it in the same moment may both be told that it is theirs; from then on all are told the same.
        """
        name, data = self.prefix + OWNER_NAME, owner.encode()
        for _ in range(CLAIM_ATTEMPTS):
            if found := self._owner():
                return found
            with self._mapped(OWNER_NAME):
                if self.conditional_writes():
                    put_new(self._s3(), self.bucket, name, data)
                else:
                    self._s3().put_object(Bucket=self.bucket, Key=name, Body=data)
        raise StoreUnavailable(f"{name} in bucket {self.bucket} can be written and not read")

    def owner_mark(self) -> str:
        """Return where the owner's name is kept, for people."""
        return f"s3://{self.bucket}/{self.prefix}{OWNER_NAME}"

    def _owner(self) -> str:
        try:
            with self._mapped(OWNER_NAME):
                return _body(self._s3().get_object(Bucket=self.bucket, Key=self.prefix + OWNER_NAME)).decode()
        except BlobMissing:
            return ""

    def _private(self, what: str) -> str:
        """Return a name for a moment, which nobody lists."""
        return f"{self.prefix}{PRIVATE_MARK}check/{what}-{uuid.uuid4().hex}"

    def _name(self, key: str) -> str:
        return self.prefix + validated_key(key)

    def _delete(self, name: str, key: str) -> None:
        with self._mapped(key):
            self._s3().delete_object(Bucket=self.bucket, Key=name)

    def _read_version(self, key: str, name: str, etag: str, offset: int, n_bytes: int) -> bytes:
        try:
            return self._repeated(key, lambda: self._range(name, offset, n_bytes, etag))
        except BlobMissing as error:
            raise StoreUnavailable(f"blob {key} was deleted while it was read") from error

    def _range(self, name: str, offset: int, n_bytes: int, etag: str = "") -> bytes:
        """Read bytes of a blob, of the version ``etag`` if one is given, even if the store ignores that condition."""
        condition: dict[str, Any] = {"IfMatch": etag} if etag else {}
        wanted = f"bytes={offset}-{offset + n_bytes - 1}"
        reply = self._s3().get_object(Bucket=self.bucket, Key=name, Range=wanted, **condition)
        data = _body(reply, n_bytes)
        if len(data) > n_bytes:
            raise StoreUnavailable(f"{self.bucket} ignores the byte range asked for")
        if etag and reply["ETag"] != etag:
            raise StoreUnavailable(f"{name} in bucket {self.bucket} was replaced while it was read")
        return data

    def _s3(self) -> "S3Client":
        with self._lock:
            if self._client is None or self._client_pid != os.getpid():
                self._client = self._connect()
                self._client_pid = os.getpid()
            return self._client

    def _connect(self) -> "S3Client":
        return connect(endpoint=self.endpoint, region=self.region)

    def _repeated(self, key: str, attempt: Callable[[], bytes]) -> bytes:
        """Call ``attempt`` again when the reply broke off: botocore repeats requests, but not the reading of bodies."""
        for n_left in reversed(range(READ_ATTEMPTS)):
            try:
                with self._mapped(key):
                    return attempt()
            except _Torn:
                if not n_left:
                    raise
        raise AssertionError("the last attempt returns or raises")

    @contextmanager
    def _mapped(self, key: str) -> Iterator[None]:
        try:
            yield
        except ClientError as error:
            if _code(error) in _MISSING:
                raise BlobMissing(f"no blob {key}") from error
            full = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == _INSUFFICIENT_STORAGE
            raise (StoreFull if full else StoreUnavailable)(f"{key} in bucket {self.bucket}: {error}") from error
        except (BotoCoreError, Boto3Error, HTTPError, OSError) as error:
            raise StoreUnavailable(f"{key} in bucket {self.bucket}: {error}") from error


class _Torn(StoreUnavailable):
    """A reply began well and did not arrive whole."""


def _body(reply: Mapping[str, Any], n_bytes: int | None = None) -> bytes:
    """Read a reply's body; at most one byte more than ``n_bytes``, which tells that the store sends too much."""
    body = reply["Body"]
    try:
        with body:
            data: bytes = body.read() if n_bytes is None else body.read(n_bytes + 1)
    except (BotoCoreError, HTTPError, OSError) as error:
        raise _Torn(f"the reply of the store broke off: {error}") from error
    promised = reply["ContentLength"] if n_bytes is None else min(reply["ContentLength"], n_bytes + 1)
    if len(data) < promised:
        raise _Torn(f"the reply of the store broke off after {len(data)} bytes")
    return data


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _rebuild(bucket: str, prefix: str, endpoint: str | None, region: str | None) -> S3Store:
    return S3Store(bucket, prefix=prefix, endpoint=endpoint, region=region)
