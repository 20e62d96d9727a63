"""Receipts of deletions in the ledger's database: `SqlReceipts`."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, literal, select, tuple_, update

from pipelines.audit import Deed, ObjectKind
from pipelines.codec import decode, encode
from pipelines.errors import NotFound
from pipelines.keeping.receipts import Receipt, ReceiptPage, united
from pipelines.ledger.database import Database
from pipelines.ledger.keeping.audit_rows import enter, lock_head
from pipelines.ledger.keeping.sql_legal_holds import require_unheld
from pipelines.ledger.protocol import Clock
from pipelines.ledger.rows import job_of, known_row
from pipelines.ledger.rules import check_limit, parse_cursor, place_cursor, storable
from pipelines.ledger.schema import is_begun, is_finished, receipts


class SqlReceipts:
    """Implements `pipelines.keeping.receipts.ReceiptBook` by SQL; ``clock`` gives Unix seconds."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def begin(self, receipt: Receipt) -> Receipt:
        """Note that an erasure begins; see `pipelines.keeping.receipts.ReceiptBook.begin`."""
        with self._database.writing() as connection:
            job = None
            if receipt.kind is ObjectKind.JOB:
                job = job_of(known_row(connection, receipt.tenant, receipt.object_id, lock=True))
            lock_head(connection, receipt.tenant)  # nobody places a hold meanwhile
            begun = begun_receipt(connection, receipt.tenant, receipt.kind, receipt.object_id)
            if begun is not None:
                whole = united(begun, receipt)
                store(connection, whole)
                return whole
            if job is not None:
                require_unheld(connection, job)
            connection.execute(insert(receipts), [_columns(receipt)])
            return receipt

    def finish(self, receipt: Receipt, deed: Deed) -> None:
        """Store a finished receipt and enter the deed."""
        with self._database.writing() as connection:
            lock_head(connection, receipt.tenant)
            if store(connection, receipt):
                enter(connection, [deed], self._clock())

    def begun(self, before_s: float) -> Sequence[Receipt]:
        """Return receipts that were begun earlier and are not finished, oldest first."""
        query = select(receipts).where(is_begun(), receipts.c.begun_at_s < before_s).order_by(receipts.c.begun_at_s)
        with self._database.reading() as connection:
            return [_receipt_of(row) for row in connection.execute(query)]

    def list(self, tenant: str, *, object_id: str = "", limit: int = 50, after: str | None = None) -> ReceiptPage:
        """Return one page of finished receipts, newest first; see `pipelines.keeping.receipts.ReceiptBook.list`."""
        check_limit(limit)
        receipt = receipts.c
        query = select(receipts).where(receipt.tenant == storable(tenant), ~is_begun())
        if object_id:
            query = query.where(receipt.object_id == storable(object_id))
        if after is not None:
            at_s, receipt_id = parse_cursor(after)
            query = query.where(tuple_(receipt.deleted_at_s, receipt.id) < tuple_(literal(at_s), literal(receipt_id)))
        query = query.order_by(receipt.deleted_at_s.desc(), receipt.id.desc()).limit(limit + 1)
        with self._database.reading() as connection:
            rows = list(connection.execute(query))
        last = rows[limit - 1] if len(rows) > limit else None
        return ReceiptPage(
            receipts=tuple(_receipt_of(row) for row in rows[:limit]),
            next_cursor=place_cursor(last.deleted_at_s, last.id) if last is not None else None,
        )

    def get(self, tenant: str, receipt_id: str) -> Receipt:
        """Return a finished receipt; raises `NotFound`."""
        query = select(receipts).where(receipts.c.tenant == storable(tenant), receipts.c.id == storable(receipt_id))
        with self._database.reading() as connection:
            row = connection.execute(query.where(~is_begun())).one_or_none()
        if row is None:
            raise NotFound(f"There is no receipt {receipt_id}.")
        return _receipt_of(row)

    def prune(self, before_s: float) -> int:
        """Remove finished receipts of earlier deletions; return how many."""
        with self._database.writing() as connection:
            return connection.execute(
                delete(receipts).where(is_finished(), receipts.c.deleted_at_s < before_s)
            ).rowcount


def begun_receipt(connection: Connection, tenant: str, kind: ObjectKind, object_id: str) -> Receipt | None:
    """Return the receipt of an erasure that has begun and is not finished."""
    own = receipts.c.tenant == storable(tenant), receipts.c.object_id == storable(object_id)
    query = select(receipts).where(*own, receipts.c.kind == kind.value, is_begun())
    row = connection.execute(query).one_or_none()
    return _receipt_of(row) if row is not None else None


def store(connection: Connection, receipt: Receipt) -> bool:
    """Store a begun receipt anew, or as finished; return False where it is not begun, or is finished already."""
    columns = _columns(receipt)
    own = receipts.c.id == columns.pop("id")
    return bool(connection.execute(update(receipts).where(own, is_begun()).values(columns)).rowcount)


def _columns(receipt: Receipt) -> dict[str, Any]:
    return {
        "id": receipt.id,
        "tenant": receipt.tenant,
        "kind": receipt.kind.value,
        "object_id": receipt.object_id,
        "begun_at_s": receipt.begun_at_s,
        "deleted_at_s": receipt.deleted_at_s,
        "body": encode(receipt).decode(),
    }


def _receipt_of(row: Row[Any]) -> Receipt:
    return decode(Receipt, row.body)
