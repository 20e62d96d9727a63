"""Recordings in buckets: fetched with the credentials of their place, listed below a prefix. Everything blocks."""

import functools
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from deployments.sources.blocks import Content
from deployments.sources.places import SourceCredential
from deployments.sources.urls import SourceUrl
from pipelines.audio.first_bytes import UNKNOWN, Kind, kind_of
from pipelines.errors import EmptyAudio, SourceUnreachable, TooLarge
from pipelines.jobs.sidecar import MAX_SIDECAR_BYTES, sidecar_names

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer
    from mypy_boto3_s3 import S3Client


_BLOCK_BYTES = 1 << 16
_NOT_THERE_YET = frozenset({403, 404, 408, 425, 429})
_SERVER_FAULT = 500


@dataclass(frozen=True, kw_only=True)
class Found:
    """An object below a prefix; ``etag`` changes with its content."""

    bucket: str
    key: str
    n_bytes: int
    etag: str

    @property
    def url(self) -> str:
        """Its URL."""
        return s3_url(self.bucket, self.key)


class Page:
    """Holds a part of a listing: consecutive objects in the order of their keys."""

    def __init__(self, objects: Sequence[Found]) -> None:
        self.objects = objects
        keys = [item.key for item in objects]
        self._keys = frozenset(keys)
        # Directory buckets list in no order; nothing can be missed in such a page.
        self._ends = (keys[0], keys[-1]) if keys and keys == sorted(keys) else None

    def may_have_sidecar(self, key: str) -> bool:
        """Return whether a sidecar may lie beside a recording; False only where this part would show it."""
        names = sidecar_names(key)
        if self._ends is None or not self._keys.isdisjoint(names):
            return True
        first, last = self._ends
        return not all(first <= name <= last for name in names)


def s3_url(bucket: str, key: str) -> str:
    """Return the URL of an object."""
    return f"s3://{bucket}/{quote(key)}"


def bucket_and_key(url: str) -> tuple[str, str]:
    """Return what a URL of an object names."""
    source = SourceUrl.of(url)
    return source.authority, source.key


def fetch_object(url: str, destination: Path, place: SourceCredential, max_bytes: int, content: Content) -> str:
    """Pull an object into a file, behind what ``content`` puts before its first bytes; return its name.

    Raises `SourceUnreachable`, `TooLarge`, `EmptyAudio`, and what ``content`` raises before the object is pulled.
    """
    bucket, key = bucket_and_key(url)
    with _mapped(url):
        client = client_of(place)
        n_bytes = client.head_object(Bucket=bucket, Key=key)["ContentLength"]
        if n_bytes > max_bytes:
            raise _too_large(url, max_bytes)
        if n_bytes == 0:
            raise EmptyAudio(f"{url} has no bytes.")
        header = _before(bucket, key, place, content)
        with _BoundedFile(destination, max_bytes, url, header) as file:
            client.download_fileobj(bucket, key, file)
    return key.rpartition("/")[2]


def _before(bucket: str, key: str, place: SourceCredential, content: Content) -> bytes:
    """Show the first bytes of an object to ``content``, as few as tell; return what it puts before them."""
    kept, n_bytes = b"", 0
    with client_of(place).get_object(Bucket=bucket, Key=key)["Body"] as body:
        while not content.decided and (block := body.read(_BLOCK_BYTES)):
            kept += content.feed(block)
            n_bytes += len(block)
    if not content.decided:
        kept += content.finish()
    return kept[: len(kept) - n_bytes]


def kind_of_object(url: str, place: SourceCredential) -> Kind:
    """Say what an object is by its first bytes; raises `SourceUnreachable`."""
    bucket, key = bucket_and_key(url)
    head = _read_small(bucket, key, place, _BLOCK_BYTES) or b""
    return kind_of(head, whole=len(head) < _BLOCK_BYTES) or UNKNOWN


def read_sidecar_of(url: str, place: SourceCredential) -> bytes | None:
    """Return the sidecar beside a recording, None where there is none, or an empty one; raises `SourceUnreachable`."""
    bucket, key = bucket_and_key(url)
    for name in sidecar_names(key):
        data = _read_small(bucket, name, place, MAX_SIDECAR_BYTES + 1)
        if data:
            return data
    return None


class _BoundedFile(io.BufferedWriter):
    """Bounds the bytes of an object that may be replaced by a larger one after its size was read."""

    def __init__(self, path: Path, max_bytes: int, url: str, header: bytes) -> None:
        super().__init__(io.FileIO(path, "wb"))
        self._max_bytes = max_bytes
        self._url = url
        self._header = header
        super().write(header)

    def seekable(self) -> bool:
        """Behind a header the parts must come in their order: boto3 would seek to where they are in the object."""
        return not self._header

    def write(self, data: "ReadableBuffer", /) -> int:
        """Raise `TooLarge` beyond the limit."""
        if self.tell() + memoryview(data).nbytes > self._max_bytes:
            raise _too_large(self._url, self._max_bytes)
        return super().write(data)


def _too_large(url: str, max_bytes: int) -> TooLarge:
    return TooLarge(f"{url} is larger than the {max_bytes} bytes this server takes.")


def _read_small(bucket: str, key: str, place: SourceCredential, max_bytes: int) -> bytes | None:
    """Return the beginning of an object, None where there is none."""
    from botocore.exceptions import ClientError

    with _mapped(s3_url(bucket, key)):
        try:
            with client_of(place).get_object(Bucket=bucket, Key=key)["Body"] as body:
                return body.read(max_bytes)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in ("NoSuchKey", "404", "NotFound"):
                return None
            raise


def list_objects(url: str, place: SourceCredential) -> Iterator[Found]:
    """Yield the objects below a prefix, but empty ones, in the order of their keys. Raises `SourceUnreachable`."""
    for page in list_pages(url, place):
        yield from page.objects


def list_pages(url: str, place: SourceCredential) -> Iterator[Page]:
    """Yield what `list_objects` yields, a page of the store's at a time; each is asked for when it is wanted."""
    bucket, prefix = bucket_and_key(url)
    if prefix and prefix == place.folder.key:
        prefix += "/"  # eu would list europe/ too
    with _mapped(url):
        for page in client_of(place).get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            yield Page(
                [
                    Found(bucket=bucket, key=item["Key"], n_bytes=item["Size"], etag=item.get("ETag", "").strip('"'))
                    for item in page.get("Contents", ())
                    if item["Size"]
                ]
            )


def client_of(place: SourceCredential) -> "S3Client":
    """Return the client for a place, one for all that is asked of it with the same keys."""
    return _client(place.endpoint or None, place.region or None, *place.key_pair)


@functools.lru_cache(maxsize=32)
def _client(endpoint: str | None, region: str | None, key_id: str | None, secret: str | None) -> "S3Client":
    # boto3 takes a second to import, which only those who pull from a bucket should wait for.
    from pipelines.storage.s3_client import connect

    return connect(endpoint=endpoint, region=region, key_id=key_id, secret=secret)


@contextmanager
def _mapped(url: str) -> Iterator[None]:
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError
    from urllib3.exceptions import HTTPError

    try:
        yield
    except (ClientError, BotoCoreError, Boto3Error, HTTPError, OSError) as error:
        raise SourceUnreachable(f"{url} cannot be read: {error}", may_come=_may_pass(error)) from error


def _may_pass(error: Exception) -> bool:
    """Return whether another attempt may find the object: it comes later, or the store does."""
    answer = getattr(error, "response", None)
    if answer is None:
        return True  # no answer
    status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return status in _NOT_THERE_YET or status >= _SERVER_FAULT
