"""Receipts of deletions: which blobs are gone, with their digests, when and by whom, signed where there is a key.

A receipt is begun before anything is deleted, with the digest of every blob, and finished in the transaction that
forgets the record. An erasure that is interrupted leaves a begun receipt: who repeats the erasure finishes it.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Protocol

from pipelines.audit import Deed, ObjectKind

FORMAT = "meetmemo-receipt/1"


class Cause(StrEnum):
    """Why something was deleted: somebody asked for it, or its time was over."""

    REQUEST = "request"
    RETENTION = "retention"


@dataclass(frozen=True, kw_only=True)
class ErasedBlob:
    """A blob as it was: its key, its size in bytes and its SHA-256 (hex)."""

    key: str
    n_bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Signature:
    """An Ed25519 signature (RFC 8032) of a receipt's `signed_bytes`; both fields are base64."""

    public_key: str
    value: str


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """Proof of a deletion. Times are Unix seconds; ``deleted_at_s`` is None until it is finished.

    ``gone``: the store was asked again afterwards, and has none of the blobs.
    """

    id: str
    tenant: str
    kind: ObjectKind
    object_id: str
    cause: Cause
    actor: str
    request_id: str = ""
    begun_at_s: float = 0.0
    deleted_at_s: float | None = None
    gone: bool = False
    blobs: tuple[ErasedBlob, ...] = field(default=())
    signature: Signature | None = None

    @property
    def keys(self) -> list[str]:
        """The keys of all blobs."""
        return [blob.key for blob in self.blobs]


def united(begun: Receipt, again: Receipt) -> Receipt:
    """Return a begun receipt with the blobs that a repeated erasure found besides."""
    known = set(begun.keys)
    return replace(begun, blobs=(*begun.blobs, *(blob for blob in again.blobs if blob.key not in known)))


def document(receipt: Receipt) -> dict[str, Any]:
    """Return a receipt as people keep it: the signed part, and the signature (None where there is none)."""
    signature = receipt.signature
    return {
        **_signed(receipt),
        "signature": {"algorithm": "Ed25519", "public_key": signature.public_key, "value": signature.value}
        if signature
        else None,
    }


def signed_bytes(written: dict[str, Any]) -> bytes:
    """Return what a signature is about: all of a document but itself, as JSON with sorted names and no spaces."""
    signed = {name: value for name, value in written.items() if name != "signature"}
    return json.dumps(signed, sort_keys=True, ensure_ascii=True, separators=(",", ":")).encode()


def _signed(receipt: Receipt) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "id": receipt.id,
        "tenant": receipt.tenant,
        "kind": str(receipt.kind),
        "object_id": receipt.object_id,
        "cause": str(receipt.cause),
        "actor": receipt.actor,
        "request_id": receipt.request_id,
        "begun_at": _written_time(receipt.begun_at_s),
        "deleted_at": _written_time(receipt.deleted_at_s),
        "gone": receipt.gone,
        "blobs": [{"key": blob.key, "n_bytes": blob.n_bytes, "sha256": blob.sha256} for blob in receipt.blobs],
    }


def _written_time(at_s: float | None) -> str | None:
    """Return a time to the millisecond by ISO 8601: no two programs write the digits of a number otherwise."""
    return None if at_s is None else datetime.fromtimestamp(at_s, UTC).isoformat(timespec="milliseconds")


class Signer(Protocol):
    """Signs documents: `pipelines.keeping.signing.ReceiptKey`."""

    def sign(self, data: bytes) -> Signature:
        """Return the signature of some bytes."""


def signed(receipt: Receipt, signer: Signer | None) -> Receipt:
    """Return a finished receipt with its signature; without a signer it stays unsigned."""
    if signer is None:
        return receipt
    return replace(receipt, signature=signer.sign(signed_bytes(_signed(receipt))))


@dataclass(frozen=True, kw_only=True)
class ReceiptPage:
    """Some receipts, newest first; ``next_cursor`` continues after the last one and is None at the end."""

    receipts: tuple[Receipt, ...]
    next_cursor: str | None


class ReceiptBook(Protocol):
    """The receipts of all tenants. Methods block and are thread-safe, and raise `LedgerUnavailable`."""

    def begin(self, receipt: Receipt) -> Receipt:
        """Note durably that an erasure begins; return the receipt, or an earlier begun one with the blobs of both.

        Raises `OnHold` for a job that a legal hold takes, `JobUnknown` for one that is not there.
        """

    def finish(self, receipt: Receipt, deed: Deed) -> None:
        """Store a finished receipt and enter the deed; for what has no record in the ledger."""

    def begun(self, before_s: float) -> Sequence[Receipt]:
        """Return all tenants' receipts that were begun earlier and are not finished, oldest first."""

    def list(self, tenant: str, *, object_id: str = "", limit: int = 50, after: str | None = None) -> ReceiptPage:
        """Return one page of a tenant's finished receipts, newest first; ``after`` is the cursor before."""

    def get(self, tenant: str, receipt_id: str) -> Receipt:
        """Return a finished receipt; raises `NotFound`."""

    def prune(self, before_s: float) -> int:
        """Remove finished receipts of earlier deletions; return how many."""
