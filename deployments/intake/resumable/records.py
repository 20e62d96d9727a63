"""Resumable uploads in the blob store: what was announced of one, and the pieces that have arrived.

Each piece is a blob whose name says where its bytes belong, so any endpoint sees how far an upload is and takes the
next piece. No blob is ever rewritten: endpoints that do not know of each other cannot undo each other's pieces.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby

from pydantic import ValidationError

from pipelines.codec import decode
from pipelines.errors import BlobMissing
from pipelines.jobs.job import JobOptions
from pipelines.jobs.reference import NO_REFERENCE, Reference
from pipelines.storage.layout import RESUMABLE_UPLOADS, PieceKeys, TenantKeys
from pipelines.storage.protocol import BlobStore

_ID = re.compile(r"[0-9a-f]{32}")
_PIECE = re.compile(r"(?P<offset>\d{15})-(?P<n_bytes>\d{1,15})(\.(?P<request>[0-9a-f]{32}))?")


@dataclass(frozen=True, kw_only=True)
class Resumable:
    """A resumable upload; ``job_id`` is the job it became, "" while it is incomplete. Times are Unix seconds.

    One that ``is_partial`` is a part of a recording; ``concat`` is the header that said so, or named the parts, whose
    ids are ``parts`` then.
    """

    id: str
    tenant: str
    n_bytes: int
    filename: str
    options: JobOptions
    expires_at_s: float
    reference: Reference = field(default=NO_REFERENCE)
    job_id: str = ""
    concat: str = ""
    parts: tuple[str, ...] = ()

    @property
    def is_partial(self) -> bool:
        return self.concat == "partial"

    @property
    def keys(self) -> PieceKeys:
        """Keys of what was announced and of the pieces."""
        return PieceKeys(tenant=self.tenant, upload_id=self.id)


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A blob with ``n_bytes`` of an upload from ``offset``."""

    key: str
    offset: int
    n_bytes: int


@dataclass(frozen=True, kw_only=True)
class OpenUpload:
    """An upload that has become no job, and its pieces, each beginning where the one before ends."""

    record: Resumable
    pieces: tuple[Piece, ...] = ()

    @property
    def n_there(self) -> int:
        """Bytes that have arrived; all of them for one that is put together of parts."""
        if self.record.parts:
            return self.record.n_bytes
        return self.pieces[-1].offset + self.pieces[-1].n_bytes if self.pieces else 0

    @property
    def n_wanted(self) -> int:
        """Bytes that have not arrived."""
        return max(0, self.record.n_bytes - self.n_there)


def in_order(keys: PieceKeys, names: Iterable[str]) -> tuple[Piece, ...]:
    """Return the pieces among an upload's blobs that follow on each other from its first byte.

    Of several that begin at the same byte the longest counts: a connection that was torn may leave its last bytes after
    its client has gone on elsewhere. Pieces of a request whose checksum was not verified do not count.
    """
    there = {name.removeprefix(keys.root): name for name in names}
    longest: dict[int, Piece] = {}
    for name, key in there.items():
        match = _PIECE.fullmatch(name)
        if match is None or (match["request"] and keys.verified(match["request"]).removeprefix(keys.root) not in there):
            continue
        piece = Piece(key=key, offset=int(match["offset"]), n_bytes=int(match["n_bytes"]))
        if piece.n_bytes > (longest[piece.offset].n_bytes if piece.offset in longest else 0):
            longest[piece.offset] = piece
    found: list[Piece] = []
    offset = 0
    while offset in longest:
        found.append(longest[offset])
        offset += longest[offset].n_bytes
    return tuple(found)


def read_upload(store: BlobStore, tenant: str, upload_id: str) -> OpenUpload | None:
    """Return an upload of a tenant; None where there is none that can be read."""
    if not _ID.fullmatch(upload_id):
        return None
    keys = PieceKeys(tenant=tenant, upload_id=upload_id)
    return parse_upload(store, keys, list(store.list(keys.root)))


def parse_upload(store: BlobStore, keys: PieceKeys, names: list[str]) -> OpenUpload | None:
    """Return the upload whose blobs have these keys; None where its record is missing, torn, or another upload's."""
    if keys.record not in names:
        return None
    try:
        record = decode(Resumable, store.get(keys.record))
    except (BlobMissing, ValidationError):
        return None
    if (record.tenant, record.id) != (keys.tenant, keys.upload_id):
        return None
    return OpenUpload(record=record, pieces=in_order(keys, names))


def each_upload(store: BlobStore, tenant: str = "") -> Iterator[tuple[PieceKeys, list[str]]]:
    """Yield the uploads of a tenant, or of all, each with the keys of its blobs."""
    prefix = TenantKeys(tenant=tenant).resumable if tenant else RESUMABLE_UPLOADS
    for keys, names in groupby(store.list(prefix), key=PieceKeys.of_key):
        if keys is not None:
            yield keys, list(names)


def open_uploads(store: BlobStore, now_s: float, tenant: str = "") -> Iterator[OpenUpload]:
    """Yield the uploads that may still be sent; ``now_s`` is Unix seconds."""
    for keys, names in each_upload(store, tenant):
        upload = parse_upload(store, keys, names)
        if upload is not None and not upload.record.job_id and upload.record.expires_at_s >= now_s:
            yield upload
