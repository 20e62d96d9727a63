"""The tus protocol 1.0 (tus.io) without I/O: what requests say, and what follows for the bytes of an upload.

`TusUpload` takes what happens to one upload and returns decisions; its caller reads requests, carries the decisions out
in their order, and answers. An error in reading a header is raised.

    HEAD ──▶ asked ──────────────────────▶ MakeJob where all bytes are there without a job
    PATCH ─▶ piece_began ─▶ data_came … ─▶ Append each; Refuse (with CutBack) what goes beyond the announced length
                                 ├─▶ piece_ended ─▶ MakeJob after the last byte; CutBack and Refuse on a wrong checksum
                                 └─▶ piece_cut ───▶ CutBack where a checksum cannot be verified any more
"""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from deployments.sources.fetch import NAMELESS
from pipelines.errors import (
    ChecksumMismatch,
    EmptyAudio,
    InvalidRequest,
    MeetMemoError,
    OffsetConflict,
    TusVersion,
    UnsupportedMediaType,
)

VERSION = "1.0.0"
EXTENSIONS = "creation,expiration,checksum,termination,concatenation"
MAX_PARTS = 64
ALGORITHMS = ("sha256", "sha1", "md5")
PIECE_TYPE = "application/offset+octet-stream"
_ABOUT_THE_FILE = frozenset({"filename", "name", "filetype", "type", "relativePath"})  # what tus clients send unasked


@dataclass(frozen=True)
class Append:
    """Write these bytes at the end."""

    data: bytes


@dataclass(frozen=True)
class CutBack:
    """Let the upload have its first ``n_bytes`` only."""

    n_bytes: int


@dataclass(frozen=True)
class MakeJob:
    """Every byte is there: make the job."""


@dataclass(frozen=True)
class Refuse:
    """Answer with an error, and read no more."""

    error: type[MeetMemoError]
    detail: str


Decision = Append | CutBack | MakeJob | Refuse


@dataclass(frozen=True, kw_only=True)
class Checksum:
    """The checksum that a client gives for the bytes of a PATCH."""

    algorithm: str
    digest: bytes

    @classmethod
    def of(cls, header: str) -> Self | None:
        """Read ``Upload-Checksum``: algorithm and digest; None where there is none. Raises `InvalidRequest`."""
        if not header:
            return None
        algorithm, _, value = header.partition(" ")
        if algorithm not in ALGORITHMS:
            raise InvalidRequest(f"Upload-Checksum: there are {', '.join(ALGORITHMS)}.")
        try:
            return cls(algorithm=algorithm, digest=base64.b64decode(value.strip(), validate=True))
        except ValueError:
            raise InvalidRequest("Upload-Checksum is not in Base64.") from None


@dataclass(frozen=True, kw_only=True)
class PieceHead:
    """The headers of a PATCH."""

    offset: int
    checksum: Checksum | None = None

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> Self:
        """Read ``Upload-Checksum`` and ``Upload-Offset``; raises `InvalidRequest`."""
        checksum = Checksum.of(headers.get("upload-checksum", ""))
        return cls(offset=_number(headers, "upload-offset"), checksum=checksum)


@dataclass(frozen=True, kw_only=True)
class Creation:
    """The upload that a POST creates; ``options`` are those of its job, not checked yet.

    ``is_partial``: a part of a recording, which becomes no job by itself. ``parts`` are the ids of such parts, in their
    order, of which the recording is put together; its ``n_bytes`` are theirs then, and 0 here.
    """

    n_bytes: int
    filename: str
    options: Mapping[str, str]
    is_partial: bool = False
    parts: tuple[str, ...] = ()

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> Self:
        """Read ``Upload-Length``, ``Upload-Metadata`` and ``Upload-Concat``; raises `InvalidRequest`, `EmptyAudio`."""
        if "upload-defer-length" in headers:
            raise InvalidRequest("Upload-Defer-Length is not supported: say the length in Upload-Length.")
        is_partial, parts = concatenation_of(headers.get("upload-concat", ""))
        if parts and "upload-length" in headers:
            raise InvalidRequest("Upload-Length is not given where parts are put together: it is theirs.")
        n_bytes = 0 if parts else _number(headers, "upload-length")
        if n_bytes == 0 and not parts:
            raise EmptyAudio("The recording has no bytes.")
        metadata = metadata_of(headers.get("upload-metadata", ""))
        return cls(
            n_bytes=n_bytes,
            filename=metadata.get("filename") or metadata.get("name") or NAMELESS,
            options={name: text for name, text in metadata.items() if name not in _ABOUT_THE_FILE},
            is_partial=is_partial,
            parts=parts,
        )


def concatenation_of(header: str) -> tuple[bool, tuple[str, ...]]:
    """Read ``Upload-Concat``: whether an upload is a part, and the ids of those it is put together of.

    Raises `InvalidRequest`.
    """
    if header.strip() in ("", "partial"):
        return bool(header.strip()), ()
    kind, semicolon, urls = header.strip().partition(";")
    parts = tuple(url.rstrip("/").rpartition("/")[2] for url in urls.split())
    if kind != "final" or not semicolon or not parts:
        raise InvalidRequest("Upload-Concat must be partial, or final; and the URLs of the parts.")
    if len(parts) > MAX_PARTS or len(set(parts)) < len(parts):
        raise InvalidRequest(f"Upload-Concat may name {MAX_PARTS} parts at most, each once.")
    return False, parts


class _Piece:
    """Hashes the bytes of one PATCH as they arrive."""

    def __init__(self, start: int, checksum: Checksum | None) -> None:
        self.start = start
        self.checksum = checksum
        self._digest = hashlib.new(checksum.algorithm, usedforsecurity=False) if checksum else None

    def take(self, data: bytes) -> None:
        if self._digest is not None:
            self._digest.update(data)

    @property
    def is_intact(self) -> bool:
        return self.checksum is None or self._digest is None or self._digest.digest() == self.checksum.digest


@dataclass(kw_only=True)
class TusUpload:
    """The state of one upload: ``offset`` of ``n_bytes`` are there, and whether they have become a job.

    One that ``is_partial`` becomes none.
    """

    n_bytes: int
    offset: int = 0
    has_job: bool = False
    is_partial: bool = False
    _piece: _Piece | None = field(default=None, init=False, repr=False)

    def asked(self) -> tuple[Decision, ...]:
        """Take the question for the offset."""
        return self._made()

    def piece_began(self, head: PieceHead) -> tuple[Decision, ...]:
        """Take the head of a piece; nothing is appended to what has become a job."""
        if head.offset != self.offset:
            return (Refuse(OffsetConflict, f"The upload is at {self.offset}."),)
        if not self.has_job:
            self._piece = _Piece(self.offset, head.checksum)
        return ()

    def data_came(self, data: bytes) -> tuple[Decision, ...]:
        """Take bytes of the piece that has begun."""
        piece = self._begun()
        if self.offset + len(data) > self.n_bytes:
            detail = f"The upload was announced with {self.n_bytes} bytes; this is more."
            return self._undone(piece, Refuse(InvalidRequest, detail))
        self.offset += len(data)
        piece.take(data)
        return (Append(data),)

    def piece_ended(self) -> tuple[Decision, ...]:
        """Take the regular end of the piece."""
        piece = self._begun()
        if not piece.is_intact:
            detail = f"The piece differs from its checksum; the upload is at {piece.start}."
            return self._undone(piece, Refuse(ChecksumMismatch, detail))
        self._piece = None
        return self._made()

    def piece_cut(self) -> tuple[Decision, ...]:
        """Take that the piece goes no further: what came of it stays unless a checksum had to be verified."""
        piece, self._piece = self._piece, None
        return self._undone(piece) if piece is not None and piece.checksum else ()

    def _begun(self) -> _Piece:
        assert self._piece is not None, "no piece has begun"
        return self._piece

    def _undone(self, piece: _Piece, *more: Decision) -> tuple[Decision, ...]:
        self._piece, self.offset = None, piece.start
        return (CutBack(piece.start), *more)

    def _made(self) -> tuple[Decision, ...]:
        is_whole = self.offset == self.n_bytes and not self.is_partial
        return (MakeJob(),) if is_whole and not self.has_job else ()


def check_version(headers: Mapping[str, str]) -> None:
    """Raise `TusVersion` unless the client speaks version 1.0.0."""
    if headers.get("tus-resumable") != VERSION:
        raise TusVersion(f"The header Tus-Resumable must be {VERSION}.")


def check_piece_type(headers: Mapping[str, str]) -> None:
    """Raise `UnsupportedMediaType` unless the body is a piece."""
    if headers.get("content-type", "").lower() != PIECE_TYPE:
        raise UnsupportedMediaType(f"Send {PIECE_TYPE}.")


def metadata_of(header: str) -> dict[str, str]:
    """Read ``Upload-Metadata``: names with values in Base64, separated by commas; raises `InvalidRequest`."""
    metadata: dict[str, str] = {}
    for pair in filter(None, (part.strip() for part in header.split(","))):
        name, _, value = pair.partition(" ")
        try:
            text = base64.b64decode(value.strip(), validate=True).decode()
        except ValueError:
            raise InvalidRequest(f"Upload-Metadata: the value of {name!r} is not UTF-8 in Base64.") from None
        if name in metadata:
            raise InvalidRequest(f"Upload-Metadata names {name!r} twice.")
        metadata[name] = text
    return metadata


def _number(headers: Mapping[str, str], name: str) -> int:
    text = headers.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise InvalidRequest(f"The header {name.title()} must be a number.")
    return int(text)
